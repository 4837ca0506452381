/** 1 everything; 2 metrics and errors; 3 errors to a local file; 4 nothing. */
export type Level = 1 | 2 | 3 | 4

export interface Signals {
  /** absent: there is none to ask, which is no fault. */
  sidecar: 'up' | 'down' | 'absent'
  /** For how long exports have failed, with no success between; 0 when they do not. */
  exportFailingMs: number
  /** Since metrics were last collected, or since the start. */
  lastScrapeAgeMs: number
  /** Used heap against its limit, 0 to 1. */
  heapUsedShare: number
  loopDelayP99Ms: number
  errorFileWritable: boolean
}

export interface Thresholds {
  /** How long sidecar or export must fail for level 2. */
  faultMs: number
  /** How long nobody collected metrics, during such a fault, for level 3. */
  unscrapedMs: number
  heapUsedShare: number
  loopDelayMs: number
  /** How long heap or loop must be above those for level 3, and for level 4. */
  pressureMs: number
  longPressureMs: number
  /** How long a level's conditions must be gone for one level up. */
  quietMs: number
  /** A relapse within this time after a rise doubles the wait, up to this time; after it the wait is `quietMs` again. */
  longestQuietMs: number
  /** Time that passed without being looked at does not count as quiet. */
  longestGapMs: number
}

export const thresholds: Thresholds = {
  faultMs: 15_000,
  unscrapedMs: 120_000,
  heapUsedShare: 0.9,
  loopDelayMs: 200,
  pressureMs: 10_000,
  longPressureMs: 30_000,
  quietMs: 60_000,
  longestQuietMs: 600_000,
  longestGapMs: 15_000
}

export interface State {
  level: Level
  /** What brought it here and which signal says so; null at level 1. */
  reason: string | null
  /** When this level began, on the clock that `observe` is given. */
  since: number
  changed: boolean
}

export interface Levels {
  /** Takes what was seen at `nowMs` of a clock that never goes back. */
  observe (signals: Signals, nowMs: number): State
}

/** The state machine of degradation: worse at once when a condition has lasted, better one level at a time. Pure. */
export function createLevels ({ forced = 'auto', ...overrides }: { forced?: 'auto' | Level } & Partial<Thresholds> = {}): Levels {
  const limits = { ...thresholds, ...overrides }
  const sidecarDown = lasting()
  const pressed = lasting()
  const quiet = lasting()
  let neededQuietMs = limits.quietMs
  // The last rise, until something got worse after it.
  let roseAt: number | undefined
  let lastMs = -Infinity
  let state: State | undefined

  /** The level that the conditions ask for, once they have lasted, and the symptoms that stand in the way of a rise. */
  function judge (signals: Signals, nowMs: number): { asked: Level, reason: string | null, ill: (level: Level) => boolean } {
    const downMs = sidecarDown(signals.sidecar === 'down', nowMs)
    const pressure = pressureOf(signals, limits)
    const pressedMs = pressed(pressure !== undefined, nowMs)
    const fault = downMs >= limits.faultMs
      ? 'the sidecar does not answer'
      : signals.exportFailingMs >= limits.faultMs ? 'the export of telemetry fails' : undefined
    const unscraped = signals.lastScrapeAgeMs >= limits.unscrapedMs
    // Who never collects metrics does not miss them when the sidecar is away for a moment.
    const longFault = Math.max(downMs, signals.exportFailingMs) >= limits.unscrapedMs
    const third = pressure !== undefined && pressedMs >= limits.pressureMs
      ? pressure
      : fault !== undefined && unscraped && longFault ? `${fault}, and nobody has collected metrics for ${Math.floor(limits.unscrapedMs / 1000)} s` : undefined

    const faulty = signals.sidecar === 'down' || signals.exportFailingMs > 0
    const ill3 = pressure !== undefined || (faulty && unscraped)
    const ill4 = pressure !== undefined || (ill3 && !signals.errorFileWritable)
    const ill = (level: Level): boolean => level === 4 ? ill4 : level === 3 ? ill3 : level === 2 && (ill3 || faulty)

    if (pressure !== undefined && pressedMs >= limits.longPressureMs) return { asked: 4, reason: `${pressure}, for ${Math.floor(pressedMs / 1000)} s now`, ill }
    if (third !== undefined) return signals.errorFileWritable ? { asked: 3, reason: third, ill } : { asked: 4, reason: `${third}, and the error file cannot be written`, ill }
    return fault === undefined ? { asked: 1, reason: null, ill } : { asked: 2, reason: fault, ill }
  }

  function observe (signals: Signals, givenMs: number): State {
    const nowMs = Math.max(givenMs, lastMs)
    if (forced !== 'auto') {
      state = { level: forced, reason: 'it is forced by TELEMETRY_LEVEL', since: state?.since ?? nowMs, changed: false }
      return state
    }
    const before = state ?? { level: 1, reason: null, since: nowMs, changed: false } satisfies State
    const { asked, reason, ill } = judge(signals, nowMs)
    if (nowMs - lastMs > limits.longestGapMs) quiet(false, nowMs)
    lastMs = nowMs
    const quietMs = quiet(!ill(before.level), nowMs)

    if (asked > before.level) {
      if (roseAt !== undefined) neededQuietMs = nowMs - roseAt < limits.longestQuietMs ? Math.min(neededQuietMs * 2, limits.longestQuietMs) : limits.quietMs
      roseAt = undefined
      quiet(false, nowMs)
      state = { level: asked, reason, since: nowMs, changed: true }
    } else if (before.level > 1 && quietMs >= neededQuietMs) {
      const level = before.level - 1 as Level
      roseAt = nowMs
      // Each step has a quiet time of its own.
      quiet(false, nowMs)
      quiet(!ill(level), nowMs)
      state = { level, reason: level === 1 ? null : asked === level ? reason : before.reason, since: nowMs, changed: true }
    } else {
      state = { ...before, reason: asked === before.level ? reason : before.reason, changed: false }
    }
    return state
  }
  return { observe }
}

/** For how long something has held without a break, in ms; 0 when it does not. */
function lasting (): (holds: boolean, nowMs: number) => number {
  let since: number | undefined
  return (holds, nowMs) => {
    since = holds ? since ?? nowMs : undefined
    return since === undefined ? 0 : nowMs - since
  }
}

function pressureOf (signals: Signals, limits: Thresholds): string | undefined {
  if (signals.heapUsedShare > limits.heapUsedShare) return `the heap is ${Math.round(signals.heapUsedShare * 100)} % full`
  if (signals.loopDelayP99Ms > limits.loopDelayMs) return `the event loop is late by ${Math.round(signals.loopDelayP99Ms)} ms (p99)`
  return undefined
}
