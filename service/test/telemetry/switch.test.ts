import t from 'tap'
import { cloneDatabase } from '../support/database.js'
import { startChild, startReceiver, type Child, type Receiver } from './degradation-parent.js'

async function start (t: Parameters<typeof cloneDatabase>[0], env: Record<string, string> = {}, database = false): Promise<{ child: Child, receiver: Receiver, get: (path: string, headers?: Record<string, string>) => Promise<any>, spans: () => Promise<string[]> }> {
  const receiver = await startReceiver(t)
  const child = await startChild(t, database ? { databaseUrl: await cloneDatabase(t) } : {}, { ...receiver.env, ...env })
  return {
    child,
    receiver,
    get: async (path, headers = {}) => await (await fetch(child.url + path, { headers })).json(),
    /** Names of the spans that have arrived since the last call. */
    async spans () {
      await child.call('flush')
      return receiver.spans.splice(0).map(({ name }) => name ?? '').sort()
    }
  }
}

const REMOTE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }

t.test('off, nothing makes a span: neither server, nor client, nor query, nor a tracer of ours; on, all do', async (t) => {
  const { child, get, spans } = await start(t, {}, true)
  const all = ['GET', 'GET', 'GET', 'inner', 'outer', 'pg-pool.connect']
  await get('/job')
  const first = await spans()
  t.match(first.filter((name) => all.includes(name)), all, first.join())
  t.ok(first.some((name) => name.startsWith('pg.query:one')), first.join())
  await child.call('off')
  for (let n = 0; n < 5; n++) await get('/job')
  t.same(await spans(), [])
  await child.call('on')
  await get('/job')
  const again = await spans()
  t.match(again.filter((name) => all.includes(name)), ['GET', 'GET', 'GET', 'inner', 'outer'], again.join())
})

t.test('off, the caller\'s trace goes on through the process as it came', async (t) => {
  const { child, get } = await start(t)
  await child.call('off')
  const { span } = await get('/bare', REMOTE)
  t.match(span, { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 })
  t.match((await get('/bare')).span, { traceId: /^(?!0{32})/, traceFlags: 0 }, 'of its own where nobody calls')
})

for (const sampler of ['parentbased_always_on', 'always_on']) {
  t.test(`a read that is not sampled leaves no span at all, but has ids (${sampler})`, async (t) => {
    const { child, get, spans } = await start(t, { OTEL_TRACES_SAMPLER: sampler })
    await child.call('sample', 0)
    const { span } = await get('/job/read')
    t.match(span, { traceId: /^(?!0{32})[0-9a-f]{32}$/, spanId: /^(?!0{16})[0-9a-f]{16}$/, traceFlags: 0 })
    t.not((await get('/job/read')).span.traceId, span.traceId)
    // What is called says by its own span that it heard "not sampled"; always_on does not care.
    t.same(await spans(), sampler === 'always_on' ? ['GET', 'GET'] : [])

    await get('/job/write')
    t.same(await spans(), ['GET', 'GET', 'GET', 'inner', 'outer'], 'other paths are traced')
    await get('/job/read', REMOTE)
    t.same(await spans(), ['GET', 'GET', 'GET', 'inner', 'outer'], 'so is what belongs to the trace of a caller')
    await child.call('sample', 1)
    await get('/job/read')
    t.same(await spans(), ['GET', 'GET', 'GET', 'inner', 'outer'], 'and everything with a share of 1')
  })
}

t.test('the share of sampled reads is that which was asked for', async (t) => {
  const { child, get, receiver } = await start(t)
  await child.call('sample', 0.3)
  for (let n = 0; n < 400; n++) await get('/job/readiness?x=1')
  await child.call('flush')
  const traced = receiver.spans.filter(({ name }) => name === 'outer').length
  t.ok(traced > 75 && traced < 165, `${traced} of 400`)
  t.equal(new Set(receiver.spans.map(({ traceId }) => traceId)).size, traced, 'whole traces')
  t.equal(receiver.spans.length, traced * 5)
})

t.test('what is quiet makes no span: tracers, queries, fetch, http and timers', async (t) => {
  const { child, spans } = await start(t, {}, true)
  await child.call('quietWork')
  // The server hears the requests, and is not quiet.
  t.same(await spans(), ['GET', 'GET'])
})

t.test('where the SDK is disabled the switch does nothing, and harms nothing', async (t) => {
  const { child, get } = await start(t, { OTEL_SDK_DISABLED: 'true' })
  t.same((await get('/job')).span, undefined)
  await child.call('off')
  t.same((await get('/job')).traceparent, undefined)
  await child.call('flush')
})

t.test('spans that were under way when it was turned off still end and arrive; nothing new begins below them', async (t) => {
  const { child, get, spans } = await start(t)
  const pending = get('/job/slow')
  await new Promise((resolve) => setTimeout(resolve, 200))
  await child.call('off')
  await pending
  t.same(await spans(), ['GET', 'outer'])
})
