import { randomInt } from 'node:crypto'
import t from 'tap'
import { eventually, newSpanId, newTraceId, noCollector, startCollector, type Collector, type SpanToSend } from '../support/collector.js'

type Trace = [SpanToSend, ...SpanToSend[]]

/** A request with an operation below it, which gets the extras. */
function trace (server: Partial<SpanToSend> = {}, inner: Partial<SpanToSend> = {}): Trace {
  const traceId = newTraceId()
  const spanId = newSpanId()
  return [
    { name: 'GET /api/v1/configurations/:id', traceId, spanId, kind: 2, durationMs: randomInt(1, 100), attributes: { 'http.route': '/api/v1/configurations/:id', 'http.response.status_code': 200 }, ...server },
    { name: 'configuration.get', traceId, parentSpanId: spanId, ...inner }
  ]
}
const many = (count: number, make: () => Trace): Trace[] => Array.from({ length: count }, make)
const shuffled = (traces: Trace[]): Trace[] => traces.map((trace) => ({ trace, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ trace }) => trace)

/** Sends the traces in small parts, waits for the decisions, and answers with the ids of those that were kept whole. */
async function keptOf (collector: Collector, traces: Trace[]): Promise<Set<string>> {
  for (let at = 0; at < traces.length; at += 100) await collector.send(traces.slice(at, at + 100).flat())
  await collector.stop()
  const spans = new Map<string, number>()
  for (const { traceId } of collector.spans()) spans.set(traceId, (spans.get(traceId) ?? 0) + 1)
  return new Set([...spans].filter(([, count]) => count === 2).map(([traceId]) => traceId))
}
const count = (traces: Trace[], kept: Set<string>): number => traces.filter(([{ traceId }]) => kept.has(traceId ?? '')).length

t.test('errors, slow traces and changes are all kept, and of the rest the share', { skip: noCollector }, async (t) => {
  const plain = many(1000, trace)
  const errors = [...many(30, () => trace({}, { status: { code: 2 } })), ...many(20, () => trace({ attributes: { 'http.route': '/x', 'http.response.status_code': 503 } }))]
  const slow = many(20, () => trace({ durationMs: randomInt(501, 5000) }))
  const changes = many(30, () => trace({}, { attributes: { 'config.change': true } }))
  const unchanged = many(200, () => trace({}, { attributes: { 'config.change': false } }))
  const watches = ['/api/v1/watch', '/api/v1/changes'].flatMap((route) => many(100, () => trace({ durationMs: 60_000, attributes: { 'http.route': route, 'http.response.status_code': 200 } })))
  const collector = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '10' } })
  const kept = await keptOf(collector, shuffled([...plain, ...errors, ...slow, ...changes, ...unchanged, ...watches]))

  t.equal(count(errors, kept), errors.length, 'errors')
  t.equal(count(slow, kept), slow.length, 'slow traces')
  t.equal(count(changes, kept), changes.length, 'changes')
  // five standard deviations of the binomial distribution: one run in a million fails
  const bounds = (n: number): [number, number] => [n / 10 - 5 * Math.sqrt(n * 0.09), n / 10 + 5 * Math.sqrt(n * 0.09)]
  for (const [name, traces] of Object.entries({ plain, unchanged, watches })) {
    const [least, most] = bounds(traces.length)
    const share = count(traces, kept)
    t.ok(share >= least && share <= most, `${share} of ${traces.length} ${name} traces`)
  }

  const other = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '10' } })
  const again = await keptOf(other, shuffled(plain))
  t.strictSame([...again].sort(), plain.map(([{ traceId }]) => traceId ?? '').filter((id) => kept.has(id)).sort(), 'another sidecar keeps the same')

  const wider = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '20' } })
  const more = await keptOf(wider, plain)
  t.ok([...again].every((id) => more.has(id)), 'a larger share contains the smaller one')
  t.ok(more.size > again.size)
})

t.test('requests that failed and operations that were refused are errors; requests refused for their shape are not', { skip: noCollector }, async (t) => {
  const answered = (code: number, inner?: Partial<SpanToSend>): Trace => trace({ attributes: { 'http.response.status_code': code } }, inner)
  const errors = [answered(500), answered(503), ...[404, 409, 412, 422].map((code) => answered(code, { status: { code: 2 } }))]
  const shapes = many(10, () => answered(400))
  const kept = await keptOf(await startCollector(t, { env: { SAMPLING_PERCENTAGE: '0' } }), [...errors, ...shapes])
  t.strictSame([...kept].sort(), errors.map(([{ traceId }]) => traceId).sort())
})

