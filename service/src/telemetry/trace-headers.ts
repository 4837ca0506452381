import { randomBytes } from 'node:crypto'
import { context, trace } from '@opentelemetry/api'

/** The trace a request belongs to: hexadecimal ids, and the W3C header that names its server span. */
export interface TraceIdentity { traceId: string, traceparent: string }

/**
 * The active span's identity. Where nothing is traced, that of the caller's header; without one a new,
 * unsampled one, so that an answer and a log line can always be put together.
 */
export function currentTrace (incoming: string | undefined): TraceIdentity {
  const span = trace.getSpanContext(context.active())
  if (span !== undefined && trace.isSpanContextValid(span)) {
    const flags = span.traceFlags.toString(16).padStart(2, '0')
    return { traceId: span.traceId, traceparent: `00-${span.traceId}-${span.spanId}-${flags}` }
  }
  // https://www.w3.org/TR/trace-context/#traceparent-header-field-values
  const [, traceId] = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/.exec(incoming ?? '') ?? []
  if (traceId !== undefined && incoming !== undefined) return { traceId, traceparent: incoming.slice(0, 55) }
  const made = randomBytes(24).toString('hex')
  return { traceId: made.slice(0, 32), traceparent: `00-${made.slice(0, 32)}-${made.slice(32)}-00` }
}
