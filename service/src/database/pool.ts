import pg from 'pg'
import { Problem } from '../errors.js'

export interface DatabaseOptions {
  url: string
  /** Connections for reads; the committer has one of its own beside them. */
  poolSize: number
  /** The server cancels a statement after this; the client gives up on the connection a second later. */
  statementTimeoutMs: number
}

const CONNECT_TIMEOUT_MS = 5000

/**
 * A pool whose connections keep JSON as text, return `bigint` as number (revisions stay far below 2^53)
 * and never wait for ever. A broken connection is no error of the process: pg opens new ones.
 */
export function createPool (options: DatabaseOptions, part: { name: string, size: number }): pg.Pool {
  const pool = new pg.Pool({
    ...connection(options.url),
    max: part.size,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + 1000,
    idle_in_transaction_session_timeout: options.statementTimeoutMs,
    keepAlive: true,
    application_name: part.name,
    types: { getTypeParser }
  })
  pool.on('error', () => {})
  // A connection that breaks while somebody uses it says so twice: to the query, which is rejected, and as an
  // event, which would end the process if nobody listened.
  pool.on('connect', (client) => { client.on('error', () => {}) })
  return pool
}

/** `host:port/database` of a connection string, for people to read: no user, no password. */
export function describeDatabase (url: string): string {
  const { host, port, database } = connection(url)
  return `${host}:${port}/${database}`
}

/** The 503 for an error that means "the database is not there", or the error itself when it means something else. */
export function databaseError (error: unknown): unknown {
  if (error instanceof Problem || !isUnavailable(error)) return error
  return new Problem('database-unavailable', 'The database cannot be reached. Nothing was stored.', { cause: error })
}

/** Whether an error says that the database is away, starting, stopping, read-only, full or too slow. */
export function isUnavailable (error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) return UNAVAILABLE_STATES.test(code)
  if (code !== undefined && NETWORK_CODES.has(code)) return true
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  return error instanceof Error && DRIVER_MESSAGES.test(error.message)
}

/** Whether the error came from a live server about a statement: then the transaction is certainly rolled back. */
export function isStatementError (error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(?:08|57P)/.test(code)
}

// https://www.postgresql.org/docs/18/errcodes-appendix.html: connection faults, read-only (a standby after a
// failover), resources exhausted, statement cancelled, shutdown and start-up, I/O errors
const UNAVAILABLE_STATES = /^(?:08...|25006|53...|55P03|57014|57P0.|58...|40001|40P01)$/
const NETWORK_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH',
  'ENETDOWN', 'EHOSTDOWN', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE'])
const DRIVER_MESSAGES = /timeout|Connection terminated|Client has encountered a connection error|connection is closed|not queryable/i

function codeOf (error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}

export function message (error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(message).join('; ')
  return error instanceof Error ? error.message : String(error)
}

// Host, port and database apart give the pool a readable name in the metrics of pg.
function connection (url: string): { host: string, port: number, user?: string, password?: string, database: string, ssl?: boolean | object } {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host') ?? (decodeURIComponent(parsed.hostname.replace(/^\[|\]$/g, '')) || 'localhost')
  const sslmode = parsed.searchParams.get('sslmode') ?? 'prefer-not'
  const user = decodeURIComponent(parsed.username)
  return {
    host,
    port: Number(parsed.port === '' ? 5432 : parsed.port),
    ...(user === '' ? {} : { user }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    database: decodeURIComponent(parsed.pathname.slice(1)) || user || 'postgres',
    ...(TLS[sslmode] === undefined ? {} : { ssl: TLS[sslmode] })
  }
}

// libpq's meaning: https://www.postgresql.org/docs/18/libpq-ssl.html
const TLS: Record<string, object> = {
  require: { rejectUnauthorized: false },
  'verify-ca': { rejectUnauthorized: true, checkServerIdentity: () => undefined },
  'verify-full': { rejectUnauthorized: true }
}

const JSON_OID = 114
const JSONB_OID = 3802
const INT8_OID = 20

function getTypeParser (oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (oid === JSON_OID || oid === JSONB_OID) return (text) => text
  if (oid === INT8_OID) return Number
  return pg.types.getTypeParser(oid, format as 'text')
}