t.test('everything is kept unless asked otherwise, and the threshold for slow is a setting', { skip: noCollector }, async (t) => {
  const traces = many(300, trace)
  t.equal((await keptOf(await startCollector(t), traces)).size, 300)

  const medium = many(50, () => trace({ durationMs: 300 }))
  t.equal((await keptOf(await startCollector(t, { env: { SAMPLING_PERCENTAGE: '0' } }), medium)).size, 0)
  t.equal((await keptOf(await startCollector(t, { env: { SAMPLING_PERCENTAGE: '0', SLOW_TRACE_MS: '200' } }), medium)).size, 50)
})

t.test('when more traces wait than may, the oldest are forgotten before their decision, and counted', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { SAMPLING_TRACES: '40', SAMPLING_DECISION_WAIT: '2s' } })
  const failed = many(50, () => trace({}, { status: { code: 2 } }))
  const later = many(40, trace)
  await collector.send(failed.flat())
  await collector.send(later.flat())
  await eventually(async () => await collector.counter('otelcol_processor_tail_sampling_sampling_trace_dropped_too_early') === 50, '50 forgotten')
  const kept = await keptOf(collector, [])
  t.strictSame([count(failed, kept), count(later, kept)], [0, 40])
})

t.test('as many traces as come in ten busy seconds wait at once, and none is forgotten', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '0', SAMPLING_DECISION_WAIT: '60s', GOMEMLIMIT: '160MiB' } })
  const failed = many(20, () => trace({}, { status: { code: 2 } }))
  t.equal(await collector.send(failed.flat()), 200)
  for (let sent = 0; sent < 60_000; sent += 2000) t.equal(await collector.send(Array.from({ length: 2000 }, () => ({ name: 'quick', traceId: newTraceId() }))), 200)
  t.equal(count(failed, await keptOf(collector, [])), 20)
})

t.test('a span that comes after the decision follows it, whatever it is itself, and although the trace is no longer in memory', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '0', SAMPLING_TRACES: '40' } })
  const change = many(20, () => trace({}, { attributes: { 'config.change': true } }))
  const plain = many(20, trace)
  const decided = (count: number): Promise<unknown> =>
    eventually(async () => await collector.counter('otelcol_processor_tail_sampling_global_count_traces_sampled') === count, `${count} decisions`)
  await collector.send([...change, ...plain].flat())
  await decided(40)
  await collector.send(many(40, trace).flat())
  await decided(80)
  const late = (traces: Trace[], code: number): SpanToSend[] => traces.map(([{ traceId }]) => ({ name: 'late', traceId: traceId ?? '', status: { code } }))
  await collector.send(late(plain, 2))
  await collector.send(late(change, 0))
  await collector.stop()
  const arrived = collector.spans().filter(({ name }) => name === 'late').map(({ traceId }) => traceId).sort()
  t.strictSame(arrived, change.map(([{ traceId }]) => traceId).sort())
})

t.test('probes, scrapes and quick connects are dropped; waits for the pool and failed connects are kept', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  const server = (attributes: Record<string, unknown>): SpanToSend => ({ name: 'GET', kind: 2, attributes })
  await collector.send([
    server({ 'http.route': '/health/live', 'url.path': '/health/live' }),
    server({ 'http.route': '/health/ready', 'http.response.status_code': 503 }),
    server({ 'http.route': '/metrics' }),
    server({ 'url.path': '/metrics' }),
    { name: 'pg-pool.connect', durationMs: 0.2 },
    { name: 'pg.connect', durationMs: 0.999 }
  ])
  const kept: SpanToSend[] = [
    server({ 'http.route': '/health', mark: 'health' }),
    server({ 'http.route': '/api/v1/configurations/:id', 'url.path': '/metrics', mark: 'a route' }),
    { name: 'GET', kind: 3, attributes: { 'url.path': '/metrics', mark: 'client' } },
    { name: 'pg-pool.connect', durationMs: 1.5, attributes: { mark: 'wait' } },
    { name: 'pg.connect', durationMs: 12, attributes: { mark: 'connect' } },
    { name: 'pg-pool.connect', durationMs: 0.2, status: { code: 2 }, attributes: { mark: 'failed' } },
    { name: 'pg.query:configuration-get config', durationMs: 0.2, attributes: { mark: 'query' } }
  ]
  await collector.send(kept)
  await collector.stop()
  t.strictSame(collector.spans().map(({ attributes }) => attributes.mark).sort(), kept.map(({ attributes }) => attributes?.mark).sort())
})
