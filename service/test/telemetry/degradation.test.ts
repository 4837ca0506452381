import fc from 'fast-check'
import t from 'tap'
import { createLevels, thresholds as limits, type Level, type Signals, type State } from '../../src/telemetry/degradation.js'

const fine: Signals = { sidecar: 'up', exportFailingMs: 0, lastScrapeAgeMs: 0, heapUsedShare: 0.3, loopDelayP99Ms: 2, errorFileWritable: true }
const down: Signals = { ...fine, sidecar: 'down' }
const STEP_MS = 1000
const MINUTE_MS = 60_000

const anySignals: fc.Arbitrary<Signals> = fc.record({
  sidecar: fc.constantFrom('up', 'down', 'absent'),
  exportFailingMs: fc.constantFrom(0, 5000, 20_000, 130_000),
  lastScrapeAgeMs: fc.constantFrom(0, 30_000, 300_000),
  heapUsedShare: fc.constantFrom(0.2, 0.3, 0.95),
  loopDelayP99Ms: fc.constantFrom(1, 3, 500),
  errorFileWritable: fc.boolean()
})
/** Phases of one set of signals, of seconds to minutes; healthy ones are as frequent as all others. */
const anyCourse = fc.array(fc.record({ signals: fc.oneof(fc.constant(fine), anySignals), seconds: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 40, max: 900 })) }), { minLength: 1, maxLength: 25 })

interface Seen extends State { signals: Signals, at: number }

function run (course: Array<{ signals: Signals, seconds: number }>, levels = createLevels()): Seen[] {
  const seen: Seen[] = []
  let at = 0
  for (const { signals, seconds } of course) {
    for (let n = 0; n < seconds; n++, at += STEP_MS) seen.push({ ...levels.observe(signals, at), signals, at })
  }
  return seen
}

/** Restated from the requirement: whether signals are a symptom that a level is for. */
function isIll (level: Level, s: Signals): boolean {
  const fault = s.sidecar === 'down' || s.exportFailingMs > 0
  const pressure = s.heapUsedShare > 0.9 || s.loopDelayP99Ms > 200
  const third = pressure || (fault && s.lastScrapeAgeMs >= 120_000)
  return [false, fault || third, third, pressure || (third && !s.errorFileWritable)][level - 1] as boolean
}

/** For how long, up to and including now, something has held for every observation. */
function heldMs (seen: Seen[], upTo: number, holds: (s: Signals) => boolean): number {
  let first = upTo
  if (!holds((seen[upTo] as Seen).signals)) return -1
  while (first > 0 && holds((seen[first - 1] as Seen).signals)) first -= 1
  return (seen[upTo] as Seen).at - (seen[first] as Seen).at
}

t.test('it gets better by one level at most, after a minute in which nothing spoke for the level', async () => {
  fc.assert(fc.property(anyCourse, (course) => {
    const seen = run(course)
    seen.forEach((now, n) => {
      const before = seen[n - 1]?.level ?? 1
      if (now.level >= before) return
      if (now.level !== before - 1) throw new Error(`${before} → ${now.level}`)
      const quietMs = heldMs(seen, n, (signals) => !isIll(before, signals))
      if (quietMs < MINUTE_MS) throw new Error(`after ${quietMs} ms only`)
      const sinceChange = now.at - ((seen[n - 1] as Seen).since)
      if (sinceChange < MINUTE_MS) throw new Error(`${sinceChange} ms after the last change`)
    })
  }), { numRuns: 300 })
})

t.test('it gets worse as soon as a condition has lasted, and never without one', async () => {
  fc.assert(fc.property(anyCourse, (course) => {
    const seen = run(course)
    seen.forEach(({ level, signals }, n) => {
      const fault = heldMs(seen, n, (s) => s.sidecar === 'down') >= 15_000 || signals.exportFailingMs >= 15_000
      const pressureMs = heldMs(seen, n, (s) => s.heapUsedShare > 0.9 || s.loopDelayP99Ms > 200)
      const long = heldMs(seen, n, (s) => s.sidecar === 'down') >= 120_000 || signals.exportFailingMs >= 120_000
      const third = (fault && long && signals.lastScrapeAgeMs >= 120_000) || pressureMs >= 10_000
      const asked = pressureMs >= 30_000 || (third && !signals.errorFileWritable) ? 4 : third ? 3 : fault ? 2 : 1
      const before = seen[n - 1]?.level ?? 1
      if (level < asked) throw new Error(`level ${level} where ${asked} is due`)
      if (level > before && level !== asked) throw new Error(`${before} → ${level}, asked was ${asked}`)
    })
  }), { numRuns: 300 })
})

t.test('above level 1 the reason names a signal that was bad, at level 1 there is none', async () => {
  const names: Array<[RegExp, (s: Signals) => boolean]> = [
    [/sidecar/, (s) => s.sidecar === 'down'], [/export/, (s) => s.exportFailingMs > 0], [/collected metrics/, (s) => s.lastScrapeAgeMs >= 120_000],
    [/heap/, (s) => s.heapUsedShare > 0.9], [/event loop/, (s) => s.loopDelayP99Ms > 200], [/error file/, (s) => !s.errorFileWritable]
  ]
  fc.assert(fc.property(anyCourse, (course) => {
    for (const { level, reason, signals, changed } of run(course).filter((now, n, seen) => now.level === 1 || now.level > (seen[n - 1]?.level ?? 1))) {
      if ((level === 1) !== (reason === null)) throw new Error(`level ${level}: ${reason}`)
      if (level === 1 || !changed) continue
      const told = names.filter(([name]) => name.test(reason as string))
      if (told.length === 0 || !told.every(([, isBad]) => isBad(signals))) throw new Error(`${reason} for ${JSON.stringify(signals)}`)
    }
  }), { numRuns: 300 })
})

