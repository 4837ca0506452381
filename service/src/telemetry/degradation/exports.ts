import { diag, DiagConsoleLogger, DiagLogLevel, type DiagLogFunction, type DiagLogger } from '@opentelemetry/api'

export type ExportKind = 'trace' | 'log' | 'metric'

export interface Exports {
  /** For how long exports of some kind have failed, from the first failure to the last, with no success between; 0 when the last is old. */
  failingMs (nowMs: number): number
  close (): void
}

// Batches fail every 5 to 15 s under traffic; where nothing failed for longer, nothing was sent.
const STALE_MS = 30_000
// Where little is sent, failures this far apart still belong together.
const APART_MS = 300_000
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
const DEFAULT_TIMEOUT_MS = 10_000
const ATTEMPT = 'items to be sent'

/**
 * Listens to the SDK's diagnostics, the only place where a lost batch shows: one error for each. A batch that
 * left no error within the time an export may take has arrived.
 */
export function watchExports ({ onExportError, onInternalError, now, environment = process.env }: {
  /** Its kind is undefined where the message does not tell. */
  onExportError: (kind: ExportKind | undefined, message: string) => void
  /** The instrumentation had a fault of its own. */
  onInternalError: (message: string) => void
  /** A clock in ms that never goes back. */
  now: () => number
  environment?: NodeJS.ProcessEnv
}): Exports {
  const timeoutMs = Number(environment.OTEL_EXPORTER_OTLP_TIMEOUT ?? '')
  const streak = createStreak({ settleMs: 1.2 * (timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS) })
  const print = consoleOf(environment.OTEL_LOG_LEVEL)

  const listener: DiagLogger = {
    error: guarded((message, ...rest) => {
      print?.error(message, ...rest)
      const failure = exportFailure(message)
      if (failure === undefined) {
        onInternalError([message, ...rest].map(String).join(' '))
        return
      }
      streak.failed(failure.kind, now())
      onExportError(failure.kind, failure.message)
    }),
    debug: guarded((message, ...rest) => {
      print?.debug(message, ...rest)
      if (rest[0] === ATTEMPT) streak.attempted(kindOfItems(rest[1]), now())
    }),
    warn: guarded((...args) => { print?.warn(...args) }),
    info: guarded((...args) => { print?.info(...args) }),
    verbose: guarded((...args) => { print?.verbose(...args) })
  }
  diag.setLogger(listener, { logLevel: print === undefined ? DiagLogLevel.DEBUG : DiagLogLevel.ALL, suppressOverrideMessage: true })
  return { failingMs: streak.failingMs, close () { diag.disable() } }
}

export interface Streak {
  attempted (kind: ExportKind, nowMs: number): void
  failed (kind: ExportKind | undefined, nowMs: number): void
  failingMs (nowMs: number): number
}

/** What attempts and failures in their order amount to; an attempt without failure after `settleMs` is a success. Pure. */
export function createStreak ({ settleMs }: { settleMs: number }): Streak {
  const kinds = new Map((['trace', 'log', 'metric'] as const).map((kind) => [kind, { first: 0, last: -Infinity, openSince: Infinity }]))
  function settle (of: { last: number, openSince: number }, nowMs: number): void {
    if (nowMs - of.openSince <= settleMs) return
    of.last = -Infinity
    of.openSince = Infinity
  }
  return {
    attempted (kind, nowMs) {
      const of = kinds.get(kind)
      if (of === undefined) return
      settle(of, nowMs)
      of.openSince = Math.min(of.openSince, nowMs)
    },
    failed (kind, nowMs) {
      for (const [name, of] of kinds) {
        if (kind !== undefined && kind !== name) continue
        settle(of, nowMs)
        if (nowMs - of.last > APART_MS) of.first = nowMs
        of.last = nowMs
        of.openSince = Infinity
      }
    },
    failingMs: (nowMs) => Math.max(...[...kinds.values()].map((of) => {
      settle(of, nowMs)
      return nowMs - of.last < STALE_MS ? of.last - of.first : 0
    }))
  }
}

/** Lost batches are told by the SDK's error handler, as JSON of an error, or by the metric reader. */
function exportFailure (text: string): { kind: ExportKind | undefined, message: string } | undefined {
  if (text.startsWith('PeriodicExportingMetricReader: metrics export')) return { kind: 'metric', message: text }
  if (!text.startsWith('{')) return undefined
  const { message } = JSON.parse(text) as { message?: string }
  const kind = text.includes('PeriodicExportingMetricReader')
    ? 'metric'
    : /BatchLogRecordProcessor|exporter-logs-otlp/.test(text) ? 'log' : /BatchSpanProcessor|exporter-trace-otlp/.test(text) ? 'trace' : undefined
  return { kind, message: message ?? text }
}

function kindOfItems (items: unknown): ExportKind {
  const [first] = Array.isArray(items) ? items as Array<{ spanContext?: unknown }> : []
  return first === undefined ? 'metric' : typeof first.spanContext === 'function' ? 'trace' : 'log'
}

/** Who sets OTEL_LOG_LEVEL still sees what the SDK would print. */
function consoleOf (level: string | undefined): DiagLogger | undefined {
  const limit = DiagLogLevel[level?.toUpperCase() as keyof typeof DiagLogLevel] as DiagLogLevel | undefined
  if (limit === undefined || limit === DiagLogLevel.NONE) return undefined
  const target = new DiagConsoleLogger()
  const filtered = (name: keyof DiagLogger, own: DiagLogLevel): DiagLogFunction => (...args) => { if (own <= limit) target[name](...args) }
  return {
    error: filtered('error', DiagLogLevel.ERROR),
    warn: filtered('warn', DiagLogLevel.WARN),
    info: filtered('info', DiagLogLevel.INFO),
    debug: filtered('debug', DiagLogLevel.DEBUG),
    verbose: filtered('verbose', DiagLogLevel.VERBOSE)
  }
}

/** A listener of diagnostics is called from anywhere: it neither throws nor listens to what it causes itself. */
function guarded (listen: DiagLogFunction): DiagLogFunction {
  let busy = false
  return (...args) => {
    if (busy) return
    busy = true
    try { listen(...args) } catch {} finally { busy = false }
  }
}
