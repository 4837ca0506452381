import {
  context, INVALID_SPAN_CONTEXT, SpanKind, trace, TraceFlags,
  type Context, type ProxyTracerProvider, type Span, type SpanOptions, type Tracer, type TracerProvider
} from '@opentelemetry/api'

/** The real provider, as far as its end concerns anybody. */
export type Flushable = TracerProvider & { forceFlush?: () => Promise<void> }

export interface Rules {
  /** Requests to these paths (`url.path`) are never traced, whoever sends them. */
  untraced?: (path: string) => boolean
  /**
   * Of the requests that start a trace here and whose path (`url.path`, without query) matches, only this
   * share (0 to 1) is traced. The whole trace is dropped: no span below such a request is recorded.
   */
  sampleReads?: { matches: (path: string) => boolean, ratio: number } | undefined
}

export interface TracingSwitch {
  on (): void
  /** From now on nothing starts a span; spans under way end and are exported as usual. */
  off (): void
  isOn (): boolean
  /** The SDK's own provider, for `forceFlush`; does nothing where the SDK is disabled. */
  delegate: Flushable
  /** May be changed at any time. */
  rules: Rules
}

let installed: TracingSwitch | undefined

/**
 * Puts a switch between all tracers and the SDK, by public means only. To be called once the SDK has
 * registered and before any span: tracers keep the provider of their first span, and a tracer taken
 * between registration and this call never passes the switch.
 */
export function installSwitch (): TracingSwitch {
  if (installed !== undefined) return installed
  const proxy = trace.getTracerProvider() as Partial<ProxyTracerProvider> & TracerProvider
  const delegate: Flushable = proxy.getDelegate?.() ?? proxy
  let on = true
  const switched: TracingSwitch = { on () { on = true }, off () { on = false }, isOn: () => on, delegate, rules: {} }
  const provider: Flushable = {
    getTracer: (name, version, options) => switchedTracer(delegate.getTracer(name, version, options), switched, () => on),
    forceFlush: async () => { await delegate.forceFlush?.() }
  }
  proxy.setDelegate?.(provider)
  installed = switched
  return switched
}

// A span below one of these is that one again, whatever the sampler of the SDK would say.
const dropped = new WeakSet<Span>()

function switchedTracer (tracer: Tracer, switched: TracingSwitch, isOn: () => boolean): Tracer {
  function startSpan (name: string, options?: SpanOptions, parent: Context = context.active()): Span {
    const above = options?.root === true ? undefined : trace.getSpan(parent)
    if (above !== undefined && dropped.has(above)) return above
    const isRequest = options?.kind === SpanKind.SERVER
    if (!isOn()) return isRequest ? droppedSpan(above) : trace.wrapSpanContext(above?.spanContext() ?? INVALID_SPAN_CONTEXT)
    if (isRequest && isDropped(switched.rules, options, above)) return droppedSpan(above)
    const span = tracer.startSpan(name, options, parent)
    // Where the SDK traces nothing at all.
    return isRequest && !trace.isSpanContextValid(span.spanContext()) ? droppedSpan(above) : span
  }

  function startActiveSpan (name: string, ...rest: unknown[]): unknown {
    const fn = rest.pop() as (span: Span) => unknown
    const [options, parent = context.active()] = rest as [SpanOptions?, Context?]
    const span = startSpan(name, options, parent)
    return context.with(trace.setSpan(parent, span), fn, undefined, span)
  }
  return { startSpan, startActiveSpan: startActiveSpan as Tracer['startActiveSpan'] }
}

function isDropped ({ untraced, sampleReads }: Rules, options: SpanOptions, above: Span | undefined): boolean {
  const path = options.attributes?.['url.path']
  if (typeof path !== 'string') return false
  if (untraced?.(path) === true) return true
  if (sampleReads === undefined || sampleReads.ratio >= 1 || (above !== undefined && trace.isSpanContextValid(above.spanContext()))) return false
  return sampleReads.matches(path) && Math.random() >= sampleReads.ratio
}

/**
 * Not recorded, nor is anything below it. The caller's context where there is one, which so goes on as it came;
 * else one with ids of its own, not sampled, so that answers and log lines can still be put together.
 */
function droppedSpan (above: Span | undefined): Span {
  const caller = above?.spanContext()
  const span = trace.wrapSpanContext(caller !== undefined && trace.isSpanContextValid(caller)
    ? caller
    : { traceId: randomHex() + randomHex(), spanId: randomHex(), traceFlags: TraceFlags.NONE })
  dropped.add(span)
  return span
}

/** 16 hexadecimal digits, never all zero; as good as the ids of the SDK, which need not be secret either. */
function randomHex (): string {
  const half = (): string => (Math.random() * 0x100000000 >>> 0).toString(16).padStart(8, '0')
  const hex = half() + half()
  return hex === '0000000000000000' ? '0000000000000001' : hex
}