t.test('changed and since tell of changes exactly', async () => {
  fc.assert(fc.property(anyCourse, (course) => {
    run(course).forEach((now, n, seen) => {
      const before = seen[n - 1]
      if (now.changed !== (now.level !== (before?.level ?? 1))) throw new Error(`changed at ${now.at}`)
      if (now.since !== (now.changed ? now.at : before?.since ?? 0)) throw new Error(`since at ${now.at}`)
    })
  }), { numRuns: 100 })
})

t.test('however the signals alternate, changes get rare', async () => {
  fc.assert(fc.property(fc.array(anySignals, { minLength: 1, maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }), (bad, lengths) => {
    const course: Array<{ signals: Signals, seconds: number }> = []
    for (let seconds = 0, n = 0; seconds < 24 * 3600; n++) {
      const length = lengths[n % lengths.length] as number
      course.push({ signals: n % 2 === 0 ? bad[n % bad.length] as Signals : fine, seconds: length })
      seconds += length
    }
    const seen = run(course)
    const rises = seen.filter((now, n) => now.level < (seen[n - 1]?.level ?? 1)).length
    const changes = seen.filter(({ changed }) => changed).length
    // Twelve until the wait has grown to ten minutes; then one in ten minutes, or three in thirteen with a calm between.
    const most = 12 + (seen.length / 60) * 3 / 13
    if (rises > most || changes > 2 * rises + 3) throw new Error(`${rises} rises and ${changes} changes in a day, ${most} are possible`)
  }), { numRuns: 30 })
})

t.test('a sidecar that comes and goes is waited for longer each time, ten minutes at most, and a minute again after a calm', async (t) => {
  const levels = createLevels()
  let at = 0
  const observeFor = (signals: Signals, seconds: number): State => {
    let state: State
    do { state = levels.observe(signals, at); at += STEP_MS } while (--seconds > 0)
    return state
  }
  const secondsUntil = (level: Level, signals: Signals): number => {
    for (let n = 1; n < 10_000; n++) if (observeFor(signals, 1).level === level) return n
    return Infinity
  }
  observeFor(fine, 60)
  const waits = []
  for (let n = 0; n < 6; n++) {
    t.equal(secondsUntil(2, down), 16, 'the 16th observation is 15 s after the first')
    waits.push(secondsUntil(1, fine) - 1)
  }
  t.same(waits, [60, 120, 240, 480, 600, 600])
  observeFor(fine, 600)
  secondsUntil(2, down)
  t.equal(secondsUntil(1, fine) - 1, 60)
})

t.test('a forced level never moves', async () => {
  fc.assert(fc.property(fc.constantFrom<Level>(1, 2, 3, 4), anyCourse, (forced, course) => {
    const seen = run(course, createLevels({ forced }))
    if (!seen.every(({ level, changed, since, reason }) => level === forced && !changed && since === 0 && reason?.includes('TELEMETRY_LEVEL'))) throw new Error('it moved')
  }), { numRuns: 50 })
})

t.test('without a sidecar to ask only lost exports are a fault', async (t) => {
  t.ok(run([{ signals: { ...fine, sidecar: 'absent', lastScrapeAgeMs: 1e9 }, seconds: 3600 }]).every(({ level }) => level === 1))
  const seen = run([{ signals: { ...fine, sidecar: 'absent', exportFailingMs: limits.faultMs }, seconds: 1 }])
  t.match(seen, [{ level: 2, reason: 'the export of telemetry fails' }])
})

t.test('a sidecar that is built only while the service runs: level 2 meanwhile, 1 a minute after it is there', async (t) => {
  const seen = run([{ signals: down, seconds: 100 }, { signals: fine, seconds: 100 }])
  t.same(seen.filter(({ changed }) => changed).map(({ level, at }) => [level, at]), [[2, 15_000], [1, 160_000]])
})

t.test('pressure leads to 3 after 10 s and to 4 after 30 s, and back one by one', async (t) => {
  const seen = run([{ signals: { ...fine, heapUsedShare: 0.91 }, seconds: 40 }, { signals: fine, seconds: 300 }])
  t.same(seen.filter(({ changed }) => changed).map(({ level, at, reason }) => [level, at, reason]), [
    [3, 10_000, 'the heap is 91 % full'], [4, 30_000, 'the heap is 91 % full, for 30 s now'],
    [3, 100_000, 'the heap is 91 % full, for 39 s now'], [2, 160_000, 'the heap is 91 % full, for 39 s now'], [1, 220_000, null]
  ])
})

t.test('time that nobody looked at is not quiet, and a clock that goes back does no harm', async (t) => {
  const levels = createLevels()
  for (let at = 0; at <= 15_000; at += 5000) levels.observe(down, at)
  t.equal(levels.observe(fine, 20_000).level, 2)
  t.equal(levels.observe(fine, 10_000_000).level, 2, 'the process was stopped for hours')
  t.equal(levels.observe(fine, 5).level, 2)
  t.equal(levels.observe(fine, 10_010_000).level, 2)
  for (let at = 10_020_000; at < 10_060_000; at += 10_000) t.equal(levels.observe(fine, at).level, 2)
  t.equal(levels.observe(fine, 10_060_000).level, 1)
})
