import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { eventually, newSpanId, newTraceId, noCollector, startCollector, type Attributes, type Collector, type LogToSend, type SpanToSend } from '../support/collector.js'

/** What a secret looks like in a text. */
const texts: Array<(secret: string) => string> = [
  (secret) => `limit=3&token=${secret}&page=2`,
  (secret) => `api_key=${secret}`,
  (secret) => `connect with PASSWORD=${secret}, then go on`,
  (secret) => `client_secret='${secret} ${secret}'`,
  (secret) => `Authorization: Basic ${secret}`,
  (secret) => `sent "bearer ${secret}" twice`,
  (secret) => `postgres://config:${secret}@db.internal:5432/config`,
  (secret) => `redis://:${secret}@cache`,
  (secret) => `token cfg_4f2a_${secret} is unknown`,
  (secret) => `whsec_${secret}`,
  (secret) => `eyJhbGciOiJub25lIn0.${secret}.${secret}`,
  (secret) => JSON.stringify({ a: 1, dbPassword: secret, b: [2] }),
  (secret) => JSON.stringify({ body: JSON.stringify({ token: `${secret}"${secret}` }) }),
  (secret) => `{ password: '${secret}' }`,
  // within a parameter of a URL
  (secret) => `label=password%3D${secret}&page=2`,
  (secret) => `label=a%3D1%26PASSWORD%3d${secret}%2F%25${secret}%26page%3D2`,
  (secret) => `q=token%3A${secret}`,
  (secret) => `url=${encodeURIComponent(encodeURIComponent(`/x?a=1&token=${secret}&b=2`))}`,
  (secret) => `filter=${encodeURIComponent(JSON.stringify({ a: 1, password: `"${secret} ${secret}` }))}`,
  (secret) => `filter=${encodeURI(JSON.stringify({ a: 1, password: secret }))}`,
  (secret) => `filter=${encodeURIComponent(`{'secret': '${secret}'}`)}`,
  (secret) => `label%3Dpassword%3D${secret}`,
  (secret) => `password%3D${secret}`,
  (secret) => `token=${secret}%26${secret}`,
  (secret) => `url=${encodeURIComponent(`postgres://config:${secret}@db.internal:5432/config`)}`,
  (secret) => `header=bearer%20${secret}`,
  // pwd and auth as whole words
  (secret) => `pwd=${secret}`,
  (secret) => `DB_PWD=${secret}`,
  (secret) => `label=a%3D1%26auth%3D${secret}`,
  (secret) => JSON.stringify({ pwd: secret, auth: secret }),
  (secret) => `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`
]
const keys = ['password', 'db.password', 'accessToken', 'http.request.header.authorization', 'http.request.header.cookie', 'http.response.header.set-cookie', 'x-api-key', 'webhook.secret', 'credentials', 'db.pwd', 'auth']

/** Where a text may be in a span or in the lines beside it. */
const places: Array<(text: string) => SpanToSend> = [
  (text) => ({ name: `GET ${text}` }),
  (text) => ({ name: 'x', status: { code: 2, message: text } }),
  ...['note', 'url.query', 'url.full', 'url.path', 'http.url', 'db.query.text', 'user_agent.original', 'resource.id', 'client.address'].map((key) => (text: string) => ({ name: 'x', attributes: { [key]: text } })),
  (text) => ({ name: 'x', attributes: { 'url.scheme': 'http', 'server.address': 'h', 'url.path': '/', 'url.query': text } }),
  (text) => ({ name: 'x', attributes: { list: ['a', text] } }),
  (text) => ({ name: 'x', attributes: { map: { deep: { text } } } }),
  (text) => ({ name: 'x', status: { code: 2 }, events: [{ name: 'exception', attributes: { 'exception.message': text, 'exception.stacktrace': `Error: ${text}\n    at a (b.js:1:2)` } }] })
]

/** Everything that has left the Collector. */
async function everything (collector: Collector): Promise<string> {
  const files = readdirSync(collector.output).map((name) => readFileSync(path.join(collector.output, name), 'utf8'))
  return [...files, collector.said()].join('\n')
}

t.test('a secret is in nothing that leaves, wherever it was', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { destinations: ['file', 'debug'], env: { COLLECTOR_DEBUG_VERBOSITY: 'detailed', COLLECTOR_LOG_LEVEL: 'info' } })
  const secret = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{8,30}[0-9]$/)
  await fc.assert(fc.asyncProperty(secret, async (secret) => {
    const spans: SpanToSend[] = texts.flatMap((text) => places.map((place) => place(text(secret))))
      .concat(keys.flatMap((key) => [
        { name: 'x', attributes: { [key]: secret } },
        { name: 'x', attributes: { [key]: [secret] } },
        { name: 'x', events: [{ name: 'e', attributes: { [key]: secret } }] }
      ]))
      .map((span) => ({ ...span, spanId: newSpanId(), traceId: newTraceId() }))
    t.equal(await collector.send(spans, { 'process.command': `run --password=${secret}`, 'api.token': secret }), 200)
    const logs: LogToSend[] = [
      ...texts.flatMap((text) => [
        { body: text(secret) },
        { body: { message: text(secret), deep: { list: [text(secret)] } } },
        { body: 'a line', attributes: { error: text(secret), nested: { text: text(secret) } } }
      ]),
      ...keys.flatMap((key) => [{ body: { [key]: secret } }, { body: { deep: { [key]: secret } } }, { body: 'a line', attributes: { [key]: secret } }])
    ]
    t.equal(await collector.sendLogs(logs), 200)
    await eventually(() => {
      const arrived = new Set(collector.spans().map(({ spanId }) => spanId))
      return spans.every(({ spanId }) => arrived.has(spanId ?? ''))
    }, 'all spans')
    const metrics = await eventually(async () => {
      const text = await (await fetch(collector.spanMetricsUrl)).text()
      return text.includes('traces_kept_span_metrics') && text
    }, 'metrics')
    const all = await everything(collector) + metrics
    const at = all.indexOf(secret)
    t.equal(at === -1 ? '' : all.slice(Math.max(0, at - 100), at + 60), '', 'no secret')
  }), { numRuns: 2, endOnFailure: true })
})

