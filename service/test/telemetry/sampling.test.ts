import t, { type Test } from 'tap'
import { telemetryEnvironment } from '../../src/telemetry/environment.js'
import { noCollector, startCollector, type Span } from '../support/collector.js'
import { cloneDatabase } from '../support/database.js'
import { startService, type ServiceAnswer, type TestService } from '../support/service.js'
import { buildWall } from '../support/wall.js'

const READS = 1000
const SLOW_MS = 150

interface Kept { reads: number, errors: number, slow: number, changes: number, received: number, all: number }

/** Plain reads, refused requests, slow reads and changes: how many of their traces are kept in the end. */
async function keptOf (t: Test, env: Record<string, string>): Promise<Kept> {
  const wall = await buildWall(t, await cloneDatabase(t))
  // What scripts/start, compose and the chart do: the sidecar gets its share from the same settings.
  const { SAMPLING_PERCENTAGE: percentage } = telemetryEnvironment(env).changes
  const collector = await startCollector(t, { env: { SAMPLING_PERCENTAGE: percentage ?? '', SLOW_TRACE_MS: String(SLOW_MS) } })
  const service = await startService(t, { databaseUrl: wall.url, env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.grpc}`, LOG_LEVEL: 'error', ...env } })

  const changes: ServiceAnswer[] = [await service.call('POST', '/applications', { name: 'a' })]
  for (let n = 1; n < 30; n++) changes.push(await service.call('POST', '/configurations', { application: 'a', name: `c${n}` }))
  const reads = await inTurn(READS, async () => await service.call('GET', '/configurations/a:c1'))
  const errors = [
    ...await inTurn(25, async () => await service.call('GET', '/configurations/a:nobody')),
    ...await inTurn(25, async () => await service.call('POST', '/applications', { name: 'a' }))
  ]
  wall.delay(SLOW_MS)
  const slow = await Promise.all(Array.from({ length: 20 }, async () => await service.call('GET', '/configurations/a:c1')))
  t.equal(await service.stop(), 0)
  const received = await collector.counter('otelcol_receiver_accepted_spans')
  await collector.stop()

  const byTrace = Map.groupBy(collector.spans(), ({ traceId }) => traceId)
  const whole = (answer: ServiceAnswer): boolean => isWhole(byTrace.get(answer.traceId))
  const count = (answers: ServiceAnswer[]): number => answers.filter(whole).length
  return { reads: count(reads), errors: count(errors), slow: count(slow), changes: count(changes), received, all: collector.spans().length }
}

/** Not a part of a trace: with its server span, and everything below something. */
function isWhole (spans: Span[] = []): boolean {
  return spans.some(({ kind }) => kind === 2) && spans.every(({ kind, parentSpanId }) => kind === 2 || spans.some(({ spanId }) => spanId === parentSpanId))
}

async function inTurn (count: number, call: () => Promise<ServiceAnswer>): Promise<ServiceAnswer[]> {
  const answers: ServiceAnswer[] = []
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (; answers.length < count;) answers.push(await call())
  }))
  return answers.slice(0, count)
}

// Four standard deviations of a binomial distribution around a tenth of 1,000.
const isTenth = (count: number): boolean => count >= 62 && count <= 138

t.test('production: the sidecar keeps about a tenth of plain reads, and all errors, slow traces and changes', { skip: noCollector }, async (t) => {
  const kept = await keptOf(t, { OTEL_ENVIRONMENT: 'production' })
  t.comment(JSON.stringify(kept))
  t.match(kept, { errors: 50, slow: 20, changes: 30 })
  t.ok(isTenth(kept.reads), `${kept.reads} of ${READS}`)
})

t.test('SAMPLING=head: the SDK takes the tenth, and the sidecar keeps all it gets', { skip: noCollector }, async (t) => {
  const kept = await keptOf(t, { OTEL_ENVIRONMENT: 'production', SAMPLING: 'head' })
  t.comment(JSON.stringify(kept))
  t.ok(isTenth(kept.reads), `${kept.reads} of ${READS}: not a tenth of a tenth`)
  t.ok(kept.errors < 25 && kept.changes < 20, 'and nothing besides')
})

t.test('OTEL_TRACES_SAMPLER_ARG moves the share, whoever takes it', { skip: noCollector }, async (t) => {
  const kept = await keptOf(t, { OTEL_ENVIRONMENT: 'production', OTEL_TRACES_SAMPLER_ARG: '0.5' })
  t.ok(kept.reads > 430 && kept.reads < 570, `${kept.reads} of ${READS}`)
  t.match(kept, { errors: 50, slow: 20, changes: 30 })
})

t.test('a caller who does not sample is obeyed, unless parents are not trusted', { skip: noCollector }, async (t) => {
  for (const trust of ['true', 'false']) {
    const collector = await startCollector(t)
    const service: TestService = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.grpc}`, SAMPLING_TRUST_PARENT: trust } })
    const [unsampled, sampled] = [await service.call('GET', '/applications', undefined, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` }), await service.call('GET', '/applications', undefined, { traceparent: `00-${'c'.repeat(32)}-${'b'.repeat(16)}-01` })]
    t.equal(unsampled.traceId, 'a'.repeat(32), 'the answer carries the caller\'s trace all the same')
    await service.stop()
    await collector.stop()
    const kept = new Set(collector.spans().map(({ traceId }) => traceId))
    t.equal(kept.has(unsampled.traceId), trust === 'false', `SAMPLING_TRUST_PARENT=${trust}`)
    t.ok(kept.has(sampled.traceId))
  }
})
