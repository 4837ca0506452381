import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { collectorFolder, eventually, noCollector, startCollector, type SpanToSend } from '../support/collector.js'

const request = (route: string): SpanToSend => ({ name: `GET ${route}`, kind: 2, durationMs: 3, attributes: { 'http.route': route, 'http.request.method': 'GET', 'http.response.status_code': 200, 'user.id': 'somebody' } })

t.test('figures before sampling count every request; those after it carry exemplars whose traces were kept', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { SAMPLING_PERCENTAGE: '10', SPAN_METRICS_FLUSH_INTERVAL: '2s' } })
  const route = '/api/v1/configurations/:id'
  for (let i = 0; i < 5; i++) await collector.send(Array.from({ length: 100 }, () => request(route)))
  await collector.send(Array.from({ length: 50 }, () => ({ ...request('/api/v1/watch'), durationMs: 60_000 })))

  const page = async (): Promise<string> => await (await fetch(collector.spanMetricsUrl, { headers: { accept: 'application/openmetrics-text; version=1.0.0' } })).text()
  const value = (text: string, name: string): number => text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(`http_route="${route}"`))
    .reduce((sum, line) => sum + Number(/} ([0-9.]+)/.exec(line)?.[1]), 0)
  const withExemplar = new Set<string>()
  const text = await eventually(async () => {
    const text = await page()
    for (const line of text.split('\n')) if (line.includes('# {')) withExemplar.add(line)
    return text.includes('# {trace_id=') && value(text, 'traces_span_metrics_calls_total') >= 500 && text
  }, 'all calls, and exemplars')

  t.equal(value(text, 'traces_span_metrics_calls_total'), 500)
  t.equal(value(text, 'traces_span_metrics_duration_seconds_count'), 500)
  t.ok(Math.abs(value(text, 'traces_span_metrics_duration_seconds_sum') - 1.5) < 1e-6, 'seconds')
  t.match(text, /traces_span_metrics_calls_total{[^}]*http_request_method="GET",http_response_status_code="200"/)
  t.notMatch(text, /user_id|collector_instance_id/)
  t.notMatch(text, /watch/, 'streams are in neither')

  const kept = await eventually(() => {
    const spans = collector.spans()
    return spans.length >= value(text, 'traces_kept_span_metrics_calls_total') && spans
  }, 'kept spans')
  t.ok(kept.length > 0 && kept.length < 150, `${kept.length} kept`)
  t.ok([...withExemplar].every((line) => line.startsWith('traces_kept_span_metrics_')))
  t.ok([...withExemplar].some((line) => line.startsWith('traces_kept_span_metrics_duration_seconds_bucket')))
  const ids = new Set(kept.map(({ traceId }) => traceId))
  for (const line of withExemplar) t.ok(ids.has(/trace_id="([0-9a-f]{32})"/.exec(line)?.[1] ?? ''), 'an exemplar resolves')
})

t.test('their names and labels are those of the README', { skip: noCollector }, async (t) => {
  const readme = readFileSync(path.join(collectorFolder, 'README.md'), 'utf8')
  const [, names = '', labels = ''] = /Of either there are (.*?), with the labels (.*?)\. /.exec(readme) ?? []
  const collector = await startCollector(t)
  const dimensions = ['http.route', 'http.request.method', 'http.response.status_code', 'operation.type', 'db.operation', 'db.table', 'error.type', 'user.id']
  await collector.send([{ name: 'x', kind: 2, status: { code: 2 }, attributes: Object.fromEntries(dimensions.map((name) => [name, 'any'])) }])
  const page = await eventually(async () => {
    const text = await (await fetch(collector.spanMetricsUrl)).text()
    return text.includes('traces_kept_span_metrics_calls_total{') && text
  }, 'metrics')
  const series = page.split('\n').filter((line) => line.includes('{'))
  const ofEither = [...names.matchAll(/`…(\w+)`/g)].flatMap(([, name = '']) => [`traces_span_metrics${name}`, `traces_kept_span_metrics${name}`])
  t.strictSame([...new Set(series.map((line) => line.slice(0, line.indexOf('{'))))].sort(), ofEither.sort())
  const call = series.find((line) => line.startsWith('traces_span_metrics_calls_total')) ?? ''
  t.strictSame([...call.matchAll(/(\w+)="/g)].map(([, label]) => label).sort(), [...labels.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label).sort())
  for (const [, value = ''] of labels.matchAll(/`([A-Z_]+)`/g)) t.match(call, `"${value}"`)
})

t.test('more series than the limit become one that says so', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { SPAN_METRICS_SERIES: '10' } })
  await collector.send(Array.from({ length: 200 }, (_, i) => ({ name: `rubbish ${i}` })))
  const text = await eventually(async () => {
    const text = await (await fetch(collector.spanMetricsUrl)).text()
    return text.includes('otel_metric_overflow="true"') && text
  }, 'the overflow')
  t.ok(text.split('\n').filter((line) => line.startsWith('traces_span_metrics_calls_total')).length <= 11)
})
