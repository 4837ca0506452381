import os from 'node:os'
import path from 'node:path'
import { Ajv, type ErrorObject } from 'ajv'
import { Type, type Static } from 'typebox'
import { isLoopback } from './loopback.js'

/** Every setting of the service: name, type, range, default and what it is for. `.env.example` lists the same. */
export const settings = Type.Object({
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on; a loopback address' }),
  PORT: Type.Integer({ default: 8000, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 takes any free one' }),
  DATABASE_URL: Type.String({ pattern: '^postgres(?:ql)?://', description: 'postgres://user:password@host:5432/database; scripts/start sets it for the embedded database' }),
  DATABASE_POOL_SIZE: Type.Integer({ default: 10, minimum: 1, maximum: 1000, description: 'Connections for reads; commits use one more' }),
  DATABASE_STATEMENT_TIMEOUT_MS: Type.Integer({ default: 10000, minimum: 100, maximum: 600000, description: 'Longest time a statement may take, in ms' }),
  DATA_DIR: Type.String({ default: '.data', minLength: 1, description: 'Folder for the embedded database and local files' }),
  LOG_LEVEL: Type.Enum(['error', 'warn', 'info', 'debug'], { default: 'info', description: 'Least severe level that is logged' }),
  LOG_FORMAT: Type.Enum(['auto', 'json', 'text'], { default: 'auto', description: 'auto: text on a terminal, JSON otherwise' }),
  SLOW_QUERY_MS: Type.Integer({ default: 200, minimum: 0, maximum: 600000, description: 'Queries that take longer are warned of, in ms' }),
  SLOW_OPERATION_MS: Type.Integer({ default: 500, minimum: 0, maximum: 600000, description: 'Operations that take longer are warned of, in ms' }),
  TELEMETRY_LEVEL: Type.Enum(['auto', '1', '2', '3', '4'], { default: 'auto', description: 'How much telemetry: 1 everything, 2 metrics and error logs, 3 errors to a local file, 4 nothing; auto finds out' }),
  SIDECAR_HEALTH_URL: Type.String({ default: 'off', pattern: '^(?:off|https?://.+)$', description: 'Where the sidecar says how it is; off: it is not asked' }),
  SIDECAR_GRACE_MS: Type.Integer({ default: 0, minimum: 0, maximum: 3600000, description: 'How long the sidecar may take to come up at first, in ms; while it lasts nothing is said and nothing reduced' }),
  READ_SAMPLING_RATIO: Type.Number({ default: 1, minimum: 0, maximum: 1, description: 'Share of the reads from memory that are traced' }),
  SHUTDOWN_TIMEOUT_MS: Type.Integer({ default: 10000, minimum: 0, maximum: 600000, description: 'Longest time for requests under way after SIGTERM, in ms' }),
  BODY_LIMIT_BYTES: Type.Integer({ default: 1048576, minimum: 1024, maximum: 16777216, description: 'Largest request body, in bytes' }),
  OTEL_ENVIRONMENT: Type.Enum(['development', 'testing', 'staging', 'production'], { default: 'development', description: 'Where this runs; decides the defaults of telemetry' })
})

export type Settings = Static<typeof settings>

/** All faults of the environment at once, a line each. */
export class SettingsError extends Error {
  constructor (readonly faults: readonly string[]) {
    super(`${faults.length === 1 ? 'A setting is' : `${faults.length} settings are`} not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.name = 'SettingsError'
  }
}

/**
 * The settings of an environment; an empty variable counts as not set.
 * @throws SettingsError with every fault
 */
export function readSettings (environment: NodeJS.ProcessEnv): Settings {
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(settings.properties)) {
    const value = environment[name]?.trim()
    if (value !== undefined && value !== '') values[name] = value
  }
  const faults = validate(values) ? [] : (validate.errors ?? []).map((error) => describe(error, values))
  if (typeof values.HOST === 'string' && !isLoopback(values.HOST)) {
    faults.push(`HOST: ${values.HOST} is not a loopback address. Anybody who can connect may read and write, so only 127.0.0.1, ::1 and localhost are possible; put a proxy that authenticates in front to serve others`)
  }
  if (typeof values.DATABASE_URL === 'string' && !URL.canParse(values.DATABASE_URL)) {
    faults.push('DATABASE_URL: is not a URL; encode special characters of the password (encodeURIComponent)')
  }
  if (faults.length > 0) throw new SettingsError(faults)
  const known = values as Settings
  return { ...known, DATA_DIR: path.resolve(known.DATA_DIR.replace(/^~(?=\/|$)/, os.homedir())) }
}

const validate = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, strict: false }).compile(settings)

function describe (error: ErrorObject, values: Record<string, unknown>): string {
  if (error.keyword === 'required') {
    const name = String(error.params.missingProperty)
    return `${name}: is missing (${(settings.properties[name as keyof Settings] as { description?: string }).description ?? ''})`
  }
  const name = error.instancePath.slice(1)
  // A connection string holds a password: it is never shown.
  const shown = name === 'DATABASE_URL' ? '' : ` ${JSON.stringify(values[name])}`
  if (error.keyword === 'enum') return `${name}:${shown} is none of ${(error.params.allowedValues as string[]).join(', ')}`
  if (error.keyword === 'pattern' && name === 'SIDECAR_HEALTH_URL') return `${name}:${shown} is neither an http address nor off`
  if (error.keyword === 'pattern') return `${name}: does not start with postgres:// or postgresql://`
  return `${name}:${shown} ${error.message ?? 'is not valid'}`
}
