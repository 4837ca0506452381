import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'

/**
 * Runs what nobody asked for (polls, probes, housekeeping) without spans and outside of any trace, so that
 * an idle process makes none. It holds for all that `fn` starts and awaits, timers included. Metrics go on.
 */
export function quiet<T> (fn: () => T): T {
  return context.with(suppressTracing(ROOT_CONTEXT), fn)
}
