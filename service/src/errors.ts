/**
 * The error table. Every refusal that a user can see is a `Problem` of one of these types; nobody else
 * invents a status code. `help` is what the page /problems/<type> says beyond the title.
 */
export const problemTypes = {
  'malformed-request': {
    status: 400,
    title: 'The request is malformed',
    errorType: 'validation',
    help: 'Something in the request does not have the shape that the interface asks for: the JSON itself, a field, a parameter or a header. Each entry of errors says where and what is wrong. Correct it and send the request again.'
  },
  unauthenticated: {
    status: 401,
    title: 'Who makes the request is not known',
    errorType: 'unauthenticated',
    help: 'Send Authorization: Bearer and a token: one that an admin has made with POST /api/v1/tokens, or a JWT of the issuer that this service trusts. A token that has expired or been revoked is refused as well.'
  },
  forbidden: {
    status: 403,
    title: 'This is not allowed',
    errorType: 'forbidden',
    help: 'The token is good, but its role is too small for this: a reader reads, an editor also changes configurations, an admin does everything. Where access is open (no tokens are asked for), it is open to this machine only: Host must be a loopback name or address, and a web page that asks must have been served from one.'
  },
  'not-found': {
    status: 404,
    title: 'There is no such thing',
    errorType: 'not_found',
    help: 'Nothing with this id, name or reference exists, or the path is not one of the interface. /openapi.json and /docs list the paths; GET /api/v1/applications and GET /api/v1/configurations list what exists.'
  },
  'name-taken': {
    status: 409,
    title: 'The name is taken',
    errorType: 'conflict',
    help: 'Another application, or another configuration of the same application, has this name. Choose another one, or change the existing object with PUT or PATCH.'
  },
  'dependents-exist': {
    status: 409,
    title: 'Other configurations extend this one',
    errorType: 'conflict',
    help: 'A configuration that others extend cannot be deleted alone. dependents lists the first 100 of them; change their extends, or delete them first.'
  },
  'application-not-empty': {
    status: 409,
    title: 'The application still owns configurations',
    errorType: 'conflict',
    help: 'Delete the configurations of the application first; configurations_count says how many there are.'
  },
  'circular-dependency': {
    status: 409,
    title: 'The configurations would extend each other in a circle',
    errorType: 'circular_dependency',
    help: 'A configuration cannot extend itself, directly or through others. cycle spells the circle out; take one of its links away.'
  },
  deleted: {
    status: 410,
    title: 'It has been deleted',
    errorType: 'not_found',
    help: 'There was an object with this id, and it has been deleted. Its history stays readable under …/versions; its name is free.'
  },
  'stale-version': {
    status: 412,
    title: 'The object has another version',
    errorType: 'conflict',
    help: 'The precondition of If-Match or If-None-Match does not hold. current_version is the version it has now (null: it does not exist). Read it again, apply the change to what is there, and send it with the new ETag.'
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    errorType: 'validation',
    help: 'A body may have 1 MiB unless BODY_LIMIT_BYTES says otherwise. Split the values over several configurations, or keep large content elsewhere and link to it.'
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body is of a type that is not understood here',
    errorType: 'validation',
    help: 'Bodies are JSON in UTF-8: application/json, and for PATCH application/merge-patch+json (RFC 7396) or application/json-patch+json (RFC 6902), without a Content-Encoding.'
  },
  'invalid-values': {
    status: 422,
    title: 'The values are not valid',
    errorType: 'validation',
    help: 'The request is well formed, but what it says cannot be stored: the values do not satisfy a schema, a patch cannot be applied, or fields contradict one another. Each entry of errors says where and why.'
  },
  'invalid-schema': {
    status: 422,
    title: 'The schema is not one that can be used',
    errorType: 'validation',
    help: 'Schemas are JSON Schema 2020-12 (or draft-07 where $schema says so) with local references only and patterns that run in linear time (RE2 syntax, no look-around and no back-references), up to 64 KiB. Each entry of errors says where and why.'
  },
  'unknown-reference': {
    status: 422,
    title: 'The request names something that does not exist',
    errorType: 'validation',
    help: 'An application or a configuration named in the body does not exist. Each entry of errors points at the name.'
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    errorType: 'conflict',
    help: 'A key stands for one request: the same key with another method, path or body is refused for 24 hours. Make a new key for each new request.'
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    errorType: 'validation',
    help: 'All headers of a request together may have 16 KiB.'
  },
  'internal-error': {
    status: 500,
    title: 'Something went wrong here',
    errorType: 'internal',
    help: 'A fault of the service, not of the request. The log line with the trace_id of the answer has the details.'
  },
  'database-unavailable': {
    status: 503,
    title: 'The database cannot be reached',
    errorType: 'database',
    help: 'PostgreSQL does not answer or does not accept writes. Nothing of the request was stored. Retry after the seconds in Retry-After; the service reconnects by itself.'
  },
  'outcome-unknown': {
    status: 503,
    title: 'It is not known whether the change was stored',
    errorType: 'database',
    help: 'The connection to PostgreSQL broke while the change was being committed, and PostgreSQL could not be asked in time. Read the object to see, or send the request again: with If-Match, or with the same Idempotency-Key, it cannot be applied twice. change_id names the change in the table of revisions.'
  },
  overloaded: {
    status: 503,
    title: 'There is too much to do at the moment',
    errorType: 'overload',
    help: 'More requests are waiting than can be served in time. Nothing of the request was stored. Retry after the seconds in Retry-After.'
  }
} as const satisfies Record<string, ProblemType>

