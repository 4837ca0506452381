import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { automaticMetrics, automaticSpans, attributes as attributeTable, metrics, spans as spanTable, type SpanName } from '../../src/telemetry/registry.js'
import { eventually, noCollector, startCollector, type Collector, type Log, type Span } from '../support/collector.js'
import { startService, type ServiceAnswer, type TestService } from '../support/service.js'
import { buildWall } from '../support/wall.js'
import { cloneDatabase } from '../support/database.js'

// Traces, lines and metrics as they come out at the other end: the real start line, a real socket, and the real
// Collector with the sidecar's configuration.

const QUICK = { OTEL_BSP_SCHEDULE_DELAY: '200', OTEL_BLRP_SCHEDULE_DELAY: '200' }

async function startBoth (t: Test, options: { env?: Record<string, string>, collector?: Record<string, string>, databaseUrl?: string } = {}): Promise<{ service: TestService, collector: Collector }> {
  const collector = await startCollector(t, { env: { SAMPLING_DECISION_WAIT: '2s', CONNECT_NOISE_MS: '60000', ...options.collector } })
  const { databaseUrl } = options
  const service = await startService(t, { env: { ...QUICK, OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.grpc}`, ...options.env }, ...(databaseUrl === undefined ? {} : { databaseUrl }) })
  return { service, collector }
}

/** `name{child{…}, child}` of a trace, in order of start: its shape in one line. */
function shape (spans: Span[], parent = ''): string {
  return spans.filter((span) => parent === '' ? !spans.some(({ spanId }) => spanId === span.parentSpanId) : span.parentSpanId === parent)
    .map((span) => {
      const below = shape(spans, span.spanId)
      return below === '' ? span.name : `${span.name}{${below}}`
    }).join(', ')
}

async function traceOf (collector: Collector, { traceId }: ServiceAnswer): Promise<Span[]> {
  return await eventually(() => {
    const spans = collector.spans().filter((span) => span.traceId === traceId)
    return spans.some(({ kind }) => kind === 2) && spans
  }, `the trace ${traceId}`)
}

function named (spans: Span[], name: string): Span {
  const span = spans.find((one) => one.name === name)
  if (span === undefined) throw new Error(`no span ${name} among ${spans.map((one) => one.name).join(', ')}`)
  return span
}

async function linesOf (collector: Collector, { traceId }: ServiceAnswer): Promise<Log[]> {
  return await eventually(() => {
    const found = collector.logs().filter((line) => line.traceId === traceId)
    return found.length > 0 && found
  }, `the lines of ${traceId}`)
}

t.test('a created, a refused and a failed request, as the Collector writes them', { skip: noCollector }, async (t) => {
  const wall = await buildWall(t, await cloneDatabase(t))
  const { service, collector } = await startBoth(t, { databaseUrl: wall.url, env: { DATABASE_STATEMENT_TIMEOUT_MS: '1000' } })
  const { call } = service
  await call('POST', '/applications', { name: 'billing' })
  const created = await call('POST', '/configurations', { application: 'billing', name: 'base', values: { port: 1 }, schema: { properties: { port: { type: 'integer' } } } })
  const child = await call('POST', '/configurations', { application: 'billing', name: 'prod', extends: ['billing:base'] })
  const taken = await call('POST', '/configurations', { application: 'billing', name: 'prod' })
  const circle = await call('PATCH', '/configurations/billing:base', { extends: ['billing:prod'] })
  const invalid = await call('POST', '/configurations', { application: 'billing', name: 'bad', values: { port: 'x' }, schema: { properties: { port: { type: 'integer' } } } })
  const malformed = await call('POST', '/configurations', { nam: 1 })
  t.same([created, child, taken, circle, invalid, malformed].map(({ status }) => status), [201, 201, 409, 409, 422, 400])
  wall.cut()
  const failed = await call('POST', '/configurations', { application: 'billing', name: 'late' })
  t.equal(failed.status, 503)
  wall.mend()

  const commit = 'pg.query:commit-changes ' + new URL(wall.url).pathname.slice(1)
  const spans = await traceOf(collector, created)
  t.equal(shape(spans), `POST /api/v1/configurations{configuration.create{configuration.validate, configurations.insert{${commit}}}}`)
  const caller = { 'user.id': 'anonymous', 'user.role': 'admin' }
  t.match(named(spans, 'POST /api/v1/configurations'), {
    kind: 2,
    attributes: {
      ...caller,
      'http.route': '/api/v1/configurations',
      'http.request.method': 'POST',
      'http.response.status_code': 201,
      'http.method': 'POST',
      'http.status_code': 201,
      'http.url': `${service.url}/api/v1/configurations`,
      'http.user_agent': 'node',
      'user_agent.original': 'node'
    }
  })
  t.match(named(spans, 'configuration.create'), {
    attributes: {
      ...caller,
      'operation.type': 'create',
      'config.operation_type': 'create',
      'resource.kind': 'configuration',
      'resource.name': 'billing:base',
      'db.type': 'postgresql',
      'resource.id': created.json.id,
      'document.id': created.json.id,
      'config.configuration_id': created.json.id,
      'config.application_id': created.json.application_id,
      'config.change': true,
      'config.revision': created.json.revision,
      'config.version': 1
    },
    events: [{ name: 'configuration.changed', attributes: { 'config.revision': created.json.revision, 'resource.id': created.json.id } }]
  })
  t.match(named(spans, 'configurations.insert'), { attributes: { ...caller, 'db.operation': 'INSERT', 'db.table': 'configurations', 'db.collection': 'configurations', 'db.rows_affected': 1, 'db.type': 'postgresql', 'db.query_duration': Number } })
  t.match(named(spans, commit), { kind: 3, attributes: { 'db.system.name': 'postgresql', 'db.system': 'postgresql', 'db.query.text': 'select * from commit_changes($1)', 'db.query_duration': Number } })
  for (const span of spans) t.notOk('error' in span.attributes, `no error on ${span.name}`)

  t.equal(shape(await traceOf(collector, taken)), `POST /api/v1/configurations{configuration.create{configurations.insert{${commit}}}}`)
  t.match(shape(await traceOf(collector, circle)), /^PATCH \/api\/v1\/configurations\/:id\{configuration\.update\{configurations\.find\{pg\.query:\S+ \S+\}, configuration\.validate, configurations\.parents\{pg\.query:\S+ \S+\}, configuration\.check_cycles\{configurations\.ancestors\{pg\.query:\S+ \S+\}\}\}\}$/)
  for (const [answer, operation, innermost, type] of [
    [taken, 'configuration.create', 'configurations.insert', 'conflict'],
    [circle, 'configuration.update', 'configuration.check_cycles', 'circular_dependency'],
    [invalid, 'configuration.create', 'configuration.validate', 'validation'],
    [failed, 'configuration.create', 'configurations.insert', 'database']
  ] as const) {
    const refused = await traceOf(collector, answer)
    t.match(named(refused, operation), { status: { code: 2 }, attributes: { error: true, 'error.type': type } }, `the operation of a ${answer.status}`)
    t.match(named(refused, innermost), { status: { code: 2 }, attributes: { error: true, 'error.type': type, 'error.message': answer.json.detail, 'error.stack_trace': /Problem: / } }, `the innermost span of a ${answer.status}`)
    const server = refused.find(({ kind }) => kind === 2)
    t.match(server?.attributes, { 'http.status_code': answer.status, 'http.route': /^\/api\/v1\/configurations/ })
    t.equal(server?.status.code === 2, answer.status >= 500, 'only what is the server\'s fault is an error of the server span')

    const [line, ...more] = (await linesOf(collector, answer)).filter(({ attributes }) => attributes.status === 'error')
    t.match(line?.attributes, { 'event.name': answer.status < 500 ? 'operation.refused' : 'operation.failed', 'operation.type': String, 'db.type': 'postgresql', duration_ms: Number, 'error.type': type, 'error.message': answer.json.detail, ...caller })
    t.equal(line?.spanId, named(refused, operation).spanId)
    t.equal(more.length, 0, 'one line')
    t.equal('error.stack_trace' in (line?.attributes ?? {}), answer.status >= 500, 'a stack where it is our fault')
  }
  t.equal(shape(await traceOf(collector, malformed)), 'POST /api/v1/configurations')
  t.match(await linesOf(collector, malformed), [{ attributes: { 'event.name': 'request.refused', 'http.route': '/api/v1/configurations' } }])
})

t.test('properties 12 to 14, 17 and 20 hold for random requests, and nothing is emitted that is not in the registry', { skip: noCollector }, async (t) => {
  const { service, collector } = await startBoth(t, { env: { OTEL_METRICS_EXPORTER: 'otlp', OTEL_METRIC_EXPORT_INTERVAL: '500', OTEL_METRIC_EXPORT_TIMEOUT: '400', LOG_LEVEL: 'debug' } })
  const answers: Array<ServiceAnswer & { method: string, path: string, caller: string | undefined }> = []
  const name = fc.constantFrom('a', 'b')
  const request = fc.oneof(
    name.map((one) => ['POST', '/applications', { name: one }] as const),
    fc.tuple(name, name).map(([application, one]) => ['POST', '/configurations', { application, name: one, schema: {} }] as const),
    fc.tuple(name, name).map(([application, one]) => ['GET', `/configurations/${application}:${one}`, undefined] as const),
    fc.tuple(name, name).map(([application, one]) => ['PATCH', `/configurations/${application}:${one}`, { description: 'x' }] as const),
    fc.constantFrom(['GET', '/configurations?limit=0', undefined] as const, ['GET', '/nowhere?token=secret', undefined] as const, ['POST', '/applications', { x: 1 }] as const, ['GET', '/applications', undefined] as const)
  )
  const traceparent = fc.option(fc.tuple(fc.stringMatching(/^[1-9a-f][0-9a-f]{31}$/), fc.stringMatching(/^[1-9a-f][0-9a-f]{15}$/)), { nil: undefined })
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(request, traceparent), { minLength: 5, maxLength: 15 }), async (requests) => {
    answers.push(...await Promise.all(requests.map(async ([[method, path, body], from]) => {
      const answer = await service.call(method, path, body, from === undefined ? {} : { traceparent: `00-${from[0]}-${from[1]}-01` })
      if (from !== undefined) t.equal(answer.traceId, from[0], 'U3: the caller\'s trace goes on')
      return { ...answer, method, path, caller: from?.[1] }
    })))
  }), { numRuns: 12 })
  await eventually(() => answers.every(({ traceId }) => collector.spans().some((span) => span.traceId === traceId && span.kind === 2)), 'all traces')
  await sleep(500)

  const spans = collector.spans()
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId)
  for (const { method, path, status, traceId, headers, caller } of answers) {
    const trace = byTrace.get(traceId) ?? []
    const [, , spanId] = (headers.get('traceparent') ?? '').split('-')
    const server = trace.find((span) => span.spanId === spanId)
    t.match(server, { kind: 2, durationMs: Number, attributes: { 'http.request.method': method, 'url.path': `/api/v1${path.split('?')[0] ?? ''}`, 'http.response.status_code': status } }, `13: ${method} ${path}`)
    if (path !== '/nowhere?token=secret') t.ok(server?.attributes['http.route'], `http.route of ${method} ${path} ${status}`)
    t.equal(server?.parentSpanId, caller ?? '', `12: ${method} ${path}`)
    const operations = trace.filter((span) => 'operation.type' in span.attributes)
    for (const operation of operations) t.equal(operation.parentSpanId, spanId, `14: ${operation.name}`)
    for (const span of trace) t.ok(span === server || trace.some((one) => one.spanId === span.parentSpanId), `12: ${span.name} has its parent`)
  }

  // The live check of the registry. The names that the sidecar adds are those of the table and a few of its own.
  const added = new Set<string>([...Object.values<{ compat?: string }>(attributeTable as never).map(({ compat }) => compat ?? ''), 'http.url', 'db.query_duration', 'error', 'error.message', 'error.stack_trace'])
  for (const span of spans) {
    const automatic = automaticSpans.find(({ pattern }) => pattern.test(span.name))
    const known = span.name in spanTable ? spanTable[span.name as SpanName].attributes : automatic?.attributes
    t.ok(known, `the span ${span.name} is in the registry`)
    for (const key of Object.keys(span.attributes)) t.ok(added.has(key) || (known as readonly string[] | undefined)?.includes(key), `${span.name} has ${key} in the registry`)
    for (const [key, value] of Object.entries(span.attributes)) {
      const entry = attributeTable[key as keyof typeof attributeTable] as { values?: readonly unknown[] } | undefined
      if (entry?.values !== undefined && span.name in spanTable) t.ok(entry.values.includes(value), `${key}=${String(value)} is one of its values`)
    }
  }
  t.notMatch(JSON.stringify([spans, collector.logs()]), /token=secret/, 'redacted')

  const sent = collector.metrics()
  const table: Record<string, { attributes: readonly string[] }> = { ...metrics, ...automaticMetrics }
  t.ok(sent.length > 20)
  for (const { name: metric, attributes } of sent) {
    t.ok(metric in table, `the metric ${metric} is in the registry`)
    for (const key of Object.keys(attributes)) t.ok(table[metric]?.attributes.includes(key), `${metric} has ${key} in the registry`)
  }

  // Lines: each arrives exactly once, with its trace.
  await eventually(() => collector.logs().length >= service.lines.length, 'all lines')
  await sleep(500)
  const logs = collector.logs()
  t.same(logs.map(({ attributes, body, traceId, spanId }) => [attributes.timestamp, attributes['event.name'], traceId, spanId, body].join(' ')).sort(),
    service.lines.map((line) => [line.timestamp, line['event.name'], line.trace_id ?? '', line.span_id ?? '', line.message].join(' ')).sort(), '17: every line, once, with its trace and span')
})

t.test('property 21: what is set in the environment is what arrives', { skip: noCollector }, async (t) => {
  const { service, collector } = await startBoth(t, { env: { OTEL_SERVICE_NAME: 'mine', OTEL_SERVICE_VERSION: '9.9', OTEL_ENVIRONMENT: 'staging', OTEL_RESOURCE_ATTRIBUTES: 'team=a' } })
  const answer = await service.call('GET', '/applications')
  const [span] = await traceOf(collector, answer)
  t.match(span?.resource, { 'service.name': 'mine', 'service.version': '9.9', 'deployment.environment.name': 'staging', team: 'a', 'service.instance.id': String })
  t.notOk(Object.keys(span?.resource ?? {}).some((name) => name.startsWith('process.')), 'no command line')
  t.match(await (await fetch(`${service.url}/health`)).json(), { environment: 'staging', tracing: { enabled: true, service_name: 'mine', exporter_type: 'grpc' } })
})

t.test('property 22: switched off, or in the environment testing, nothing leaves the process and everything works', { skip: noCollector }, async (t) => {
  for (const env of [{ OTEL_ENABLED: 'false' }, { OTEL_ENVIRONMENT: 'testing', OTEL_METRICS_EXPORTER: '' }]) {
    const { service, collector } = await startBoth(t, { env: env as Record<string, string> })
    t.equal((await service.call('POST', '/applications', { name: 'a' })).status, 201)
    t.equal((await service.call('GET', '/applications/b')).status, 404)
    t.match(await (await fetch(`${service.url}/health`)).json(), { status: 'healthy', tracing: { enabled: false } })
    t.equal((await fetch(`${service.url}/metrics`)).status, 404)
    t.equal(await service.stop(), 0)
    await collector.stop()
    t.same([collector.spans().length, collector.logs().length], [0, 0], JSON.stringify(env))
  }
})

t.test('properties 23 and 24: without anybody to export to, requests are answered as ever, and it is said', async (t) => {
  const service = await startService(t, { env: { ...QUICK, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_TIMEOUT: '500' } })
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 10 }), async (names) => {
    for (const { status } of await Promise.all(names.map(async (name) => await service.call('POST', '/applications', { name })))) t.ok(status === 201 || status === 409)
  }), { numRuns: 10 })
  const line = await eventually(() => service.lines.find((one) => one['event.name'] === 'telemetry.export_failed'), 'a line about it')
  t.match(line, { level: 'warn' })
  t.equal(await service.stop(), 0, 'and it ends by itself')
})

t.test('SIGTERM under load: no request is lost, and the last span and the last line arrive', { skip: noCollector }, async (t) => {
  const { service, collector } = await startBoth(t, { env: { OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_BLRP_SCHEDULE_DELAY: '60000' } })
  await service.call('POST', '/applications', { name: 'a' })
  const answers: ServiceAnswer[] = []
  let refused = 0
  let stopping = false
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let n = 0; !stopping || n === 0; n++) {
      try {
        answers.push(await service.call('POST', '/configurations', { application: 'a', name: `c${client}-${n}` }))
      } catch {
        // Once it no longer listens, connecting fails: nothing was promised.
        refused += 1
        t.ok(stopping, 'no request fails before SIGTERM')
      }
    }
  })
  await sleep(500)
  stopping = true
  t.equal(await service.stop(), 0, 'it ends by itself')
  await Promise.all(clients)
  t.ok(answers.every(({ status }) => status === 201), `all were answered (${answers.length}; ${refused} not taken any more)`)
  await eventually(() => answers.every(({ traceId }) => collector.spans().some((span) => span.traceId === traceId && span.kind === 2)), 'every span')
  await eventually(() => collector.logs().some(({ attributes }) => attributes['event.name'] === 'service.stopped'), 'the last line')
  t.equal(collector.logs().filter(({ attributes }) => attributes['event.name'] === 'configuration.changed').length, answers.length)
})

t.test('a fatal error is logged with its stack and sent before the process ends', { skip: noCollector }, async (t) => {
  const { service, collector } = await startBoth(t, { env: { OTEL_BLRP_SCHEDULE_DELAY: '60000', NODE_OPTIONS: `--require ${path.join(__dirname, '../support/fatal.js')}` } })
  const code = new Promise((resolve) => { service.child.once('exit', resolve) })
  service.child.kill('SIGUSR2')
  t.equal(await code, 1)
  const line = await eventually(() => collector.logs().find(({ attributes }) => attributes['event.name'] === 'service.failed'), 'the line')
  t.match(line.attributes, { 'error.message': 'a fatal test', 'error.stack_trace': /fatal/ })
})

t.test('an idle service makes no spans, also while its metrics are collected and its sidecar is asked', { skip: noCollector }, async (t) => {
  const { service, collector } = await startBoth(t, { env: { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: '29464', SIDECAR_HEALTH_URL: 'http://127.0.0.1:1' } })
  const spansStarted = async (): Promise<string[]> => {
    const page = await (await fetch('http://127.0.0.1:29464/metrics')).text()
    t.match(page, /^crud_resources_total\{/m, 'counted in the database')
    return page.split('\n').filter((line) => line.startsWith('otel_sdk_span_started_total'))
  }
  for (let n = 0; n < 12; n++) {
    t.same(await spansStarted(), [], 'none has been started')
    t.equal((await fetch(`${service.url}/metrics`)).status, 200)
    await sleep(500)
  }
  t.equal((await fetch(`${service.url}/health/live`)).status, 200)
  t.equal((await spansStarted()).length, 1, 'a probe is one')
  await service.stop()
  await collector.stop()
  t.same(collector.spans(), [], 'which the sidecar drops')
})
