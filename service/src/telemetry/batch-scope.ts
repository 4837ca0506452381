import { context, INVALID_SPAN_CONTEXT, isSpanContextValid, trace, type Context, type Span } from '@opentelemetry/api'
import type { BatchScope } from '../revisions/committer.js'
import { logEvent } from './log.js'
import { noteInternalError } from './internal-errors.js'
import { quiet } from './quiet.js'
import type { Telemetry } from './telemetry.js'

interface Origin { context: Context, span: Span | undefined }

/**
 * Puts the query of a batch below the span of the first member that is recorded; the others link to that span. So the trace of a
 * lone writer is a plain tree, and that of any other leads to the query that stored its change.
 */
export function createBatchScope ({ log, instruments, slowQueryMs }: Telemetry): BatchScope<Origin> {
  return {
    origin: () => ({ context: context.active(), span: trace.getActiveSpan() }),

    // Whoever happened to start the loop over all batches has nothing to do with most of them.
    as: (origin, act) => origin === undefined ? quiet(act) : context.with(origin.context, act),

    async send (origins, send) {
      // One that is recorded, or the others would link to nothing.
      const leader = origins.find(({ span }) => span?.isRecording()) ?? origins[0]
      try {
        mark(origins, leader)
      } catch {
        noteInternalError()
      }
      return await context.with(leader?.context ?? context.active(), async () => {
        const startedAt = performance.now()
        try {
          const result = await send()
          instruments.record('commit.batch.size', origins.length, {})
          return result
        } finally {
          const durationMs = performance.now() - startedAt
          if (durationMs > slowQueryMs) slowQuery(log, 'commit-changes', durationMs)
        }
      })
    }
  }
}

function mark (origins: readonly Origin[], leader: Origin | undefined): void {
  // Without the trace state: what callers put there is theirs.
  const { traceState: _, ...target } = leader?.span?.spanContext() ?? INVALID_SPAN_CONTEXT
  for (const origin of origins) {
    origin.span?.setAttribute('config.batch.size', origins.length)
    if (origin !== leader && isSpanContextValid(target)) origin.span?.addLink({ context: target })
  }
}

/** Warns of a statement, by its name, that took longer than SLOW_QUERY_MS. */
export function slowQuery (log: Telemetry['log'], statement: string, durationMs: number): void {
  logEvent(log, 'query.slow', `the query ${statement} took ${Math.round(durationMs)} ms`, { 'db.statement': statement, duration_ms: Math.round(durationMs) })
}
