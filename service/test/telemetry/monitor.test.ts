import { mkdirSync, readFileSync, statSync, symlinkSync, unlinkSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { Thresholds } from '../../src/telemetry/degradation.js'
import { createStreak } from '../../src/telemetry/degradation/exports.js'
import { startChild, startReceiver, until, type Child, type Receiver } from './degradation-parent.js'

/** A hundredth or so of the real times. */
const quick: Partial<Thresholds> = { faultMs: 300, unscrapedMs: 100_000, pressureMs: 300, longPressureMs: 100_000, quietMs: 500, longestQuietMs: 1000, longestGapMs: 2000 }

interface Health { url: string, respond: RequestListener, close: () => Promise<void>, asked: number, headers: http.IncomingHttpHeaders }

async function startHealth (t: Test, port = 0): Promise<Health> {
  const server = http.createServer((request, answer) => { health.asked += 1; health.headers = request.headers; health.respond(request, answer) })
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve) })
  const health: Health = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    respond: (_request, answer) => { answer.end('{"status":"Server available"}') },
    close: async () => { server.closeAllConnections(); await new Promise((resolve) => { server.close(resolve) }) },
    asked: 0,
    headers: {}
  }
  t.teardown(health.close)
  return health
}

async function start (t: Test, monitor: { sidecarHealthUrl?: string, forced?: 1 | 2 | 3 | 4, dataDir?: string, thresholds?: Partial<Thresholds>, errorFileBytes?: number, intervalMs?: number } = {}, env: Record<string, string> = {}): Promise<{ child: Child, receiver: Receiver, file: string, reaches: (level: number) => Promise<Record<string, unknown>>, lines: (level: string) => Promise<void>, spans: () => Promise<number> }> {
  const receiver = await startReceiver(t)
  const { dataDir = t.testdir(), thresholds, ...rest } = monitor
  const child = await startChild(t, { monitor: { forced: 'auto', sidecarHealthUrl: undefined, dataDir, intervalMs: 50, sidecarTimeoutMs: 200, thresholds: { ...quick, ...thresholds }, ...rest } }, { ...receiver.env, ...env })
  return {
    child,
    receiver,
    file: path.join(dataDir, 'errors.log'),
    reaches: async (level) => await until(async () => await child.call('status'), (status) => status.level === level),
    /** Logs a line of each severity under a name of its own. */
    async lines (name) {
      for (const level of ['info', 'warn', 'error']) await child.call('log', { level, message: `${name} ${level}` })
    },
    async spans () {
      receiver.spans.length = 0
      await (await fetch(`${child.url}/job`)).text()
      await child.call('flush')
      return receiver.spans.length
    }
  }
}

const messages = (lines: Array<Record<string, unknown>>, name: string): string[] => lines.map(({ message }) => String(message)).filter((message) => message.startsWith(name))
const arrived = (receiver: Receiver, name: string): string[] => receiver.logs.map(({ body }) => body?.stringValue ?? '').filter((body) => body.startsWith(name))
const pause = async (ms: number): Promise<void> => { await new Promise((resolve) => setTimeout(resolve, ms)) }
const all = (name: string): string[] => ['info', 'warn', 'error'].map((level) => `${name} ${level}`)
const ofFile = (file: string): Array<Record<string, unknown>> => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line))

t.test('a sidecar that dies and comes back: 2 without spans and with errors only, then 1 with everything', async (t) => {
  const health = await startHealth(t)
  const { child, receiver, reaches, lines, spans } = await start(t, { sidecarHealthUrl: health.url })
  await until(async () => await child.call('status'), ({ sidecar }) => sidecar === 'up')
  t.match(await child.call('status'), { level: 1, forced: false, reason: null, since: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ })
  t.ok(await spans() > 0)
  await lines('first')
  await until(() => arrived(receiver, 'first'), (seen) => seen.length === 3)

  await health.close()
  t.match(await reaches(2), { reason: 'the sidecar does not answer', sidecar: 'down' })
  t.equal(await spans(), 0)
  await lines('second')
  await until(() => arrived(receiver, 'second'), (seen) => seen.length > 0)
  await pause(300)
  t.same(arrived(receiver, 'second'), ['second error'])
  t.same(messages(child.out, 'second'), all('second'), 'standard output is as ever')

  await startHealth(t, Number(new URL(health.url).port))
  t.match(await reaches(1), { reason: null, sidecar: 'up' })
  t.ok(await spans() > 0)
  await lines('third')
  await until(() => arrived(receiver, 'third'), (seen) => seen.length === 3)
  t.same(child.err.map((line) => [line['event.name'], line['telemetry.level'], line.reason]), [['telemetry.degraded', 2, 'the sidecar does not answer'], ['telemetry.recovered', 1, undefined]])
  t.same(child.out.filter((line) => String(line['event.name']).startsWith('telemetry.')).map((line) => [line['event.name'], line.level]), [['telemetry.degraded', 'warn'], ['telemetry.recovered', 'info']])
  t.same((await child.call('seen')).levels, [1, 2, 1], 'a listener that throws harms nobody')
})

