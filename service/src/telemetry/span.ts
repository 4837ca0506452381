import { context, trace, SpanStatusCode, type Attributes, type Link, type Span, type Tracer } from '@opentelemetry/api'
import { errorTypeOf } from '../errors.js'
import { currentCaller } from './caller.js'
import { noteInternalError } from './internal-errors.js'
import type { SpanAttributes, SpanName } from './registry.js'

/** What a piece of work can say of its span. */
export interface SpanHandle<S extends SpanName> {
  set (attributes: SpanAttributes<S>): void
  event (name: 'configuration.changed' | 'application.changed', attributes: Attributes): void
  link (link: Link): void
}

// Taken with the first span: one taken while modules load would pass by the switch.
let tracer: Tracer | undefined
// The traces whose innermost span has recorded an error already; several requests may fail with one.
const recorded = new WeakMap<object, Set<string>>()

/**
 * Does a piece of work within a span: a child of the active one, with the caller's id and role. Should the work
 * fail, the innermost span records the exception, and every span around it gets the status and `error.type`.
 * Whatever goes wrong with telemetry itself is counted and does not touch the work.
 */
export async function inSpan<S extends SpanName, T> (name: S, attributes: SpanAttributes<S>, work: (span: SpanHandle<S>) => Promise<T>): Promise<T> {
  const span = begin(name, attributes)
  if (span === undefined) return await work(silent)
  try {
    const result = await context.with(trace.setSpan(context.active(), span), work, undefined, handle(span))
    safely(() => { span.end() })
    return result
  } catch (error) {
    safely(() => {
      fail(span, error)
      span.end()
    })
    throw error
  }
}

function begin (name: string, attributes: Attributes): Span | undefined {
  return safely(() => (tracer ??= trace.getTracer('config-service')).startSpan(name, { attributes: { ...attributes, ...currentCaller() } }))
}

function handle (span: Span): SpanHandle<SpanName> {
  return {
    set (attributes) { safely(() => { span.setAttributes(attributes as Attributes) }) },
    event (name, attributes) { safely(() => { span.addEvent(name, attributes) }) },
    link (link) { safely(() => { span.addLink(link) }) }
  }
}

const silent: SpanHandle<SpanName> = { set () {}, event () {}, link () {} }

function fail (span: Span, error: unknown): void {
  const type = errorTypeOf(error)
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
  if (typeof error === 'object' && error !== null) {
    const { traceId } = span.spanContext()
    const traces = recorded.get(error) ?? new Set()
    if (traces.has(traceId)) return
    recorded.set(error, traces.add(traceId))
  }
  span.recordException(error instanceof Error ? error : String(error))
}

function safely<T> (act: () => T): T | undefined {
  try {
    return act()
  } catch {
    noteInternalError()
    return undefined
  }
}
