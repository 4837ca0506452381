import { context, trace, type Context, type Span } from '@opentelemetry/api'
import { logEvent } from './log.js'
import { noteInternalError } from './internal-errors.js'
import type { Telemetry } from './telemetry.js'

interface Origin { context: Context, span: Span | undefined }

interface Scope {
  origin (): Origin
  send<T> (origins: readonly Origin[], send: () => Promise<T>): Promise<T>
}

/**
 * Puts the query of a batch below the span of its first member; the others link to that span. So the trace of a
 * lone writer is a plain tree, and that of any other leads to the query that stored its change.
 */
export function createBatchScope ({ log, instruments, slowQueryMs }: Telemetry): Scope {
  return {
    origin: () => ({ context: context.active(), span: trace.getActiveSpan() }),

    async send (origins, send) {
      try {
        mark(origins)
        instruments.record('commit.batch.size', origins.length, {})
      } catch {
        noteInternalError()
      }
      return await context.with(origins[0]?.context ?? context.active(), async () => {
        const startedAt = performance.now()
        try {
          return await send()
        } finally {
          const durationMs = performance.now() - startedAt
          if (durationMs > slowQueryMs) slowQuery(log, 'commit-changes', durationMs)
        }
      })
    }
  }
}

function mark (origins: readonly Origin[]): void {
  const [leader, ...others] = origins
  const target = leader?.span?.spanContext()
  for (const { span } of origins) span?.setAttribute('config.batch.size', origins.length)
  if (target === undefined) return
  for (const { span } of others) span?.addLink({ context: target })
}

/** Warns of a statement, by its name, that took longer than SLOW_QUERY_MS. */
export function slowQuery (log: Telemetry['log'], statement: string, durationMs: number): void {
  logEvent(log, 'query.slow', `the query ${statement} took ${Math.round(durationMs)} ms`, { 'db.statement': statement, duration_ms: Math.round(durationMs) })
}
