import { percentile } from '../figures.js'
import { between, type Failure, type LoadResult } from '../parts/load-order.js'
import type { SpanCounts } from '../telemetry/spans.js'
import type { Trouble } from './troubles.js'
import type { Sample } from './watch.js'

/** A part of a scenario: before, during and after its trouble. */
export type Part = 'before' | 'during' | 'after'

/** Where a part begins and ends on the monotonic clock, and what the service's telemetry counted within it. */
export interface Bounds { part: Part, from: number, until: number, spans: Pick<SpanCounts, 'recorded' | 'dropped'> }

export interface Phase {
  trouble: Trouble
  part: Part
  seconds: number
  requests: number
  requestsPerSecond: number
  failures: Failure[]
  p50Ms: number
  p99Ms: number
  worstMs: number
  /** At the end of the part; NaN while there is no sidecar. */
  bytes: { service: number, sidecar: number }
  spans: Bounds['spans']
  /** The levels it had, each with the seconds since the beginning of the part; the first was there before. */
  levels: Array<{ level: number, reason: string | null, afterS: number }>
}

/** Puts together what belongs to a part. */
export function phaseOf (trouble: Trouble, { part, from, until, spans }: Bounds, result: Omit<LoadResult, 'type'>, samples: readonly Sample[]): Phase {
  const { latencies, failures } = between(result, from, until)
  const seconds = (until - from) / 1000
  const within = samples.filter(({ at }) => at >= from && at < until)
  return {
    trouble,
    part,
    seconds,
    requests: latencies.length,
    requestsPerSecond: latencies.length / seconds,
    failures,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    worstMs: latencies.at(-1) ?? NaN,
    bytes: within.at(-1)?.bytes ?? { service: NaN, sidecar: NaN },
    spans,
    levels: within
      .filter(({ level }, n) => level !== within[n - 1]?.level)
      .map(({ level, reason, at }, n) => ({ level, reason, afterS: n === 0 ? 0 : (at - from) / 1000 }))
  }
}
