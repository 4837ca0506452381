import fc from 'fast-check'
import t from 'tap'
import { events, metrics, spans as spanTable, type EventName, type SpanName } from '../../src/telemetry/registry.js'
import { testApp } from '../support/app.js'
import { keptLog } from '../support/log.js'
import { memoryTelemetry, type MetricPoint } from '../support/memory-telemetry.js'

// The properties that docs/requirements.md lists under G8, by their numbers, over random operations on a real
// database. What needs a server span or an exporter is in traces.test.ts.

const sdk = memoryTelemetry()

interface Step { operation: string, kind: 'application' | 'configuration' | 'version', span: string, method: string, path: string, body?: unknown, headers?: Record<string, string> }

const application = fc.constantFrom('a', 'b', 'c')
const name = fc.constantFrom('x', 'y')
const reference = fc.tuple(application, name).map((parts) => parts.join(':'))
const values = fc.constantFrom({}, { port: 1 }, { port: 'one' })
const schema = fc.constantFrom(undefined, { properties: { port: { type: 'integer' } } })
const ifMatch = fc.constantFrom<Record<string, string>>({}, { 'if-match': '"v1"' })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: application.map((one): Step => ({ operation: 'create', kind: 'application', span: 'application.create', method: 'POST', path: '/applications', body: { name: one } })) },
  application.map((one): Step => ({ operation: 'read', kind: 'application', span: 'application.read', method: 'GET', path: `/applications/${one}` })),
  fc.integer({ min: 1, max: 3 }).map((limit): Step => ({ operation: 'list', kind: 'application', span: 'application.list', method: 'GET', path: `/applications?limit=${limit}` })),
  fc.tuple(application, fc.constantFrom('p', 'q')).map(([one, description]): Step => ({ operation: 'update', kind: 'application', span: 'application.update', method: 'PATCH', path: `/applications/${one}`, body: { description } })),
  application.map((one): Step => ({ operation: 'delete', kind: 'application', span: 'application.delete', method: 'DELETE', path: `/applications/${one}` })),
  { weight: 3, arbitrary: fc.record({ application, name, values, schema }, { requiredKeys: ['application', 'name'] }).map((body): Step => ({ operation: 'create', kind: 'configuration', span: 'configuration.create', method: 'POST', path: '/configurations', body })) },
  reference.map((one): Step => ({ operation: 'read', kind: 'configuration', span: 'configuration.read', method: 'GET', path: `/configurations/${one}` })),
  fc.integer({ min: 1, max: 3 }).map((limit): Step => ({ operation: 'list', kind: 'configuration', span: 'configuration.list', method: 'GET', path: `/configurations?limit=${limit}` })),
  fc.tuple(reference, values, ifMatch).map(([one, changed, headers]): Step => ({ operation: 'update', kind: 'configuration', span: 'configuration.update', method: 'PATCH', path: `/configurations/${one}`, body: { values: changed }, headers })),
  fc.tuple(reference, fc.array(reference, { maxLength: 1 })).map(([one, parents]): Step => ({ operation: 'update', kind: 'configuration', span: 'configuration.update', method: 'PUT', path: `/configurations/${one}`, body: { extends: parents } })),
  reference.map((one): Step => ({ operation: 'rollback', kind: 'configuration', span: 'configuration.rollback', method: 'POST', path: `/configurations/${one}/rollback`, body: { version: 1 } })),
  reference.map((one): Step => ({ operation: 'delete', kind: 'configuration', span: 'configuration.delete', method: 'DELETE', path: `/configurations/${one}` })),
  reference.map((one): Step => ({ operation: 'list', kind: 'version', span: 'version.list', method: 'GET', path: `/configurations/${one}/versions` })),
  reference.map((one): Step => ({ operation: 'read', kind: 'version', span: 'version.diff', method: 'GET', path: `/configurations/${one}/diff` }))
)

/** How much a metric has grown over all series with these attributes. */
function growth (before: MetricPoint[], after: MetricPoint[], metric: string, attributes: Record<string, unknown>): number {
  const sum = (points: MetricPoint[]): number => points
    .filter((point) => point.name === metric && Object.entries(attributes).every(([key, value]) => point.attributes[key] === value))
    .reduce((total, { value }) => total + value, 0)
  return sum(after) - sum(before)
}

