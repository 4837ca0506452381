import fc from 'fast-check'
import t from 'tap'
import { eventually, newSpanId, newTraceId, noCollector, startCollector, type Attributes } from '../support/collector.js'

/** Older name ← canonical name. */
const copies: Array<[string, string]> = [
  ['http.method', 'http.request.method'],
  ['http.status_code', 'http.response.status_code'],
  ['http.user_agent', 'user_agent.original'],
  ['db.system', 'db.system.name'],
  ['db.collection', 'db.table'],
  ['document.id', 'resource.id'],
  ['config.operation_type', 'operation.type']
]
// without what the redaction looks for
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((value) => value.replace(/[=:@]/g, ''))
const path = fc.array(fc.stringMatching(/^[a-z0-9.~-]{1,8}$/), { maxLength: 4 }).map((parts) => '/' + parts.join('/'))
const attributes: fc.Arbitrary<Attributes> = fc.tuple(
  fc.record({
    'http.request.method': fc.constantFrom('GET', 'PATCH', '_OTHER'),
    'http.response.status_code': fc.integer({ min: 100, max: 599 }),
    'user_agent.original': text,
    'url.full': fc.webUrl(),
    'url.scheme': fc.constantFrom('http', 'https'),
    'server.address': fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
    'server.port': fc.integer({ min: 1, max: 65535 }),
    'url.path': path,
    'url.query': fc.constantFrom('', 'limit=3', 'a=1&b=%20'),
    'db.system.name': fc.constantFrom('postgresql', 'memory'),
    'operation.type': fc.constantFrom('create', 'read'),
    'db.operation': fc.constantFrom('insert', 'select'),
    'db.table': text,
    'resource.id': fc.oneof(fc.uuid(), text),
    'query.limit': fc.nat(),
    'query.result_count': fc.nat()
  }, { requiredKeys: [] }),
  fc.dictionary(fc.stringMatching(/^own\.[a-z]{1,6}$/), fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text)), { maxKeys: 3 })
).map(([canonical, own]) => ({ ...canonical, ...own }))

/** The URL that a span's attributes describe, if they do. */
function urlOf (span: Attributes): unknown {
  if (span['url.full'] !== undefined) return span['url.full']
  const { 'url.scheme': scheme, 'server.address': address, 'server.port': port, 'url.path': path, 'url.query': query } = span
  if (scheme === undefined || address === undefined || path === undefined) return undefined
  const host = String(address).includes(':') ? `[${String(address)}]` : String(address)
  return `${String(scheme)}://${host}${port === undefined ? '' : `:${Number(port)}`}${String(path)}${query === undefined || query === '' ? '' : `?${String(query)}`}`
}

t.test('whatever a span has, the older names stand beside the canonical ones with the same values', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ attributes, durationMs: fc.nat(2000) }), { minLength: 100, maxLength: 200 }), async (spans) => {
    const sent = spans.map((span) => ({ ...span, name: 'any', traceId: newTraceId(), spanId: newSpanId() }))
    t.equal(await collector.send(sent), 200)
    const received = await eventually(() => {
      const all = new Map(collector.spans().map((span) => [span.spanId, span]))
      return sent.every(({ spanId }) => all.has(spanId)) && all
    }, 'all spans')
    for (const span of sent) {
      const got = received.get(span.spanId)?.attributes ?? {}
      const expected: Attributes = { ...span.attributes }
      for (const [older, canonical] of copies) if (canonical in expected) expected[older] = expected[canonical]
      const url = urlOf(span.attributes)
      if (url !== undefined) expected['http.url'] = url
      if ('db.operation' in expected || 'db.system.name' in expected) expected['db.query_duration'] = span.durationMs / 1000
      t.strictSame(got, expected)
    }
  }), { numRuns: 3, endOnFailure: true })
})

t.test('a failed span carries error, error.message and error.stack_trace', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t)
  await collector.send([
    { name: 'failed', status: { code: 2, message: 'no such table' }, events: [{ name: 'cache.missed', attributes: { 'exception.message': 'not this one' } }, { name: 'exception', attributes: { 'exception.type': 'DatabaseError', 'exception.message': 'no such table', 'exception.stacktrace': 'DatabaseError: no such table\n    at query (a.js:1:2)' } }] },
    { name: 'ancestor', status: { code: 2 }, attributes: { 'error.type': 'database' } },
    { name: 'fine', status: { code: 1 } },
    { name: 'unset' }
  ])
  await collector.stop()
  const of = (name: string): Attributes | undefined => collector.spans().find((span) => span.name === name)?.attributes
  t.strictSame(of('failed'), { error: true, 'error.message': 'no such table', 'error.stack_trace': 'DatabaseError: no such table\n    at query (a.js:1:2)' })
  t.strictSame(of('ancestor'), { error: true, 'error.type': 'database' })
  t.strictSame(of('fine'), {})
  t.strictSame(of('unset'), {})
})

t.test('the resource says where: environment under both names, and the pod', { skip: noCollector }, async (t) => {
  const collector = await startCollector(t, { env: { OTEL_ENVIRONMENT: 'staging', K8S_POD_NAME: 'config-service-0', K8S_NODE_NAME: '' } })
  await collector.send([{ name: 'quiet' }])
  await collector.send([{ name: 'telling' }], { 'deployment.environment.name': 'production', 'k8s.pod.name': 'own' })
  await collector.sendLogs([{ body: 'a line' }])
  await collector.stop()
  const place = { 'deployment.environment.name': 'staging', 'deployment.environment': 'staging', 'k8s.pod.name': 'config-service-0' }
  const of = (name: string): Attributes | undefined => collector.spans().find((span) => span.name === name)?.resource
  t.strictSame(of('quiet'), { 'service.name': 'config-service', ...place })
  t.strictSame(of('telling'), { 'service.name': 'config-service', 'deployment.environment.name': 'production', 'deployment.environment': 'production', 'k8s.pod.name': 'own' })
  t.strictSame(collector.logs()[0]?.resource, { 'service.name': 'config-service', ...place })
})