export type ProblemSlug = keyof typeof problemTypes

/** The values of the attribute `error.type`. */
export type ErrorType = (typeof problemTypes)[ProblemSlug]['errorType']

interface ProblemType { status: number, title: string, errorType: string, help: string }

/** One thing that is wrong with a request. `path` is an RFC 6901 pointer in a body, else the parameter's name. */
export interface Fault {
  in: 'body' | 'query' | 'header' | 'path'
  path: string
  message: string
  /** Reference of the configuration whose schema refused. */
  configuration?: string
  /** RFC 6901 pointer of the keyword in that schema. */
  schema_path?: string
}

/** More faults than this are not reported; the first ones are. */
export const MAX_FAULTS = 100

const MAX_DETAIL_CHARACTERS = 500
// Paths are as long as the keys of a request; an answer must not be a multiple of it.
const MAX_PATH_CHARACTERS = 1000

function bounded (faults: readonly Fault[]): Fault[] {
  return faults.slice(0, MAX_FAULTS).map((fault) => ({ ...fault, path: shorten(fault.path, MAX_PATH_CHARACTERS) }))
}

function shorten (text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length / 2).toWellFormed()}…${text.slice(-length / 2 + 1).toWellFormed()}`
}

/** A refusal with a type from the table; the error handler turns it into an RFC 9457 answer. */
export class Problem extends Error {
  readonly slug: ProblemSlug
  readonly status: number
  /** Value of the span and metric attribute `error.type`. */
  readonly errorType: ErrorType
  readonly faults: readonly Fault[]
  /** Members beyond those of every problem, such as `current_version`. */
  readonly members: Readonly<Record<string, unknown>>
  readonly retryAfterS: number | undefined

  constructor (slug: ProblemSlug, detail: string, options: {
    faults?: readonly Fault[]
    members?: Record<string, unknown>
    retryAfterS?: number
    cause?: unknown
  } = {}) {
    super(shorten(detail, MAX_DETAIL_CHARACTERS), options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'Problem'
    this.slug = slug
    this.status = problemTypes[slug].status
    this.errorType = problemTypes[slug].errorType
    this.faults = bounded(options.faults ?? [])
    this.members = options.members ?? {}
    this.retryAfterS = options.retryAfterS ?? (this.status === 503 ? 1 : undefined)
  }
}

/** Shape faults found in a request: 400 with all of them. */
export function malformed (faults: readonly Fault[]): Problem {
  return new Problem('malformed-request', summary(faults), { faults })
}

/** A sentence for `detail` that already says the first fault, for people who read no further. */
export function summary (faults: readonly Fault[]): string {
  const [first] = faults
  if (first === undefined) return 'The request cannot be understood.'
  const where = first.path === '' ? `the ${first.in}` : `${first.in} ${first.path}`
  const more = faults.length >= MAX_FAULTS ? ' (and many more)' : faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
  return `${where}: ${first.message}${more}`
}

/**
 * The value of the attribute `error.type` for anything that was thrown: that of the problem it is, `database` for
 * what PostgreSQL or the way to it says, `internal` for everything else.
 */
export function errorTypeOf (error: unknown): ErrorType {
  if (error instanceof Problem) return error.errorType
  if (error instanceof Moved) return 'conflict'
  return isDatabaseError(error) ? 'database' : 'internal'
}

/** Thrown when the object was changed between reading it and committing what was made of it: try again. */
export class Moved extends Error {}

// A SQLSTATE, or a system error of the connection (ECONNREFUSED and the like).
function isDatabaseError (error: unknown): boolean {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' && /^(?:[0-9A-Z]{5}|E[A-Z]+)$/.test(code)
}
