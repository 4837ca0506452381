/** What the load generator is asked to do: a slice of a measurement. */
export interface LoadOrder {
  type: 'load'
  port: number
  connections: number
  /** Time before anything is counted, in ms. */
  warmUpMs: number
  measureMs: number
  application: string
  valueBytes: number
  /** Makes the names of this slice different from those of all others. */
  slice: number
}

/** What the load generator has to say: the measured time begins, ends, and then all that was found. */
export type LoadReport =
  | { type: 'begun' }
  | { type: 'ended' }
  | { type: 'failed', reason: string }
  | LoadResult

export interface LoadResult {
  type: 'done'
  /** Answers 201 within the measured time. */
  writes: number
  /** Their latencies in ms, ascending. */
  latencies: Float64Array
  /** Processor time of the load generator within the measured time, in seconds. */
  cpuSeconds: number
  /** The revision that each request was answered with, by connection and request; NaN for those refused. */
  revisions: Float64Array[]
  /** The first answer that was not 201, if any, and how many there were. */
  refused: number
  refusal: string
}

/** The name of a configuration; always of the same length, so that requests are as well. */
export function nameOf (slice: number, connection: number, request: number): string {
  return `w${pad(slice, 4)}-${pad(connection, 4)}-${pad(request, 7)}`
}

function pad (value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
