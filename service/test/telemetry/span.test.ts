import { Writable } from 'node:stream'
import { context, trace } from '@opentelemetry/api'
import t from 'tap'
import { Problem } from '../../src/errors.js'
import { internalErrors } from '../../src/telemetry/internal-errors.js'
import { observeOperations } from '../../src/telemetry/observe-operations.js'
import { createLog, logEvent } from '../../src/telemetry/log.js'
import { inSpan } from '../../src/telemetry/span.js'
import { createTelemetry } from '../../src/telemetry/telemetry.js'
import { createBatchScope } from '../../src/telemetry/batch-scope.js'
import { quiet } from '../../src/telemetry/quiet.js'
import { keptLog } from '../support/log.js'
import { memoryTelemetry } from '../support/memory-telemetry.js'

const sdk = memoryTelemetry()
const settings = { SLOW_OPERATION_MS: 500, SLOW_QUERY_MS: 200 }

t.beforeEach(() => { sdk.takeSpans() })

t.test('the innermost failing span records the exception, once; those around it get status and error.type', async (t) => {
  const problem = new Problem('circular-dependency', 'a extends a.')
  await t.rejects(inSpan('configuration.update', {}, async () => {
    await inSpan('configuration.validate', {}, async () => {})
    await inSpan('configuration.check_cycles', { 'config.extends.count': 2 }, async () => { throw problem })
  }), problem)
  const spans = new Map(sdk.takeSpans().map((span) => [span.name, span]))
  t.match(spans.get('configuration.check_cycles'), { status: { code: 2, message: 'a extends a.' }, attributes: { 'error.type': 'circular_dependency', 'config.extends.count': 2 } })
  t.same(spans.get('configuration.check_cycles')?.events.map((event) => event.name), ['exception'])
  t.match(spans.get('configuration.update'), { status: { code: 2 }, attributes: { 'error.type': 'circular_dependency' }, events: [] })
  t.match(spans.get('configuration.validate'), { status: { code: 0 }, events: [] })
})

t.test('error.type is bounded, whatever is thrown', async (t) => {
  const cases: Array<[unknown, string]> = [
    [new Problem('not-found', 'x'), 'not_found'], [new Problem('database-unavailable', 'x'), 'database'],
    [Object.assign(new Error('duplicate key'), { code: '23505' }), 'database'], [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'database'],
    [new TypeError('x'), 'internal'], ['text', 'internal'], [undefined, 'internal'], [Object.freeze({}), 'internal']
  ]
  for (const [thrown, type] of cases) {
    try {
      await inSpan('configuration.validate', {}, async () => { throw thrown })
      t.fail('it threw')
    } catch (error) {
      t.equal(error, thrown, 'what was thrown comes out untouched')
    }
    const [span] = sdk.takeSpans()
    t.match(span, { status: { code: 2 }, attributes: { 'error.type': type } })
    t.equal(span?.events.length, 1)
  }
})

t.test('a span that cannot take what it is given is counted and disturbs nobody', async (t) => {
  const before = internalErrors()
  const result = await inSpan('configuration.validate', {}, async (span) => {
    // A link without a context, an attribute that cannot be read.
    span.link(undefined as never)
    span.set({ get 'user.id' (): string { throw new Error('telemetry is broken') } })
    span.event('configuration.changed', { get bad (): string { throw new Error('telemetry is broken') } })
    return 42
  })
  t.equal(result, 42)
  t.ok(internalErrors() > before)
  t.equal(sdk.openSpans(), 0)
})

t.test('a description that throws is counted and disturbs nobody', async (t) => {
  const { log, lines } = keptLog()
  const before = internalErrors()
  const observed = observeOperations({ read: async (value: number) => value + 1 }, createTelemetry({ log, settings }), {
    read: { span: 'configuration.read', type: 'read', before: () => { throw new Error('before') }, after: () => { throw new Error('after') } }
  })
  t.equal(await observed.read(1), 2)
  t.equal(internalErrors() - before, 2)
  t.match(lines.at(-1), { 'event.name': 'operation.completed', status: 'success' })
})

t.test('an operation that takes long is warned of; one that fails is an error with its stack and that of its cause', async (t) => {
  const { log, lines } = keptLog('info')
  const observed = observeOperations({
    read: async () => { await new Promise((resolve) => { setTimeout(resolve, 30) }) },
    list: async () => { throw new Problem('database-unavailable', 'The database cannot be reached.', { cause: new Error('connect ECONNREFUSED') }) }
  }, createTelemetry({ log, settings: { ...settings, SLOW_OPERATION_MS: 10 } }), {
    read: { span: 'configuration.read', type: 'read', before: () => ({ 'resource.kind': 'configuration', 'resource.name': 'a:x' }), after: () => ({}) },
    list: { span: 'configuration.list', type: 'list', before: () => ({ 'resource.kind': 'configuration' }), after: () => ({}) }
  })
  await observed.read()
  await t.rejects(observed.list())
  t.equal(lines.length, 2, 'reads that are neither slow nor failed say nothing at info')
  t.match(lines[0], { level: 'warn', 'event.name': 'operation.slow', 'resource.name': 'a:x', duration_ms: Number })
  t.match(lines[1], { level: 'error', 'event.name': 'operation.failed', 'error.type': 'database', 'error.stack_trace': /^Problem: The database[^]*\ncaused by Error: connect ECONNREFUSED\n {4}at / })
})

