import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLevels, type Level, type Signals, type State, type Thresholds } from './degradation.js'
import { describeChange, lineOf } from './degradation/change.js'
import { createErrorFile } from './degradation/error-file.js'
import { watchExports, type ExportKind } from './degradation/exports.js'
import { createOutlets } from './degradation/outlets.js'
import type { Log } from './log.js'
import { createPressure } from './pressure.js'
import { quiet } from './quiet.js'
import { createSidecar } from './sidecar.js'
import type { TracingSwitch } from './switch.js'

export interface MonitorOptions {
  /** A fixed level (TELEMETRY_LEVEL), or auto. */
  forced: 'auto' | Level
  /** undefined: there is no sidecar to ask. */
  sidecarHealthUrl: string | undefined
  /** How long it may take to come up at first: until then it is not missed, nor are exports that fail. */
  sidecarGraceMs?: number
  /** Where errors.log goes at level 3. */
  dataDir: string
  log: Log
  tracing: Pick<TracingSwitch, 'on' | 'off'>
  /** A batch was lost; its kind where that can be told. */
  onExportError?: (kind: ExportKind | undefined) => void
  /** The instrumentation failed by itself. */
  onInternalError?: () => void
  thresholds?: Partial<Thresholds>
  intervalMs?: number
  sidecarTimeoutMs?: number
  errorFileBytes?: number
}

/** For `/health`: `since` is ISO time. */
export interface DegradationStatus {
  level: Level
  forced: boolean
  reason: string | null
  since: string
  sidecar: Signals['sidecar']
}

export interface Monitor {
  status (): DegradationStatus
  /** To be called whenever metrics are collected. */
  noteScrape (): void
  /** Calls back now and on every change of the level; what it throws is ignored. */
  onLevel (listener: (level: Level) => void): void
  /** Ends the watching and waits for lines on their way to the error file; the level stays. */
  close (): Promise<void>
}

const INTERVAL_MS = 5000
const SIDECAR_TIMEOUT_MS = 2000
const COMPLAIN_EVERY_MS = 60_000
const CLOSE_MS = 1000

/** Watches how telemetry fares, lowers it when it or the process suffers, and raises it again. Nothing here throws or is waited for. */
export function createMonitor (options: MonitorOptions): Monitor {
  const { forced, log, tracing, dataDir, errorFileBytes, intervalMs = INTERVAL_MS } = options
  const levels = createLevels({ forced, ...options.thresholds })
  const sidecar = createSidecar({ url: options.sidecarHealthUrl, timeoutMs: options.sidecarTimeoutMs ?? SIDECAR_TIMEOUT_MS })
  const pressure = createPressure()
  const errorFile = createErrorFile({ file: path.join(dataDir, 'errors.log'), onChange: observe, ...(errorFileBytes === undefined ? {} : { maxBytes: errorFileBytes }) })
  const outlets = createOutlets({ log, errorStream: () => errorFile.stream })
  const complain = createComplaint(log)
  const exports = watchExports({
    now,
    onInternalError: () => { guarded(() => options.onInternalError?.()) },
    onExportError (kind, message) {
      guarded(() => options.onExportError?.(kind))
      if (!isAwaited()) quiet(() => { complain(message) })
    }
  })
  const listeners: Array<(level: Level) => void> = []
  const graceUntil = now() + (options.sidecarGraceMs ?? 0)
  let wasUp = false
  const isAwaited = (): boolean => !wasUp && now() < graceUntil
  let scrapedAt = now()
  let load = pressure.read()
  let state: State = { level: 1, reason: null, since: now(), changed: false }
  let sinceWall = new Date()
  // What the error file begins with at level 3.
  let firstLine = ''
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function look (): Promise<void> {
    await sidecar.ask()
    if (closed) return
    wasUp ||= sidecar.state() === 'up'
    load = pressure.read()
    observe()
    // Only a line that gets through shows that the file can be written again.
    if (firstLine !== '' && state.level >= 3 && !errorFile.isWritable()) errorFile.stream.write(firstLine)
    timer = setTimeout(() => { void look() }, intervalMs).unref()
  }

  function observe (): void {
    if (closed) return
    const before = state.level
    state = levels.observe({
      sidecar: isAwaited() ? 'absent' : sidecar.state(),
      exportFailingMs: isAwaited() ? 0 : exports.failingMs(now()),
      lastScrapeAgeMs: now() - scrapedAt,
      ...load,
      errorFileWritable: errorFile.isWritable()
    }, now())
    if (state.level !== before) quiet(() => { change(before) })
  }

  function change (before: Level): void {
    const { level } = state
    const told = describeChange(state, before)
    const say = (): void => { guarded(() => log.log({ level: told.severity, message: told.text, ...told.facts })) }
    sinceWall = new Date()
    // First where it is seen at every level.
    guarded(() => process.stderr.write(lineOf(told, process.stderr.isTTY !== true)))
    // The log's line goes before the way gets narrower, and after it got wider.
    if (level > before) say()
    guarded(() => { outlets.set(level) })
    if (level === 1) tracing.on()
    else tracing.off()
    if (level === 3) errorFile.stream.write(firstLine = lineOf(told, true))
    if (level < before) say()
    for (const listener of listeners) guarded(() => { listener(level) })
  }

  process.stderr.on('error', ignore)
  if (forced !== 'auto') observe()
  quiet(() => { void look() })

  return {
    status: () => ({ level: state.level, forced: forced !== 'auto', reason: state.reason, since: sinceWall.toISOString(), sidecar: sidecar.state() }),
    noteScrape () { scrapedAt = now() },
    onLevel (listener) {
      listeners.push(listener)
      guarded(() => { listener(state.level) })
    },
    async close () {
      closed = true
      clearTimeout(timer)
      sidecar.close()
      pressure.close()
      exports.close()
      process.stderr.off('error', ignore)
      await Promise.race([errorFile.close(), sleep(CLOSE_MS, undefined, { ref: false })])
    }
  }
}

/** Says that exports fail, at most once a minute: the line itself may be the next export that fails. */
function createComplaint (log: Log): (message: string) => void {
  let saidAt = -Infinity
  let count = 0
  return (message) => {
    count += 1
    if (now() - saidAt < COMPLAIN_EVERY_MS) return
    saidAt = now()
    const failures = count
    count = 0
    guarded(() => log.log({ level: 'warn', message: `telemetry could not be exported: ${message.replace(/\s*Resolution note:\s*$/, '')}`, 'event.name': 'telemetry.export_failed', failures }))
  }
}

function now (): number {
  return performance.now()
}

/** Faults of telemetry never get to those who work. */
function guarded (fn: () => unknown): void {
  try { fn() } catch {}
}

function ignore (): void {}
