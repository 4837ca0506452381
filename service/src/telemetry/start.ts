import { logs, metrics } from '@opentelemetry/api'
import { HostMetricsInstrumentation } from '@opentelemetry/instrumentation-host-metrics'
import type { Settings } from '../env.js'
import { internalErrors, noteInternalError } from './internal-errors.js'
import { createLog } from './log.js'
import { createMonitor } from './monitor.js'
import { installSwitch, type Flushable } from './switch.js'
import { createTelemetry, type Telemetry } from './telemetry.js'

export interface StartedTelemetry {
  telemetry: Telemetry
  /** Sends what this process still holds, within 2 s, or less: nobody waits for a Collector that is away. */
  flush (withinMs: number): Promise<void>
}

const FLUSH_TIMEOUT_MS = 2000
// A Collector that is there takes a few hundredths of a second.
const SHORTEST_FLUSH_MS = 200
const SIGNALS = { trace: 'traces', metric: 'metrics', log: 'logs' } as const

// Scrapes are not requests of anybody; to /metrics of this port and of the exporter's.
const isScrape = (path: string): boolean => path === '/metrics'
// Every read still goes to the database, and each such trace says something of its own.
const isReadFromMemory = (): boolean => false

/** Everything about telemetry that a process has once. To be called before the first span. */
export function startTelemetry (settings: Settings): StartedTelemetry {
  const tracing = installSwitch()
  tracing.rules = { untraced: isScrape, sampleReads: { matches: isReadFromMemory, ratio: settings.READ_SAMPLING_RATIO } }
  const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT })
  const monitor = createMonitor({
    forced: settings.TELEMETRY_LEVEL === 'auto' ? 'auto' : Number(settings.TELEMETRY_LEVEL) as 1,
    sidecarHealthUrl: settings.SIDECAR_HEALTH_URL === 'off' ? undefined : settings.SIDECAR_HEALTH_URL,
    sidecarGraceMs: settings.SIDECAR_GRACE_MS,
    dataDir: settings.DATA_DIR,
    log,
    tracing,
    onExportError: (kind) => { telemetry.instruments.add('otel.export.errors', 1, { 'otel.signal': kind === undefined ? 'unknown' : SIGNALS[kind] }) },
    onInternalError: noteInternalError
  })
  const telemetry = createTelemetry({ log, settings, status: monitor.status })
  const { instruments } = telemetry
  monitor.onLevel((level) => { instruments.recording = level < 3 })
  instruments.observe('telemetry.degradation.level', (observe) => {
    monitor.noteScrape()
    observe(monitor.status().level)
  })
  instruments.observe('telemetry.internal.errors', (observe) => { observe(internalErrors()) })
  if (process.env.OTEL_SDK_DISABLED !== 'true') new HostMetricsInstrumentation({ metricGroups: ['process.cpu', 'process.memory'], enabled: false }).enable()

  return {
    telemetry,
    async flush (withinMs) {
      const providers: Array<Partial<Flushable>> = [tracing.delegate, metrics.getMeterProvider() as Partial<Flushable>, logs.getLoggerProvider() as Partial<Flushable>]
      const flushed = Promise.allSettled(providers.map(async (provider) => await provider.forceFlush?.()))
      await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(withinMs, SHORTEST_FLUSH_MS), FLUSH_TIMEOUT_MS)))])
      await monitor.close()
    }
  }
}
