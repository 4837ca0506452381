import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { settings as serviceSettings } from '../env.js'
import { StartFault } from '../database/embedded-fault.js'
import { meantBy } from './misspelt.js'
import { type SidecarSettings, absolutePaths, collectorNames, readSidecarSettings } from './sidecar-settings.js'

export type Environment = Record<string, string | undefined>

/** What the launcher itself needs to know; everything is passed on to the service, which checks it. */
export interface LauncherSettings {
  /** With what `.env` adds: for the service. */
  environment: Environment
  host: string
  /** Nothing when PORT is no port: the service complains of it together with all else. */
  port: number | undefined
  /** Absolute. */
  dataDir: string
  /** Of a database that is not ours to start. */
  databaseUrl: string | undefined
  /** Where the metrics are to be had; nothing when they are off or go elsewhere. */
  metrics: { host: string, port: number, chosen: boolean } | undefined
  shutdownTimeoutMs: number
  sidecar: SidecarSettings
  /** Names in `.env` that nothing here reads: misspelt ones, most likely. */
  unknownNames: Array<{ name: string, meant: string | undefined }>
}

/**
 * @param root of the repository; its `.env` fills in what the environment does not set
 * @param cwd what a relative DATA_DIR of the environment starts at; one from `.env` starts at root
 * @throws StartFault when `.env` cannot be read, or a setting of the sidecar cannot be meant
 */
export function readSettings (root: string, given: Environment, cwd: string): LauncherSettings {
  const file = readEnvFile(join(root, '.env'))
  const environment = { ...file, ...given }
  const value = (name: string) => environment[name] === '' ? undefined : environment[name]
  const dataDir = resolve(given['DATA_DIR'] === undefined || given['DATA_DIR'] === '' ? root : cwd, value('DATA_DIR') ?? '.data')
  const known = new Set([...Object.keys(serviceSettings.properties), ...SIDECAR, ...collectorNames(root)])
  return {
    environment,
    host: value('HOST') ?? '127.0.0.1',
    port: portOf(value('PORT') ?? '8000'),
    dataDir,
    databaseUrl: value('DATABASE_URL'),
    metrics: metricsOf(value),
    shutdownTimeoutMs: Number(/^\d+$/.exec(value('SHUTDOWN_TIMEOUT_MS') ?? '') ?? 10_000),
    sidecar: readSidecarSettings(root, environment, dataDir, absolutePaths(root, given, file, cwd)),
    unknownNames: Object.keys(file).filter((name) => !known.has(name)).map((name) => ({ name, meant: meantBy(name, known) }))
      // Of others' names only the slips are known.
      .filter(({ name, meant }) => !OF_OTHERS.test(name) || (name.startsWith('OTEL_') && meant !== undefined))
  }
}

// Read by the launcher and by telemetry/environment.ts.
const SIDECAR = ['SIDECAR', 'COLLECTOR_DESTINATIONS', 'SAMPLING', 'SAMPLING_PERCENTAGE', 'SAMPLING_TRUST_PARENT', 'READ_SAMPLING_RATIO', 'SLOW_TRACE_MS']

// Settings of OpenTelemetry, Node, Go, Docker and the like, which are not listed here.
const OF_OTHERS = /^(?:OTEL|NODE|PG|SSL|TZ|LANG|LC|GO[A-Z]+|DOCKER|HTTPS?_PROXY|NO_PROXY)(?:_|$)/

function readEnvFile (path: string): Environment {
  if (!existsSync(path)) return {}
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new StartFault(`The settings in ${path} cannot be read: ${(error as Error).message}. Mend its permissions, or move it away.`)
  }
}

function metricsOf (value: (name: string) => string | undefined): LauncherSettings['metrics'] {
  const exporters = value('OTEL_METRICS_EXPORTER') ?? 'prometheus'
  const off = value('OTEL_SDK_DISABLED') === 'true' || value('OTEL_ENABLED') === 'false' ||
    (value('OTEL_METRICS_EXPORTER') === undefined && value('OTEL_ENVIRONMENT') === 'testing')
  const set = value('OTEL_EXPORTER_PROMETHEUS_PORT')
  const port = portOf(set ?? '9464')
  if (off || port === undefined || !exporters.split(',').some((name) => name.trim() === 'prometheus')) return undefined
  return { host: value('OTEL_EXPORTER_PROMETHEUS_HOST') ?? '127.0.0.1', port, chosen: set !== undefined }
}

function portOf (text: string): number | undefined {
  const port = /^\d+$/.test(text) ? Number(text) : NaN
  return port > 0 && port < 65_536 ? port : undefined
}
