import os from 'node:os'
import path from 'node:path'
import { Ajv, type ErrorObject } from 'ajv'
import { Type, type Static } from 'typebox'
import { isLoopback } from './loopback.js'

/** Every setting of the service: name, type, range, default and what it is for. `.env.example` lists the same. */
export const settings = Type.Object({
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on; a loopback address' }),
  PORT: Type.Integer({ default: 8000, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 takes any free one' }),
  ACCESS: Type.Enum(['auto', 'open', 'token'], { default: 'auto', description: 'open: whoever connects may do everything, on loopback addresses only; token: a token or JWT is asked for; auto: open on loopback, else token' }),
  ADMIN_TOKEN: Type.Optional(Type.String({ minLength: 32, maxLength: 512, pattern: '^[\\x21-\\x7e]+$', description: 'A token of the role admin, to make the first ones with; at least 32 visible characters' })),
  JWT_JWKS_URL: Type.Optional(Type.String({ pattern: '^https?://', description: 'Key set of an issuer of JWTs; with JWT_ISSUER and JWT_AUDIENCE' })),
  JWT_ISSUER: Type.Optional(Type.String({ minLength: 1, description: 'What the claim iss must be' })),
  JWT_AUDIENCE: Type.Optional(Type.String({ minLength: 1, description: 'What the claim aud must contain' })),
  JWT_ROLE_CLAIM: Type.String({ default: 'role', minLength: 1, description: 'Claim with the role: reader, editor or admin; dots lead into objects' }),
  JWT_APPLICATIONS_CLAIM: Type.Optional(Type.String({ minLength: 1, description: 'Claim with names or ids of the applications a JWT is for; without it, all' })),
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
  if (typeof values.HOST === 'string' && !isLoopback(values.HOST) && values.ACCESS === 'open') {
    faults.push(`ACCESS: open on ${values.HOST} would let anybody who can connect read and write; it is possible on 127.0.0.1, ::1 and localhost only`)
  }
  const jwt = ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'].filter((name) => values[name] === undefined)
  if (jwt.length > 0 && jwt.length < 3) faults.push(`${jwt.join(', ')}: is missing; JWTs need JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE together`)
  if (typeof values.DATABASE_URL === 'string' && !URL.canParse(values.DATABASE_URL)) {
    faults.push('DATABASE_URL: is not a URL; encode special characters of the password (encodeURIComponent)')
  }
  if (faults.length > 0) throw new SettingsError(faults)
  const known = values as Settings
  const ACCESS = known.ACCESS === 'auto' ? isLoopback(known.HOST) ? 'open' : 'token' : known.ACCESS
  return { ...known, ACCESS, DATA_DIR: path.resolve(known.DATA_DIR.replace(/^~(?=\/|$)/, os.homedir())) }
}

const validate = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, strict: false }).compile(settings)

function describe (error: ErrorObject, values: Record<string, unknown>): string {
  if (error.keyword === 'required') {
    const name = String(error.params.missingProperty)
    return `${name}: is missing (${(settings.properties[name as keyof Settings] as { description?: string }).description ?? ''})`
  }
  const name = error.instancePath.slice(1)
  // Secrets, and a connection string that holds one, are never shown.
  const shown = name === 'DATABASE_URL' || name === 'ADMIN_TOKEN' ? '' : ` ${JSON.stringify(values[name])}`
  if (error.keyword === 'enum') return `${name}:${shown} is none of ${(error.params.allowedValues as string[]).join(', ')}`
  if (error.keyword === 'pattern' && name === 'ADMIN_TOKEN') return `${name}: has characters that are not visible ASCII`
  if (error.keyword === 'pattern' && name === 'JWT_JWKS_URL') return `${name}:${shown} is no http or https address`
  if (error.keyword === 'pattern' && name === 'SIDECAR_HEALTH_URL') return `${name}:${shown} is neither an http address nor off`
  if (error.keyword === 'pattern') return `${name}: does not start with postgres:// or postgresql://`
  return `${name}:${shown} ${error.message ?? 'is not valid'}`
}
