import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { temporaryFolder } from '../launcher/support.js'
import { collectorFolder, eventually, newSpanId, newTraceId, noCollector, startCollector, validate, type SpanToSend } from '../support/collector.js'

const destinations = readdirSync(path.join(collectorFolder, 'destinations')).map((name) => path.basename(name, '.yaml')).sort()
const marked = (count: number): SpanToSend[] => Array.from({ length: count }, () => ({ name: 'marked', spanId: newSpanId(), traceId: newTraceId() }))
const idsOf = (spans: Array<{ spanId?: string }>): Array<string | undefined> => spans.map(({ spanId }) => spanId).sort()

t.test('the sidecar without a destination, with each one and with all of them is valid', { skip: noCollector }, async (t) => {
  t.strictSame(destinations, ['debug', 'file', 'honeycomb', 'jaeger', 'loki', 'prometheus', 'tempo'])
  for (const chosen of [[], ...destinations.map((name) => [name]), destinations, destinations.toReversed()]) t.strictSame(validate(chosen), { status: 0, stderr: '' }, chosen.join(' '))
  const headers = '{x-scope-orgid: team, authorization: Basic abc}'
  t.equal(validate(destinations, { TEMPO_HEADERS: headers, JAEGER_HEADERS: headers, LOKI_HEADERS: headers, PROMETHEUS_REMOTE_WRITE_HEADERS: headers, TEMPO_INSECURE: 'false' }).stderr, '')
  t.match(validate([], { COLLECTOR_MEMORY_LIMIT_MIB: 'much' }), { status: 1, stderr: /limit_mib/ })
})

t.test('the sidecar runs and is healthy without a destination', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { destinations: [] })
  t.equal(await collector.send(marked(10)), 200)
  t.equal(await collector.sendLogs([{ body: 'a line' }]), 200)
  await collector.stop()
  t.equal(collector.said(), '')
})

t.test('destinations that are not there, their queues full, hold up neither the others nor the service', { skip: noCollector }, async (t) => {
  const nowhere = 'http://127.0.0.1:1'
  const collector = await startCollector(t, {
    destinations,
    env: { TEMPO_ENDPOINT: '127.0.0.1:1', JAEGER_ENDPOINT: '127.0.0.1:1', LOKI_ENDPOINT: nowhere, HONEYCOMB_ENDPOINT: nowhere, PROMETHEUS_REMOTE_WRITE_ENDPOINT: nowhere, PROMETHEUS_REMOTE_WRITE_TIMEOUT: '200ms', COLLECTOR_QUEUE_ITEMS: '50', COLLECTOR_BATCH_ITEMS: '10' }
  })
  const spans = marked(300)
  for (let at = 0; at < 300; at += 30) {
    t.equal(await collector.send(spans.slice(at, at + 30)), 200)
    t.equal(await collector.sendLogs(Array.from({ length: 30 }, (_, i) => ({ body: `line ${at + i}` }))), 200)
  }
  await eventually(() => collector.spans().length >= 300 && collector.logs().length >= 300, 'spans and logs')
  t.strictSame(idsOf(collector.spans()), idsOf(spans))
  t.equal(new Set(collector.logs().map(({ body }) => body)).size, 300)
  t.equal(collector.logs().length, 300)
  await eventually(async () => await collector.counter('otelcol_exporter_enqueue_failed_log_records', /loki/) > 0, 'a full queue, counted')
  t.equal((await fetch(collector.healthUrl)).status, 200)
  const begun = Date.now()
  await collector.stop()
  t.ok(Date.now() - begun < 5000, 'and it stops in order')
})