t.test('a sidecar that hangs, refuses, redirects, talks nonsense or never stops talking', async (t) => {
  const health = await startHealth(t)
  const { reaches, child } = await start(t, { sidecarHealthUrl: health.url })
  const good = health.respond
  const bad: Record<string, RequestListener> = {
    hangs: () => {},
    'answers 500': (_, answer) => { answer.writeHead(500).end() },
    redirects: (_, answer) => { answer.writeHead(302, { location: '/' }).end() },
    'talks nonsense': (request) => { request.socket.end('what?\r\n\r\n') },
    'hangs up': (request) => { request.socket.destroy() }
  }
  for (const [what, respond] of Object.entries(bad)) {
    health.respond = respond
    t.equal((await reaches(2)).sidecar, 'down', what)
    health.respond = good
    t.equal((await reaches(1)).sidecar, 'up')
  }
  health.respond = (_, answer) => {
    answer.writeHead(200)
    const timer = setInterval(() => { answer.write(Buffer.alloc(65_536)) }, 1)
    answer.on('close', () => { clearInterval(timer) })
  }
  const asked = health.asked
  await until(() => health.asked, (now) => now > asked + 10)
  t.match(await child.call('status'), { level: 1, sidecar: 'up' }, 'what it says is not read')
  t.equal(health.headers.traceparent, undefined)
})

t.test('what the monitor does by itself makes no span', async (t) => {
  const health = await startHealth(t)
  const { child, receiver } = await start(t, { sidecarHealthUrl: health.url })
  await until(() => health.asked, (asked) => asked > 5)
  await child.call('flush')
  t.same(receiver.spans, [])
})

t.test('lost batches alone lead to 2, say so once a minute, and are counted; those that arrive lead back', async (t) => {
  const { child, receiver, reaches, lines, spans } = await start(t, {}, { OTEL_EXPORTER_OTLP_TIMEOUT: '200' })
  await spans()
  receiver.mode = 'refuse'
  const status = await until(async () => { await child.call('spans', 3); return await child.call('status') }, ({ level }) => level === 2)
  t.match(status, { reason: 'the export of telemetry fails', sidecar: 'absent' })
  const { exportErrors, internalErrors } = await child.call('seen')
  t.ok(exportErrors.length >= 2)
  t.equal(internalErrors, 0)
  t.equal(child.out.filter((line) => line['event.name'] === 'telemetry.export_failed').length, 1)
  receiver.mode = 'ok'
  // An error that gets through is what shows that the way is free.
  await until(async () => { await child.call('log', { level: 'error', message: 'anything' }); await child.call('on'); await child.call('spans', 1); return await child.call('status') }, ({ level }) => level === 1)
  await reaches(1)
  await lines('again')
  await until(() => arrived(receiver, 'again'), (seen) => seen.length === 3)
})

t.test('a Collector that hangs holds up nobody', async (t) => {
  const { child, receiver, lines } = await start(t)
  receiver.mode = 'hang'
  await child.call('spans', 3000)
  await lines('x')
  const before = performance.now()
  for (let n = 0; n < 20; n++) t.equal((await fetch(`${child.url}/bare`)).status, 200)
  t.ok(performance.now() - before < 2000)
})