t.test('the query of a batch is below its first member, the others link to that', async (t) => {
  const { log } = keptLog()
  const scope = createBatchScope(createTelemetry({ log, settings }))
  const origins: Array<ReturnType<typeof scope.origin>> = []
  const sent = Promise.withResolvers<void>()
  const waiting = [1, 2, 3].map(async () => {
    await inSpan('configurations.insert', {}, async () => {
      origins.push(scope.origin())
      await sent.promise
    })
  })
  await scope.send(origins, async () => { await inSpan('configurations.list', {}, async () => {}) })
  sent.resolve()
  await Promise.all(waiting)
  const spans = sdk.takeSpans()
  const [first, ...others] = spans.filter((span) => span.name === 'configurations.insert')
  const query = spans.find((span) => span.name === 'configurations.list')
  t.equal(query?.parentSpanContext?.spanId, first?.spanContext().spanId)
  t.same(first?.links, [])
  for (const other of others) t.same(other.links.map((link) => link.context.spanId), [first?.spanContext().spanId])
  t.same([first, ...others].map((span) => span?.attributes['config.batch.size']), [3, 3, 3])
})

t.test('what is done quietly makes no spans, whatever it awaits', async (t) => {
  await quiet(async () => {
    await new Promise((resolve) => setImmediate(resolve))
    await inSpan('configuration.validate', {}, async () => { t.equal(trace.getSpan(context.active())?.isRecording(), false) })
  })
  t.same(sdk.takeSpans(), [])
})

t.test('a batch whose first member is not recorded is led by one that is', async (t) => {
  const scope = createBatchScope(createTelemetry({ log: keptLog().log, settings }))
  const origins: Array<ReturnType<typeof scope.origin>> = []
  const sent = Promise.withResolvers<void>()
  const member = async (): Promise<void> => {
    await inSpan('configurations.insert', {}, async () => {
      origins.push(scope.origin())
      await sent.promise
    })
  }
  const waiting = [quiet(member), member(), member()]
  await scope.send(origins, async () => { await inSpan('configurations.list', {}, async () => {}) })
  sent.resolve()
  await Promise.all(waiting)
  const spans = sdk.takeSpans()
  const [leader, other] = spans.filter((span) => span.name === 'configurations.insert')
  t.equal(spans.find((span) => span.name === 'configurations.list')?.parentSpanContext?.spanId, leader?.spanContext().spanId)
  t.same(other?.links.map((link) => link.context.spanId), [leader?.spanContext().spanId])
})

t.test('one error that several requests fail with is recorded in the trace of each', async (t) => {
  const error = new Error('the connection is gone')
  await Promise.allSettled([1, 2, 3].map(async () => await inSpan('configuration.create', {}, async () => await inSpan('configurations.insert', {}, async () => { throw error }))))
  const spans = sdk.takeSpans()
  t.equal(spans.length, 6)
  for (const span of spans) t.equal(span.events.length, span.name === 'configurations.insert' ? 1 : 0, span.name)
})

t.test('what a request says ends up in no other place of a line, whatever it says', async (t) => {
  const hostile = '100 %s %d %j %o \u001b[31mred\u001b[0m\n12:00:00.000 info  created configuration fake:entry\u2028x\u0085y'
  const { log, lines } = keptLog('info')
  logEvent(log, 'request.refused', hostile, { 'http.route': hostile, error: new Problem('not-found', hostile) })
  t.match(lines, [{ message: hostile, 'event.name': 'request.refused', 'http.route': hostile, 'error.type': 'not_found', 'error.message': hostile }])
  t.equal(lines.length, 1)

  const written: string[] = []
  const output = new Writable({ write (chunk, _encoding, done) { written.push(String(chunk)); done() } })
  logEvent(createLog({ level: 'info', format: 'text', output }), 'request.refused', hostile, { 'http.route': hostile, error: new Problem('not-found', hostile) })
  t.equal(written.length, 1)
  // eslint-disable-next-line no-control-regex
  t.notMatch(written[0]?.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/, 'one line, nothing that speaks to the terminal')
  t.match(written[0], /http\.route=100 %s %d %j %o \\u001b\[31mred/)
})
