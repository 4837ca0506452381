import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Pool } from 'pg'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { createDirectory } from './access/directory.js'
import { createIdentify } from './access/identify.js'
import { createJwtCheck } from './access/jwt.js'
import { createTokenRepository } from './access/repository.js'
import { tokenRoutes } from './access/routes.js'
import { createTokenService } from './access/service.js'
import { observedTokenRepository } from './access/telemetry.js'
import { createApplicationRepository } from './applications/repository.js'
import { applicationRoutes } from './applications/routes.js'
import { createApplicationService } from './applications/service.js'
import { observedApplicationRepository, observedApplicationService } from './applications/telemetry.js'
import { createConfigurationRepository } from './configurations/repository.js'
import { createCycleCheck } from './configurations/cycle-check.js'
import { createExtendCheck } from './configurations/extend-check.js'
import { configurationRoutes } from './configurations/routes.js'
import { createSchemaCheck } from './configurations/schema-check.js'
import { createConfigurationService } from './configurations/service.js'
import { observedConfigurationRepository, observedConfigurationService, observedCycleCheck, observedSchemaCheck } from './configurations/telemetry.js'
import { migrate } from './database/migrate.js'
import { createPool, describeDatabase, isUnavailable, message } from './database/pool.js'
import { createReader } from './database/read.js'
import { observedReader } from './database/telemetry.js'
import type { Settings } from './env.js'
import { Problem } from './errors.js'
import { healthRoutes } from './health/routes.js'
import { createHealthService } from './health/service.js'
import type { Guard } from './http/access.js'
import type { Caller } from './http/caller.js'
import { serverOptions } from './http/server.js'
import { httpPlugin } from './http/plugin.js'
import { exporterOf, metricsRoutes } from './metrics/routes.js'
import { parseApplicationTarget } from './names.js'
import { version } from './package.js'
import { createCommitter, type Committer } from './revisions/committer.js'
import { createHead } from './database/head.js'
import { createRevisionRepository } from './revisions/repository.js'
import { revisionRoutes } from './revisions/routes.js'
import { createRevisionService } from './revisions/service.js'
import { observedRevisionRepository, observedRevisionService } from './revisions/telemetry.js'
import { createSchemaEngine } from './schemas/engine.js'
import { createBatchScope } from './telemetry/batch-scope.js'
import { logEvent } from './telemetry/log.js'
import { quiet } from './telemetry/quiet.js'
import type { Telemetry } from './telemetry/telemetry.js'

export interface App {
  server: FastifyInstance
  committer: Committer
  /** Opens the store: waits for the database, migrates. Rejects when that can never succeed. @returns false when closed meanwhile */
  open (): Promise<boolean>
  /** Stops taking new work, finishes what is under way, closes the database. */
  close (): Promise<void>
}

const HOUR_MS = 3_600_000
const ACCESS_TIMEOUT_MS = 500
const LONGEST_PAUSE_MS = 10_000
// Whoever collects metrics must not wait for a database that hangs.
const COUNT_TIMEOUT_MS = 1000

// Access is open: whoever connects may do everything.
const EVERYBODY: Caller = { id: 'anonymous', role: 'admin', applications: undefined }

