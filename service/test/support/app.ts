import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { createApp, type App } from '../../src/app.js'
import { readSettings } from '../../src/env.js'
import { createLog, type Log } from '../../src/telemetry/log.js'
import { createTelemetry } from '../../src/telemetry/telemetry.js'
import { cloneDatabase } from './database.js'

export interface TestApp extends App {
  databaseUrl: string
  /** A request below /api/v1 with a JSON body, given as data or as text. */
  call (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<LightMyRequestResponse>
}

/** What an app is made of, without a word on the terminal. */
export function appOptions (databaseUrl: string, { env = {}, log = createLog({ level: 'error', format: 'json', silent: true }) }: { env?: Record<string, string>, log?: Log } = {}): Parameters<typeof createApp>[0] {
  const settings = readSettings({ DATABASE_URL: databaseUrl, OTEL_ENVIRONMENT: 'testing', ...env })
  return { settings, telemetry: createTelemetry({ settings, log }) }
}

/** The whole service on a database of its own; closed and dropped at the end of the test. */
export async function testApp (t: Test, options: { env?: Record<string, string>, databaseUrl?: string, log?: Log } = {}): Promise<TestApp> {
  const databaseUrl = options.databaseUrl ?? await cloneDatabase(t)
  const app = await createApp(appOptions(databaseUrl, options))
  t.teardown(async () => { await app.close() })
  await app.open()
  return {
    ...app,
    databaseUrl,
    async call (method, path, body, headers = {}) {
      const isText = typeof body === 'string' || Buffer.isBuffer(body)
      return await app.server.inject({
        method: method as NonNullable<InjectOptions['method']>,
        url: `/api/v1${path}`,
        headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { payload: isText ? body : JSON.stringify(body) })
      })
    }
  }
}
