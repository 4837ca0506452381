import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../support/collector.js'
import { startService } from '../support/service.js'

// What goes wrong around telemetry, with the real start line: requests notice nothing, and figures stay true.

/** Writes to a raw connection and leaves, without waiting for an answer. */
async function writeAndLeave (url: string, text: string, afterMs: number): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write(text)
  await sleep(afterMs)
  socket.resetAndDestroy()
}

t.test('lines that nobody reads, or that the disk does not take, cost no request', async (t) => {
  const service = await startService(t, { env: { OTEL_LOGS_EXPORTER: 'none', OTEL_TRACES_EXPORTER: 'none' } })
  service.child.stdout?.destroy()
  for (let n = 0; n < 50; n++) t.equal((await service.call('GET', '/applications/nobody')).status, 404)
  t.equal((await service.call('POST', '/applications', { name: 'a' })).status, 201)
  t.equal(await service.stop(), 0)
})

t.test('requests whose client goes away are counted as such, and not for ever', async (t) => {
  const service = await startService(t, { env: { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: '29481' } })
  const page = async (): Promise<string> => await (await fetch(`${service.url}/metrics`)).text()
  const active = async (method: string): Promise<number> => Number(new RegExp(`^http_server_active_requests\\{http_request_method="${method}".*\\} (\\d+)$`, 'm').exec(await page())?.[1] ?? -1)
  const post = (length: number, body: string): string => `POST /api/v1/applications HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`
  await Promise.all([
    ...Array.from({ length: 10 }, async () => { await writeAndLeave(service.url, post(100, '{"name":'), 50) }),
    ...Array.from({ length: 10 }, async (_, n) => { await writeAndLeave(service.url, post(13, `{"name":"a${n}"}`), 0) }),
    writeAndLeave(service.url, 'GET /api/v1/applications HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(20) + 'rubbish\r\n\r\n', 50)
  ])
  await eventually(async () => await active('POST') === 0, 'POST back to nobody')
  t.equal(await active('GET'), 1, 'only the one that asks')
  t.match(await page(), /^http_server_request_duration_count\{http_request_method="POST".*http_response_status_code="499".*\} \d+$/m)
  t.notMatch(await page(), /^http_server_request_duration_count\{http_request_method="POST".*http_response_status_code="200"/m, 'none of them was answered with 200')
})

t.test('the metrics of another process are not relayed as those of this one', async (t) => {
  const stranger = createServer((_request, response) => { response.end('target_info{service_instance_id="somebody"} 1\n') })
  stranger.listen(29482, '127.0.0.1')
  await once(stranger, 'listening')
  t.teardown(() => { stranger.close() })
  const service = await startService(t, { env: { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: '29482' } })
  const answer = await fetch(`${service.url}/metrics`)
  t.equal(answer.status, 404)
  t.match(await answer.json(), { detail: /another process.*OTEL_EXPORTER_PROMETHEUS_PORT/ })
})

t.test('SIGTERM is over within its limit although the sidecar takes everything and answers nothing', async (t) => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => { silent.closeAllConnections(); silent.close() })
  const { port } = silent.address() as { port: number }
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, SHUTDOWN_TIMEOUT_MS: '1000' } })
  await service.call('POST', '/applications', { name: 'a' })
  t.equal(await service.stop(), 0, 'an orderly stop is one')
  t.same(service.lines.filter(({ level }) => level === 'error'), [])
})

t.test('requests ahead of rubbish on one connection are answered, although all came in one packet', async (t) => {
  const service = await startService(t, { env: { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' } })
  const { hostname, port } = new URL(service.url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.on('data', (data) => { received += String(data) })
  socket.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(3) + 'rubbish\r\n\r\n')
  await once(socket, 'close')
  t.same(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400'])
  t.match(service.lines.at(-1), { 'event.name': 'request.refused', 'http.response.status_code': 400 }, 'and the rubbish is told of')
})