t.test('only the secret part of a text goes', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  const before: Attributes = {
    'url.query': 'limit=3&token=abc&page=2',
    'db.target': 'postgres://config:hunter2@db.internal:5432/config',
    one: 'label=password%3DX&page=2',
    two: 'label=a%3D1%26password%3dX%2FY%20%25%26page%3D2&page=2',
    three: 'filter=%7B%22token%22%3A%22X%22%7D&page=2',
    four: 'next=https%3A%2F%2Fanna%3Ahunter2%40db%3A5432%2Fx',
    five: 'limit=3&auth=X&page=2',
    message: 'token cfg_4f2a_Zk9-x_1 of somebody has expired'
  }
  await collector.send([{ name: 'x', attributes: before }])
  await collector.stop()
  t.strictSame(collector.spans()[0]?.attributes, {
    'url.query': 'limit=3&****&page=2',
    'db.target': 'postgres:****db.internal:5432/config',
    one: 'label=****&page=2',
    two: 'label=a%3D1%26****%26page%3D2&page=2',
    three: 'filter=%7B%22****&page=2',
    four: 'next=https%3A****db%3A5432%2Fx',
    five: 'limit=3&****&page=2',
    message: 'token **** of somebody has expired'
  })
})

t.test('what a caller has written into the trace state does not leave, whatever it is', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  await collector.send(['vendor=cfg_4f2a_Zk9-x_1,other=anna', 'vendor=1', ''].map((traceState) => ({ name: 'x', traceState })))
  await collector.stop()
  t.strictSame(collector.spans().map(({ traceState }) => traceState), ['', '', ''])
  t.notMatch(await everything(collector), /vendor|traceState/)
})

t.test('what is no secret stays as it is', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  const plain: Attributes = {
    'resource.name': 'billing:prod',
    'resource.id': '0198a3c2-7c1e-7b3a-9f55-0a8b6c1d2e3f',
    'user.id': 'anna@example.com',
    'url.query': 'limit=3&name=node&cursor=eyJhIjoxfQ',
    'url.path': '/api/v1/configurations/tokens:a@b',
    'url.full': 'http://127.0.0.1:8000/api/v1/configurations/a@b?x=1',
    'db.query.text': 'SELECT id FROM tokens WHERE token_hash = $1 AND secret IS NOT NULL',
    'exception.message': 'the bearer token is missing; a password must be a string: see /docs',
    'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    search: 'author=anna&q=author%3Danna%26tokens%3A3%26a%3Db&fraction=50%25',
    next: 'https%3A%2F%2Fexample.com%3A8443%2Fapi%2Fa%40b%3Fx%3D1',
    'code.author': 'anna',
    traceparent: '00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01',
    etag: '"v12"',
    time: '2026-01-02T03:04:05.678Z',
    command: 'node --require ./dist/telemetry/preload.js dist/main.js',
    'keyboard.layout': 'de',
    tokens_used: 512,
    'gen_ai.usage.input_tokens': 7,
    'values.changed': ['db.host', 'db.port'],
    nested: { key: 'value', count: 3, on: true },
    'config.change': true,
    share: 0.25
  }
  const traceId = newTraceId()
  const spanId = newSpanId()
  await collector.send([{ name: 'configuration.update', traceId, spanId, parentSpanId: newSpanId(), attributes: plain, events: [{ name: 'configuration.changed', attributes: plain }], status: { code: 1 } }])
  await collector.sendLogs([{ body: 'configuration billing:prod changed: 2 keys', attributes: plain }, { body: plain }])
  await collector.stop()
  const span = collector.spans()[0]
  t.match(span, { name: 'configuration.update', traceId, spanId, status: { code: 1 } })
  const { 'http.url': url, 'http.user_agent': agent, 'document.id': document, ...attributes } = span?.attributes ?? {}
  t.strictSame(attributes, plain)
  t.strictSame({ url, agent, document }, { url: plain['url.full'], agent: plain['user_agent.original'], document: plain['resource.id'] })
  t.strictSame(span?.events, [{ name: 'configuration.changed', attributes: plain }])
  t.strictSame(collector.logs().map(({ body, attributes }) => ({ body, attributes })), [{ body: 'configuration billing:prod changed: 2 keys', attributes: plain }, { body: plain, attributes: {} }])
})
