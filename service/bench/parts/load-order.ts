/** What the load generator is asked to do until it is told to stop. */
export interface LoadOrder {
  type: 'load'
  port: number
  connections: number
  /** Requests a second, all connections together; 0: each connection sends as soon as it has its answer. */
  rate: number
  /** Share of the requests that create a configuration, 0 to 1; the others read one. */
  writeShare: number
  application: string
  /** How many configurations there are to read: those with the names readName(0), readName(1) … */
  toRead: number
  /** Names of what is created begin with it; another one for each order. */
  prefix: string
  valueBytes: number
  /** It stops by itself then. */
  atMostMs: number
}

export type LoadReport = { type: 'failed', reason: string } | LoadResult

/** One entry for each request that was answered as it should be, in the order of the answers. */
export interface LoadResult {
  type: 'done'
  /** When the answer was there, in ms of the machine's monotonic clock. */
  answeredAt: Float64Array
  /** In ms; with a rate from the moment that the request was due, so that waiting for a connection counts. */
  latencies: Float64Array
  /** All that were not. */
  failures: Failure[]
}

export interface Failure { at: number, what: string }

export function readName (n: number): string {
  return `r${String(n).padStart(5, '0')}`
}

/** What happened between two moments; latencies ascending. */
export function between ({ answeredAt, latencies, failures }: Omit<LoadResult, 'type'>, from: number, until: number): { latencies: Float64Array, failures: Failure[] } {
  return {
    latencies: latencies.filter((_, n) => Number(answeredAt[n]) >= from && Number(answeredAt[n]) < until).sort(),
    failures: failures.filter(({ at }) => at >= from && at < until)
  }
}

/** Values of about that many bytes, of the kind that configurations have: short members, some of them nested. */
export function valuesOf (bytes: number): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (let n = 0; JSON.stringify(values).length < bytes - 30; n++) {
    values[`key_${n}`] = n % 4 === 3 ? { port: 5432 + n, on: true } : n % 4 === 2 ? n * 1.5 : `value ${n}`
  }
  values.rest = 'x'.repeat(Math.max(0, bytes - JSON.stringify(values).length - 10))
  return values
}
