import t from 'tap'
import type { Profile } from '../../bench/profile.js'
import { sumOf } from '../../bench/parts/exposition.js'
import { between, valuesOf } from '../../bench/parts/load-order.js'
import { createTurns } from '../../bench/parts/turns.js'
import { attributionText, groupOf } from '../../bench/telemetry/attribution.js'
import { summarize, summaryText } from '../../bench/telemetry/report.js'
import type { Slice } from '../../bench/telemetry/slice.js'
import { difference, NO_SPANS, spanCounts } from '../../bench/telemetry/spans.js'

function slice (round: number, mode: Slice['mode'], requestsPerSecond: number, serviceUs: number, changes: Partial<Slice> = {}): Slice {
  return {
    round,
    mode,
    workload: 'reads',
    requests: 100,
    requestsPerSecond,
    p50Ms: 1,
    p99Ms: 2,
    cpuUs: { service: serviceUs, collector: 0, database: 0 },
    clientCores: 0.1,
    bytes: { service: round * 1e6, collector: NaN },
    otlpBytes: 0,
    spans: 0,
    droppedShare: 0,
    lost: NO_SPANS,
    level: 1,
    from: 0,
    until: 1,
    ...changes
  }
}

t.test('modes are compared with the same round without telemetry', async t => {
  const [, production] = summarize([slice(1, 'off', 1000, 100), slice(1, 'production', 500, 250), slice(2, 'off', 400, 200), slice(2, 'production', 100, 500)])
  t.same(production?.off, { timesRequests: 0.375, extraUs: 225, extraShare: 1.5 })
  t.match(production, { requestsPerSecond: 300, least: 100, most: 500, bytes: { service: 2e6 } })
  const [alone] = summarize([slice(1, 'staging', 10, 1)])
  t.equal(alone?.off, undefined, 'and with nothing when there is none')
})

t.test('what is lost is shown, since it makes figures better than they are', async t => {
  const quiet = summaryText(summarize([slice(1, 'production', 1, 1)]))
  t.notMatch(quiet, /refused|forgotten|reduced/)
  const text = summaryText(summarize([slice(1, 'production', 1, 1, { droppedShare: 0.134, level: 2, lost: { recorded: 100, dropped: 13, refused: 512, forgotten: 7 } })]))
  t.match(text, /13\.4 %/)
  t.match(text, 'reads, production: the service reduced its telemetry to level 2, so that less was measured than it seems, 512 spans were refused')
  t.match(text, '7.00 traces were forgotten')
})

t.test('metrics are summed over the series that match', async t => {
  const service = [
    '# TYPE otel_sdk_span_started_total counter',
    'otel_sdk_span_started_total{otel_span_sampling_result="RECORD_AND_SAMPLE",otel_span_parent_origin="none"} 10',
    'otel_sdk_span_started_total{otel_span_sampling_result="RECORD_AND_SAMPLE",otel_span_parent_origin="local"} 40',
    'otel_sdk_span_started_total{otel_span_sampling_result="DROP",otel_span_parent_origin="none"} 7',
    'otel_sdk_processor_span_processed_total{otel_component_name="a"} 44',
    'otel_sdk_processor_span_processed_total{otel_component_name="a",error_type="queue_full"} 6'
  ].join('\n')
  const collector = 'otelcol_receiver_refused_spans{receiver="otlp"} 3\notelcol_processor_tail_sampling_sampling_trace_dropped_too_early 2'
  const counts = spanCounts(service, collector)
  t.same(counts, { recorded: 50, dropped: 6, refused: 3, forgotten: 2 })
  t.same(difference({ recorded: 20, dropped: 1, refused: 3, forgotten: 0 }, counts), { recorded: 30, dropped: 5, refused: 0, forgotten: 2 })
  t.equal(sumOf('a_b 1\na_b_c 2', 'a_b'), 1, 'a longer name is another metric')
  t.equal(sumOf('', 'a_b'), 0)
})

t.test('a load is cut into windows', async t => {
  const result = { answeredAt: Float64Array.of(1, 2, 3, 4), latencies: Float64Array.of(9, 8, 7, 6), failures: [{ at: 2, what: 'a' }, { at: 4, what: 'b' }] }
  const { latencies, failures } = between(result, 2, 4)
  t.same([...latencies], [7, 8])
  t.same(failures, [{ at: 2, what: 'a' }])
})

t.test('with a rate, turns come when they are due, and wait when nobody takes them', async t => {
  let now = 0
  const turns = createTurns(100, () => now)
  t.teardown(() => { turns.end() })
  const first = turns.next()
  now = 10
  t.equal(await first, 10)
  now = 50
  await new Promise((resolve) => setTimeout(resolve, 20))
  now = 70
  t.same([await turns.next(), await turns.next()], [50, 50], 'those that were due then count from then')
  turns.end()
  t.equal(await turns.next(), undefined)
})

t.test('without a rate, it is always everyone\'s turn', async t => {
  const turns = createTurns(0, () => 5)
  t.equal(await turns.next(), 5)
  turns.end()
  t.equal(await turns.next(), undefined)
})

t.test('values have the size that was asked for', async t => {
  for (const bytes of [50, 200, 5000]) t.ok(Math.abs(JSON.stringify(valuesOf(bytes)).length - bytes) < 30, `${bytes} bytes`)
})

t.test('parts of a profile belong to somebody', async t => {
  for (const [part, group] of [
    ['@opentelemetry/sdk-trace', 'telemetry'],
    ['@grpc/grpc-js', 'telemetry'],
    ['build/bench/src/telemetry/span.js', 'telemetry'],
    ['build/bench/src/configurations/telemetry.js', 'telemetry'],
    ['build/bench/src/configurations/service.js', 'service'],
    ['winston', 'log'],
    ['fastify', 'http'],
    ['node:_http_server', 'http'],
    ['pg-protocol', 'pg'],
    ['(garbage collector)', 'garbage collector'],
    ['(program)', 'other']
  ] as const) t.equal(groupOf(part), group, part)
})

t.test('processor time is shared out by samples, idle ones left out', async t => {
  const node = (id: number, functionName: string, url: string): Profile['nodes'][number] => ({ id, callFrame: { functionName, url, lineNumber: 0 } })
  const profile: Profile = {
    nodes: [node(1, 'end', 'file:///repo/node_modules/@opentelemetry/sdk-trace/index.js'), node(2, 'query', 'file:///repo/node_modules/pg/index.js'), node(3, '(idle)', '')],
    samples: [1, 2, 3, 1],
    timeDeltas: [0, 3000, 1000, 5000],
    startTime: 0
  }
  const text = attributionText([{ mode: 'production', profile, from: 0, until: 1000, cpuUs: 400 }], '/repo')
  t.match(text, /^telemetry +300$/m)
  t.match(text, /^pg +100$/m)
  t.match(text, /^all +400$/m)
  t.match(text, /^@opentelemetry\/sdk-trace +300$/m)
})