t.test('what the README asks tells which destination is away, which one refuses, and what is lost', { skip: noCollector }, async (t) => {
  const refusing = createServer((request, response) => { request.resume().on('end', () => { response.writeHead(401).end() }) }).listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  t.teardown(() => { refusing.close().closeAllConnections() })
  const collector = await startCollector(t, {
    destinations: ['tempo', 'loki', 'honeycomb', 'prometheus'],
    env: { TEMPO_ENDPOINT: '127.0.0.1:1', LOKI_ENDPOINT: 'http://127.0.0.1:1', HONEYCOMB_ENDPOINT: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`, PROMETHEUS_REMOTE_WRITE_ENDPOINT: 'http://127.0.0.1:1', PROMETHEUS_REMOTE_WRITE_TIMEOUT: '200ms', COLLECTOR_QUEUE_ITEMS: '50', COLLECTOR_BATCH_ITEMS: '10' }
  })
  const readme = readFileSync(path.join(collectorFolder, 'README.md'), 'utf8')
  const [, url, filter = ''] = /^curl -s (\S+) \| (.+)$/m.exec(readme) ?? []
  t.equal(url, 'http://127.0.0.1:8888/metrics')
  const lines = Array.from({ length: 30 }, () => ({ body: 'a line' }))
  await collector.send(marked(30))
  await collector.sendLogs(lines)
  await collector.sendLogs(lines)
  const expected = [
    /^otelcol_exporter_queue_size{.*otlp_grpc\/tempo.*} 30$/m,
    /^otelcol_exporter_queue_capacity{.*otlp_grpc\/tempo.*} 50$/m,
    /^otelcol_exporter_send_failed_spans{.*otlp_http\/honeycomb".*} 30$/m,
    /^otelcol_exporter_send_failed_metric_points{.*prometheus_remote_write.*} [1-9]/m,
    /^otelcol_exporter_enqueue_failed_log_records{.*otlp_http\/loki.*} 30$/m
  ]
  let answer = ''
  await eventually(async () => {
    answer = spawnSync('sh', ['-c', filter], { input: await (await fetch(collector.metricsUrl)).text(), encoding: 'utf8' }).stdout
    return expected.every((line) => line.test(answer))
  }, 'trouble with all of them').catch(() => { for (const line of expected) t.match(answer, line) })
  t.notMatch(answer, /_total/)

  const metrics = await (await fetch(collector.metricsUrl)).text()
  // for the names that stand for all three signals
  const generic = (text: string): string => text.replace(/_(log_records|metric_points)\b/g, '_spans')
  const known = new Set([...generic(metrics).matchAll(/^(otelcol_\w+)[{ ]/gm)].map(([, name]) => name))
  t.strictSame([...new Set([...generic(readme).matchAll(/`(otelcol_\w+)`/g)].map(([, name]) => name))].filter((name) => !known.has(name)), [], 'no other names')
})

t.test('what a destination missed while it was down arrives when it is back, once, though the sidecar was killed meanwhile', { skip: noCollector }, async (t) => {
  const destination = await startCollector(t)
  const sidecar = await startCollector(t, { destinations: ['jaeger', 'loki', 'file'], env: { JAEGER_ENDPOINT: destination.grpc, LOKI_ENDPOINT: destination.http } })
  const spans = marked(60)
  const send = async (at: number): Promise<void> => {
    await sidecar.send(spans.slice(at, at + 20))
    await sidecar.sendLogs(Array.from({ length: 20 }, (_, i) => ({ body: `line ${at + i}` })))
    // decided, and thus in the queues
    await eventually(() => sidecar.spans().length === at + 20 && sidecar.logs().length === at + 20, 'spans and logs in the file')
  }
  await send(0)
  await eventually(() => destination.spans().length === 20 && destination.logs().length === 20, 'the first at the destination')
  await destination.kill()
  await send(20)
  await sleep(300)
  await sidecar.kill()
  await sidecar.restart()
  await send(40)
  await destination.restart()
  await eventually(() => destination.spans().length >= 60 && destination.logs().length >= 60, 'the rest at the destination')
  await sidecar.stop()
  await destination.stop()
  t.strictSame(idsOf(destination.spans()), idsOf(spans))
  t.strictSame(destination.logs().map(({ body }) => body).sort(), Array.from({ length: 60 }, (_, i) => `line ${i}`).sort())
})

t.test('what waits in the queues outlives an orderly stop as well', { skip: noCollector }, async (t) => {
  const destination = await startCollector(t)
  const sidecar = await startCollector(t, { destinations: ['tempo'], env: { TEMPO_ENDPOINT: '127.0.0.1:1' } })
  const spans = marked(50)
  await sidecar.send(spans)
  await sidecar.stop()
  await sidecar.restart({ TEMPO_ENDPOINT: destination.grpc })
  await eventually(() => destination.spans().length >= 50, 'spans')
  await sidecar.stop()
  await destination.stop()
  t.strictSame(idsOf(destination.spans()), idsOf(spans))
})

t.test('rubbish is refused, and what is valid goes on', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  const post = async (body: string | Uint8Array<ArrayBuffer>, type: string): Promise<number> => (await fetch(`${collector.http}/v1/traces`, { method: 'POST', headers: { 'content-type': type }, body })).status
  t.equal(await post('{"resourceSpans": [{', 'application/json'), 400)
  t.equal(await post(new Uint8Array([255, 1, 2, 3]), 'application/x-protobuf'), 400)
  t.equal(await post('x', 'text/plain'), 415)
  const odd: SpanToSend[] = [
    { name: '', attributes: { '': '', 'url.scheme': 7, 'server.address': true, 'url.path': ['a'], 'http.request.method': { a: 1 }, 'http.response.status_code': 'many' } },
    { name: 'long', attributes: { text: 'x='.repeat(100_000) }, durationMs: -5 },
    { name: 'no trace', traceId: '00000000000000000000000000000000' }
  ]
  t.equal(await collector.send(odd), 200)
  t.equal(await collector.send(marked(5)), 200)
  await collector.stop()
  t.equal(collector.spans().filter(({ name }) => name === 'marked').length, 5)
  t.equal(collector.spans().find(({ name }) => name === 'long')?.attributes.text, 'x='.repeat(100_000))
})

t.test('two sidecars with one storage folder: the second says so instead of mixing them up', { skip: noCollector }, async (t) => {
  const folder = temporaryFolder(t)
  await startCollector(t, { destinations: ['jaeger'], env: { COLLECTOR_STORAGE_DIR: folder, JAEGER_ENDPOINT: '127.0.0.1:1' } })
  await t.rejects(startCollector(t, { destinations: ['jaeger'], env: { COLLECTOR_STORAGE_DIR: folder, JAEGER_ENDPOINT: '127.0.0.1:1' } }), /timeout/)
})

t.test('metrics are taken by OTLP as well, and masked', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { K8S_POD_NAME: 'config-service-0' } })
  const point = { asInt: '3', timeUnixNano: String(BigInt(Date.now()) * 1_000_000n), attributes: [{ key: 'target', value: { stringValue: 'postgres://u:hidden@db/x' } }] }
  const answer = await fetch(`${collector.http}/v1/metrics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceMetrics: [{ resource: { attributes: [] }, scopeMetrics: [{ metrics: [{ name: 'jobs.backlog', unit: '{job}', gauge: { dataPoints: [point] } }] }] }] })
  })
  t.equal(answer.status, 200)
  await collector.stop()
  t.match(collector.metrics(), [{ name: 'jobs.backlog', unit: '{job}', attributes: { target: 'postgres:****db/x' }, resource: { 'deployment.environment': 'development', 'k8s.pod.name': 'config-service-0' } }])
})