t.test('properties 1 to 5, 7 to 12 and 15 to 20 hold for every operation', async (t) => {
  const { log, lines } = keptLog('debug')
  const app = await testApp(t, { log })
  const ended = { success: 0, error: 0 }
  let before = await sdk.collect()
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), async (steps) => {
    for (const { operation, kind, span: spanName, method, path, body, headers } of steps) {
      lines.length = 0
      sdk.takeSpans()
      const answer = await app.call(method, path, body, headers)
      const after = await sdk.collect()
      const spans = sdk.takeSpans()
      const what = `${method} ${path} ${answer.statusCode}`
      const status = answer.statusCode < 400 ? 'success' : 'error'
      ended[status] += 1
      const attributes = { 'operation.type': operation, 'resource.kind': kind, 'db.type': 'postgresql' }
      const failure = answer.json()

      t.equal(growth(before, after, 'crud.operation.duration', { ...attributes, status }), 1, `1: ${what}`)
      t.equal(growth(before, after, 'crud.operation.duration', {}), 1, `1, no more than once: ${what}`)
      t.equal(growth(before, after, 'crud.operation.count', { ...attributes, status: 'success' }), status === 'success' ? 1 : 0, `2: ${what}`)
      t.equal(growth(before, after, 'crud.operation.errors', attributes), status === 'error' ? 1 : 0, `3: ${what}`)
      for (const point of after.filter((one) => one.name.startsWith('crud.operation.'))) t.ok(point.attributes['operation.type'] !== undefined && point.attributes['db.type'] === 'postgresql', `4: ${point.name}`)
      const made = answer.statusCode === 201 ? 1 : operation === 'delete' && status === 'success' ? -1 : 0
      t.equal(growth(before, after, 'crud.resources.total', { 'resource.kind': kind }), made, `5: ${what}`)
      before = after

      const operations = spans.filter((span) => 'operation.type' in span.attributes)
      t.same(operations.map((span) => span.name), [spanName], `7: ${what}`)
      const [span] = operations
      if (span === undefined) return
      t.match(span.attributes, attributes, `8: ${what}`)
      if (status === 'success' && operation !== 'list' && !spanName.startsWith('version.')) t.match(span.attributes, { 'resource.id': /^[0-9a-f-]{36}$/ }, `8: ${what}`)
      t.ok(spans.some((one) => one.attributes['db.operation'] !== undefined) || failure.type === '/problems/invalid-values' || failure.type === '/problems/invalid-schema', `9: ${what}`)
      const ids = new Set(spans.map((one) => one.spanContext().spanId))
      for (const one of spans) {
        t.equal(one.spanContext().traceId, span.spanContext().traceId, `12: ${what}`)
        if (one !== span) t.ok(ids.has(one.parentSpanContext?.spanId ?? ''), `9, 12: ${one.name} of ${what}`)
        t.ok(one.ended, `10: ${what}`)
        t.ok(one.name in spanTable, `${one.name} is in the registry`)
        for (const key of Object.keys(one.attributes)) t.ok((spanTable[one.name as SpanName].attributes as readonly string[]).includes(key), `${one.name} has ${key} in the registry`)
      }
      t.equal(sdk.openSpans(), 0, `10: ${what}`)
      t.equal(span.status.code, status === 'error' ? 2 : 0, `10: ${what}`)
      const exceptions = spans.flatMap((one) => one.events).filter((event) => event.name === 'exception')
      t.equal(exceptions.length, status === 'error' ? 1 : 0, `11: ${what}`)
      if (status === 'error') {
        t.match(exceptions[0]?.attributes, { 'exception.type': 'Problem', 'exception.message': String, 'exception.stacktrace': / at / }, `11: ${what}`)
        t.ok(span.attributes['error.type'], `11: ${what}`)
      }

      const told = lines.filter((line) => line['operation.type'] !== undefined)
      const [start, completion] = [told.find((line) => line['event.name'] === 'operation.started'), told.find((line) => line.status !== undefined)]
      t.match(start, { level: 'debug', 'operation.type': operation }, `15: ${what}`)
      t.match(completion, { 'operation.type': operation, duration_ms: Number, status }, `16: ${what}`)
      t.equal(told.filter((line) => line.status !== undefined && line['event.name'] !== 'operation.slow').length, 1, `16, once: ${what}`)
      for (const line of lines) {
        t.match(line, { trace_id: span.spanContext().traceId, span_id: String, timestamp: /^\d{4}-/ }, `17: ${what}`)
        const event = events[line['event.name'] as EventName]
        t.ok(event, `20: ${String(line['event.name'])} is in the registry`)
        for (const field of Object.keys(line)) t.ok(isCommon(field) || (event.fields as readonly string[]).includes(field), `20: ${String(line['event.name'])} has ${field} in the registry`)
      }
      if (operation !== 'list') for (const line of told) t.ok(line['resource.id'] ?? line['resource.name'], `18: ${what}`)
      if (status === 'error') t.match(completion, { level: 'info', 'event.name': 'operation.refused', 'error.type': span.attributes['error.type'], 'error.message': failure.detail }, `19: ${what}`)
    }
  }), { numRuns: 25 })
  t.ok(ended.success > 30 && ended.error > 30, `both were tried: ${JSON.stringify(ended)}`)
  for (const { name } of before) t.ok(name in metrics || name.startsWith('otel.'), `${name} is in the registry`)
})

function isCommon (field: string): boolean {
  return ['timestamp', 'level', 'message', 'event.name', 'service.name', 'trace_id', 'span_id', 'trace_flags', 'user.id', 'user.role'].includes(field)
}