/** The composition root: every part is made and wired here and nowhere else. */
export async function createApp ({ settings, telemetry, commit }: {
  settings: Settings
  telemetry: Telemetry
  /** Another way into the store, for measuring the difference. */
  commit?: (pools: { reads: Pool, commits: Pool }) => Committer
}): Promise<App> {
  const database = { url: settings.DATABASE_URL, poolSize: settings.DATABASE_POOL_SIZE, statementTimeoutMs: settings.DATABASE_STATEMENT_TIMEOUT_MS }
  const reads = createPool(database, { name: 'config-service reads', size: settings.DATABASE_POOL_SIZE })
  const commits = createPool(database, { name: 'config-service commits', size: 1 })
  // Apart, so that no crowd of reads holds up the news that a token was revoked.
  const accesses = createPool({ ...database, statementTimeoutMs: ACCESS_TIMEOUT_MS }, { name: 'config-service access', size: 1 })
  const head = createHead()
  const { log } = telemetry
  const reader = observedReader(createReader(reads, head), telemetry)
  const committer = commit?.({ reads, commits }) ?? createCommitter({ pool: commits, maxWaitMs: settings.DATABASE_STATEMENT_TIMEOUT_MS, scope: createBatchScope(telemetry) })
  const store = { committer, head }
  const engine = createSchemaEngine()
  const bodyLimitBytes = settings.BODY_LIMIT_BYTES

  const revisions = observedRevisionRepository(createRevisionRepository({ reader, query: async (statement) => await reads.query(statement) }))
  const applicationRepository = observedApplicationRepository(createApplicationRepository({ reader, store }))
  const applications = observedApplicationService(createApplicationService({
    repository: applicationRepository, revisions, bodyLimitBytes
  }), telemetry)
  const configurationRepository = observedConfigurationRepository(createConfigurationRepository({ reader, store }))
  const configurations = observedConfigurationService(createConfigurationService({
    repository: configurationRepository,
    revisions,
    schemaCheck: observedSchemaCheck(createSchemaCheck(engine)),
    extendCheck: createExtendCheck(configurationRepository),
    cycleCheck: observedCycleCheck(createCycleCheck(configurationRepository)),
    bodyLimitBytes
  }), telemetry)
  const history = observedRevisionService(createRevisionService({ repository: revisions }), telemetry)
  const health = createHealthService({
    ping: async () => await reads.query({ name: 'ping', text: 'select 1' }),
    telemetry: () => telemetry.status(),
    about: {
      environment: settings.OTEL_ENVIRONMENT,
      version,
      debug: settings.LOG_LEVEL === 'debug',
      tracing: {
        enabled: process.env.OTEL_SDK_DISABLED !== 'true' && (process.env.OTEL_TRACES_EXPORTER ?? 'none') !== 'none',
        service_name: process.env.OTEL_SERVICE_NAME ?? 'config-service',
        exporter_type: process.env.OTEL_TRACES_EXPORTER === 'console' ? 'console' : process.env.OTEL_EXPORTER_OTLP_PROTOCOL === 'grpc' ? 'grpc' : 'http'
      }
    }
  })

  const tokenRepository = observedTokenRepository(createTokenRepository({ query: async (statement) => await accesses.query(statement) }))
  const directory = createDirectory(tokenRepository)
  const applicationOf: Guard['applicationOf'] = async (kind, target) => await revisions.applicationOf(kind, target)
  const jwt = jwtOf(settings, async (text) => {
    const target = parseApplicationTarget(text)
    return target === undefined ? undefined : await applicationOf('application', target)
  })
  const identify = createIdentify({ directory, adminToken: settings.ADMIN_TOKEN, jwt: jwt?.check })
  const open = settings.ACCESS === 'open'
  const guard: Guard = { identify: ({ headers }) => open ? EVERYBODY : identify(headers.authorization), applicationOf }
  const tokens = createTokenService({ repository: tokenRepository, directory, applicationOf: async (target) => (await applicationRepository.find(target)).value?.id })

  const server = Fastify(serverOptions({ bodyLimitBytes, head, telemetry })).withTypeProvider<TypeBoxTypeProvider>()
  await server.register(httpPlugin, { head, telemetry, version, open, guard })
  await server.register(healthRoutes, { service: health })
  await server.register(metricsRoutes, { exporter: exporterOf(process.env) })
  await server.register(async (api) => {
    api.addHook('onRequest', async () => {
      if (health.readiness() === 'starting') throw new Problem('database-unavailable', 'The service is starting and waits for the database.')
    })
    await api.register(applicationRoutes, { service: applications })
    await api.register(configurationRoutes, { service: configurations })
    await api.register(revisionRoutes, { service: history })
    await api.register(tokenRoutes, { service: tokens })
  }, { prefix: '/api/v1' })

  const closing = new AbortController()
  const housekeeping = setInterval(() => { revisions.forgetExpired().catch(() => {}) }, HOUR_MS)
  housekeeping.unref()

  telemetry.instruments.observe('config.revision', (observe) => { if (head.epoch !== '') observe(head.revision) })
  telemetry.instruments.observe('crud.resources.total', async (observe) => {
    if (health.readiness() === 'starting') return
    const counts = await within(COUNT_TIMEOUT_MS, revisions.count())
    for (const [kind, count] of Object.entries(counts ?? {})) observe(count, { 'resource.kind': kind as 'application', 'db.type': 'postgresql' })
  })

  async function openStore (): Promise<boolean> {
    for (let pauseMs = 500; !closing.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const client = await commits.connect()
        try {
          const ran = await migrate(client)
          if (ran.length > 0) logEvent(log, 'database.migrated', 'migrated the database', { migrations: ran })
        } finally {
          // What was set for migrating must not stay.
          client.release(true)
        }
        await reader.rows('store-open', 'select 1 as one', [])
        await directory.refresh()
        if (!open && settings.ADMIN_TOKEN === undefined && jwt === undefined && !directory.hasAny(Date.now())) throw new Error('nobody could get in: set ADMIN_TOKEN to make the first tokens with, or JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE')
        health.opened()
        return true
      } catch (error) {
        if (closing.signal.aborted) return false
        const cause = error instanceof Problem ? error.cause : error
        if (!isUnavailable(cause)) throw cause
        logEvent(log, 'database.waiting', `waiting for the database at ${describeDatabase(settings.DATABASE_URL)}: ${message(cause)}; requests are answered with 503 meanwhile; trying again in ${pauseMs / 1000} s`)
        await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
    return false
  }

  return {
    server,
    committer,
    open: async () => await quiet(openStore),
    async close () {
      closing.abort()
      health.draining()
      clearInterval(housekeeping)
      directory.close()
      jwt?.close()
      await server.close()
      await committer.close()
      await engine.close()
      await Promise.all([reads.end(), commits.end(), accesses.end()])
    }
  }
}

/** The result, or nothing when it takes longer. */
async function within<T> (limitMs: number, result: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => { timer = setTimeout(resolve, limitMs, undefined) })
  return await Promise.race([result, late]).finally(() => { clearTimeout(timer) })
}

function jwtOf (settings: Settings, applicationOf: (nameOrId: string) => Promise<string | undefined>): ReturnType<typeof createJwtCheck> | undefined {
  const { JWT_JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_ROLE_CLAIM: roleClaim, JWT_APPLICATIONS_CLAIM: applicationsClaim } = settings
  if (settings.ACCESS === 'open' || jwksUrl === undefined || issuer === undefined || audience === undefined) return undefined
  return createJwtCheck({ jwksUrl, issuer, audience, roleClaim, applicationsClaim, applicationOf })
}