t.test('a batch now and then that is lost among those that arrive is no fault', async (t) => {
  const { child, receiver } = await start(t, { thresholds: { faultMs: 200 } }, { OTEL_EXPORTER_OTLP_TIMEOUT: '200' })
  for (let n = 0; n < 12; n++) {
    receiver.mode = n % 4 === 0 ? 'refuse' : 'ok'
    const { requests } = receiver
    await child.call('spans', 1)
    await until(() => receiver.requests, (now) => now > requests)
    await pause(200)
  }
  t.ok((await child.call('seen')).exportErrors.length >= 3)
  t.match(await child.call('status'), { level: 1 })
  t.same((await child.call('seen')).levels, [1])
})

t.test('a fault of the instrumentation itself is counted apart', async (t) => {
  const { child } = await start(t)
  await child.call('endTwice')
  t.match(await child.call('seen'), { internalErrors: 1, exportErrors: [] })
})

t.test('nobody collects metrics either: errors go to the local file, which only its owner may read', async (t) => {
  const health = await startHealth(t)
  const { child, receiver, reaches, lines, spans, file } = await start(t, { sidecarHealthUrl: health.url, thresholds: { unscrapedMs: 1000 } })
  await health.close()
  await child.call('scrape')
  await reaches(2)
  t.throws(() => statSync(file), 'there is no file before it is needed')
  t.match((await reaches(3)).reason, /^the sidecar does not answer, and nobody has collected metrics for \d+ s$/)
  receiver.logs.length = 0
  await lines('third')
  t.equal(await spans(), 0)
  await until(() => ofFile(file), (seen) => seen.length >= 2)
  await pause(300)
  t.same(ofFile(file).map(({ level, message }) => [level, message]).slice(1), [['error', 'third error']])
  t.match(ofFile(file)[0], { 'event.name': 'telemetry.degraded', 'telemetry.level': 3 })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(arrived(receiver, 'third'), [])
  t.same(messages(child.out, 'third'), all('third'))

  const scraping = setInterval(() => { void child.call('scrape') }, 100)
  t.teardown(() => { clearInterval(scraping) })
  await reaches(2)
  await startHealth(t, Number(new URL(health.url).port))
  await reaches(1)
  await lines('fourth')
  await until(() => arrived(receiver, 'fourth'), (seen) => seen.length === 3)
  t.same(ofFile(file).filter(({ message }) => String(message).startsWith('fourth')), [])
})

t.test('the error file takes two files of its size', async (t) => {
  const { child, file } = await start(t, { forced: 3, errorFileBytes: 5000 })
  for (let n = 0; n < 200; n++) await child.call('log', { level: 'error', message: `line ${n} ${'x'.repeat(100)}` })
  await child.call('close')
  t.ok(statSync(file).size <= 5000)
  t.ok(statSync(`${file}.1`).size <= 5000)
  const kept = [...ofFile(`${file}.1`), ...ofFile(file)].map(({ message }) => Number(String(message).split(' ')[1]))
  t.equal(kept.at(-1), 199)
  t.same(kept, Array.from(kept, (_, n) => 200 - kept.length + n), 'the last lines, without a gap')
})

const obstacles: Record<string, (dataDir: string) => void> = {
  'is a folder': (dataDir) => { mkdirSync(path.join(dataDir, 'errors.log')) },
  'is on a full disk': (dataDir) => { symlinkSync('/dev/full', path.join(dataDir, 'errors.log')) }
}
for (const [what, place] of Object.entries(obstacles)) {
  t.test(`an error file that ${what} leads to 4, where only a line on standard error is left`, async (t) => {
    const dataDir = t.testdir()
    place(dataDir)
    const { child, receiver, reaches, lines, spans } = await start(t, { dataDir, sidecarHealthUrl: 'http://127.0.0.1:1/', thresholds: { unscrapedMs: 0 } })
    t.match((await reaches(4)).reason, /, and the error file cannot be written$/)
    await lines('fourth')
    t.equal(await spans(), 0)
    await pause(500)
    t.same(messages(child.out, 'fourth'), [])
    t.same(arrived(receiver, 'fourth'), [])
    t.same(child.err.map((line) => line['telemetry.level']), [3, 4])
    t.equal((await child.call('status')).level, 4, 'it does not waver')
    t.equal((await fetch(`${child.url}/job`)).status, 200)
  })
}

t.test('4 for want of a file ends when it can be written again', async (t) => {
  const dataDir = path.join(t.testdir({ taken: 'a file' }), 'taken')
  const { reaches, child, lines } = await start(t, { dataDir, sidecarHealthUrl: 'http://127.0.0.1:1/', thresholds: { unscrapedMs: 0 } })
  await reaches(4)
  unlinkSync(dataDir)
  await reaches(3)
  await lines('back')
  await until(() => messages(ofFile(path.join(dataDir, 'errors.log')), 'back'), (seen) => seen.length === 1)
  t.same(messages(child.out, 'back'), all('back'))
})

t.test('an event loop that is always late leads to 3 and 4, and to nothing when it is not', async (t) => {
  const { child, reaches } = await start(t, { intervalMs: 300, thresholds: { loopDelayMs: 100, pressureMs: 1000, longPressureMs: 3000 } })
  const blocking = setInterval(() => { void child.call('block', 250) }, 260)
  t.teardown(() => { clearInterval(blocking) })
  t.match((await reaches(3)).reason, /^the event loop is late by \d+ ms \(p99\)$/)
  t.match((await reaches(4)).reason, /^the event loop is late by \d+ ms \(p99\), for \d+ s now$/)
  clearInterval(blocking)
  await reaches(1)
  t.same((await child.call('seen')).levels, [1, 3, 4, 3, 2, 1])
})

for (const forced of [1, 2, 3, 4] as const) {
  t.test(`level ${forced} when forced, whatever the sidecar does`, async (t) => {
    const { child, receiver, lines, spans, file } = await start(t, { forced, sidecarHealthUrl: 'http://127.0.0.1:1/', thresholds: { unscrapedMs: 0 } })
    await pause(1000)
    t.match(await child.call('status'), { level: forced, forced: true, reason: 'it is forced by TELEMETRY_LEVEL', sidecar: 'down' })
    t.equal(await spans() > 0, forced === 1)
    t.same((await child.call('seen')).levels, [forced], 'who listens later hears of it')
    await lines('a')
    await child.call('close')
    await pause(300)
    t.same(messages(child.out, 'a'), forced === 4 ? [] : all('a'))
    t.same(arrived(receiver, 'a'), forced === 1 ? all('a') : forced === 2 ? ['a error'] : [])
    if (forced === 3) t.same(messages(ofFile(file), 'a'), ['a error'])
    else t.throws(() => statSync(file))
    t.same(child.err.map((line) => line['telemetry.level']), forced === 1 ? [] : [forced])
  })
}

t.test('a port that takes connections and says nothing', async (t) => {
  const server = net.createServer(() => {})
  t.teardown(() => { server.close() })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { child, reaches } = await start(t, { sidecarHealthUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` })
  await reaches(2)
  await child.call('close')
  child.process.kill('SIGKILL')
})

t.test('failures are a streak until a batch of the same kind arrives, or nothing was sent for long', async (t) => {
  const streak = createStreak({ settleMs: 12_000 })
  streak.attempted('trace', 0)
  streak.failed('trace', 1000)
  t.equal(streak.failingMs(1000), 0, 'one failure is none yet')
  streak.attempted('trace', 5000)
  streak.failed('trace', 6000)
  t.equal(streak.failingMs(7000), 5000)
  streak.attempted('log', 8000)
  t.equal(streak.failingMs(21_000), 5000, 'logs that arrive say nothing of traces')
  t.equal(streak.failingMs(40_000), 0, 'nothing is sent any more')
  streak.attempted('trace', 60_000)
  streak.failed('trace', 66_000)
  t.equal(streak.failingMs(66_000), 65_000, 'it still fails')
  streak.attempted('trace', 67_000)
  streak.attempted('trace', 70_000)
  t.equal(streak.failingMs(79_000), 65_000, 'it may still fail')
  t.equal(streak.failingMs(79_001), 0, 'it has arrived')
  streak.failed(undefined, 90_000)
  streak.failed(undefined, 92_000)
  t.equal(streak.failingMs(92_000), 2000, 'a failure of unknown kind counts for all')
  streak.failed(undefined, 92_000 + 300_001)
  t.equal(streak.failingMs(92_000 + 300_001), 0, 'so far apart they have nothing to do with each other')
})
