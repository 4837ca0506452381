import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { createSchemaEngine, SchemaBudgetError, SchemaBusyError, type SchemaEngine, type SchemaEngineOptions } from '../../src/schemas/engine.js'

const good = JSON.stringify({ type: 'object', properties: { port: { type: 'integer' } }, required: ['port'] })
/** Looks at each item thousands of times: an overrun for `wide`, nothing for a few items. The title makes texts differ. */
const slow = (title: string, levels = 11) => JSON.stringify({
  title,
  items: { $ref: '#/$defs/a0' },
  $defs: Object.fromEntries(Array.from({ length: levels + 1 }, (_, i) => [`a${i}`, i < levels ? { allOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] } : {}]))
})
const wide = JSON.stringify(Array.from({ length: 5000 }, () => 1))
/** Each pattern makes a program of tens of thousands of instructions. */
const greedy = JSON.stringify({ patternProperties: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`[a-z${i}]{1000}`, true])) })

function engineFor (t: { teardown: (end: () => Promise<void>) => unknown }, options: SchemaEngineOptions = {}): SchemaEngine {
  const engine = createSchemaEngine(options)
  t.teardown(() => engine.close())
  return engine
}

/** The workers that are started from now on. */
function countWorkers (t: { teardown: (end: () => unknown) => unknown }): Worker[] {
  const workers: Worker[] = []
  const add = (worker: Worker) => { workers.push(worker) }
  process.on('worker', add)
  t.teardown(() => process.off('worker', add))
  return workers
}

/** The error that a promise rejects with, or undefined. */
const failure = async (promise: Promise<unknown> | undefined): Promise<unknown> => await promise?.then(() => undefined, (error: unknown) => error)

t.test('patterns take linear time', async t => {
  const engine = engineFor(t, { timeBudgetMs: 5000 })
  const text = `${'a'.repeat(50_000)}!`
  t.match(await engine.check(JSON.stringify(text), ['{"pattern":"^(a+)+$"}']), [{ message: 'must match the pattern ^(a+)+$' }])
  t.equal((await engine.check(JSON.stringify({ [text]: 1 }), ['{"patternProperties":{"^(a|a)*$":true},"additionalProperties":false}'])).length, 1)
})

t.test('unique items are found in near-linear time', async t => {
  const engine = engineFor(t, { timeBudgetMs: 5000 })
  const items = Array.from({ length: 50_000 }, (_, i) => ({ i }))
  t.same(await engine.check(JSON.stringify(items), ['{"uniqueItems":true}']), [])
  t.equal((await engine.check(JSON.stringify([...items, { i: 1 }]), ['{"uniqueItems":true}'])).length, 1)
})

t.test('a blow-up is stopped by its budget, and the same refused at once for a while', async t => {
  const engine = engineFor(t, { refuseForMs: 1200 })
  const hostile = slow('')
  t.same(await engine.inspect(hostile), [])
  t.match(await failure(engine.check(wide, ['true', hostile])), { name: 'SchemaBudgetError', phase: 'check', reason: 'time', schema: 1 })
  const start = performance.now()
  t.match(await failure(engine.check(wide, [good, hostile])), { phase: 'check', reason: 'remembered', schema: 1 })
  t.ok(performance.now() - start < 100)
  t.same(await engine.check('{"port":1}', ['true', good]), [])
  await new Promise(resolve => setTimeout(resolve, 1300))
  t.match(await failure(engine.check(wide, [hostile])), { reason: 'time' })
})

t.test('values that overrun are refused with that schema only, and do the schema no harm', async t => {
  const engine = engineFor(t)
  const schema = slow('innocent')
  t.match(await failure(engine.check(wide, [schema])), { reason: 'time', schema: 0 })
  t.same(await engine.check('[1]', [schema]), [])
  t.same(await engine.inspect(schema), [])
  t.same(await engine.check(wide, ['true']), [])
  t.match(await failure(engine.check(wide, [schema])), { reason: 'remembered', schema: 0 })
})

t.test('a schema that doubles its work at each level of the values is stopped at once, without losing the worker', async t => {
  const engine = engineFor(t, { timeBudgetMs: 20_000 })
  const hostile = JSON.stringify({ items: { allOf: [{ $ref: '#' }, { $ref: '#' }] } })
  const nested = '['.repeat(30) + ']'.repeat(30)
  t.same(await engine.inspect(hostile), [])
  const started = countWorkers(t)
  const start = performance.now()
  t.match(await failure(engine.check(nested, ['true', hostile])), { reason: 'repetition', schema: 1, message: /looked at one part of the values again and again$/ })
  t.ok(performance.now() - start < 5000)
  t.same(await engine.check('[[1]]', [hostile]), [])
  t.equal(started.length, 0)
})

t.test('a job that waits too long is told so at its deadline', async t => {
  const engine = engineFor(t, { timeBudgetMs: 60_000, maxQueueMs: 200 })
  await engine.inspect('true')
  let over = false
  const long = failure(engine.check(wide, [slow('')])).finally(() => { over = true })
  t.ok(await failure(engine.check('1', ['true'])) instanceof SchemaBusyError)
  t.notOk(over, 'the job before it still runs')
  await engine.close()
  t.match(await long, { message: 'the schema engine is closed' })
})

t.test('schemas that did well before go first, those that overran last', async t => {
  const engine = engineFor(t, { timeBudgetMs: 400, maxQueueMs: 60_000 })
  const suspect = slow('suspect')
  t.match(await failure(engine.check(wide, [suspect])), { reason: 'time' })
  t.same(await engine.check('[1]', [suspect]), [])
  // The first may pay for what is not compiled yet.
  for (const port of [1, 2]) await engine.check(`{"port":${port}}`, [good])
  const inspected = slow('2')
  await engine.inspect(inspected)
  const order: string[] = []
  await Promise.all(([['stranger 1', wide, slow('1')], ['inspected only', wide, inspected], ['suspect', '[1]', suspect], ['good', '{"port":1}', good], ['good again', '{"port":2}', good]] as const)
    .map(async ([name, values, schema]) => { await failure(engine.check(values, [schema])).then(() => order.push(name)) }))
  t.same(order, ['stranger 1', 'good', 'good again', 'inspected only', 'suspect'])
})

t.test('a full queue makes room for schemas that did well before', async t => {
  const engine = engineFor(t, { maxQueue: 2, maxQueueMs: 60_000 })
  for (const port of [1, 2]) await engine.check(`{"port":${port}}`, [good])
  const strangers = ['1', '2', '3'].map(title => failure(engine.check(wide, [slow(title)])))
  t.same(await engine.check('{"port":1}', [good]), [])
  t.match(await Promise.all(strangers), [{ reason: 'time' }, { reason: 'time' }, { name: 'SchemaBusyError' }])
})

t.test('from the first loss on another worker stands by', async t => {
  const engine = engineFor(t)
  const timed = async (work: () => Promise<unknown>) => {
    const start = performance.now()
    await work()
    return performance.now() - start
  }
  const started = countWorkers(t)
  const starting = await timed(() => engine.inspect(good))
  t.equal(started.length, 1, 'none before')
  const afterLoss: number[] = []
  for (const title of ['1', '2']) {
    await failure(engine.check(wide, [slow(title)]))
    await new Promise(resolve => setTimeout(resolve, 3 * starting))
    await failure(engine.check(wide, [slow(`${title} again`)]))
    afterLoss.push(await timed(() => engine.check('{"port":1}', [good])))
  }
  const soonest = Math.min(...afterLoss)
  t.ok(soonest < starting / 3, `a start takes ${starting.toFixed()} ms, going on ${soonest.toFixed()} ms`)
  await engine.close()
  t.ok(started.length > 4)
  t.ok(started.every(worker => worker.threadId === -1), 'all are closed')
})

t.test('large values have time of their own, and small ones of a hostile schema do not', async t => {
  const engine = engineFor(t, { timeBudgetMs: 100 })
  const empties = Array.from({ length: 340_000 }, () => '[]').join()
  for (const [values, schema] of [[`[${empties}]`, 'true'], [`{"a":[${empties}]}`, '{"type":"object"}'], [JSON.stringify('a'.repeat(1024 * 1024)), '{"type":"string"}']] as const) {
    t.same(await engine.check(values, [schema]), [])
  }
  t.match(await failure(engine.check(wide, [slow('')])), { reason: 'time' })
})

t.test('values that are too large by themselves are blamed, not the schema', async t => {
  const engine = engineFor(t, { timeBudgetMs: 60_000, memoryMb: 32 })
  const values = `[${Array.from({ length: 2_000_000 }, () => '[]').join()}]`
  const refused = await failure(engine.check(values, [good])) as SchemaBudgetError
  t.match(refused, { name: 'SchemaBudgetError', reason: 'memory', message: /^the values are too large to be checked: / })
  t.equal(refused.schema, undefined)
  t.match(await failure(engine.check(values, ['true'])), { reason: 'remembered', schema: undefined, message: /^the values are too large/ })
  t.same(await engine.check('{"port":1}', [good]), [])
})

t.test('a worker that runs out of memory is replaced', async t => {
  const engine = engineFor(t, { timeBudgetMs: 60_000, memoryMb: 32, maxQueueMs: 60_000 })
  const after = [engine.inspect(greedy), engine.check('{}', [good]), engine.inspect(good)]
  t.match(await failure(after[0]), { name: 'SchemaBudgetError', phase: 'inspect', reason: 'memory' })
  t.match(await after[1], [{ message: 'must have the member "port"' }])
  t.same(await after[2], [])
  t.match(await failure(engine.inspect(greedy)), { phase: 'inspect', reason: 'remembered' })
  t.match(await failure(engine.check('1', ['true', greedy])), { phase: 'check', reason: 'remembered', schema: 1 })
})

t.test('a queue that is full says so', async t => {
  const engine = engineFor(t, { maxQueue: 3 })
  const all = await Promise.allSettled(Array.from({ length: 6 }, () => engine.check('{"port":1}', [good])))
  const refused = all.filter(result => result.status === 'rejected')
  t.equal(refused.length, 3)
  for (const { reason } of refused) t.ok(reason instanceof SchemaBusyError)
})

t.test('hostile checks among good ones cost only themselves, and never the event loop', async t => {
  const engine = engineFor(t, { timeBudgetMs: 400, maxQueueMs: 60_000 })
  await engine.inspect(good)
  let ticks = 0
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    ticks++
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 10)
  const start = performance.now()
  const checks = Array.from({ length: 20 }, (_, i) => i % 5 === 2 ? engine.check(wide, [slow(String(i))]) : engine.check('{"port":1}', [good]))
  const results = await Promise.allSettled(checks)
  const took = performance.now() - start
  clearInterval(timer)
  for (const [i, result] of results.entries()) {
    if (i % 5 === 2) t.ok(result.status === 'rejected' && result.reason instanceof SchemaBudgetError, `hostile ${i}`)
    else t.same(result, { status: 'fulfilled', value: [] }, `good ${i}`)
  }
  t.ok(took > 4 * 400, 'each hostile check had its budget')
  t.ok(ticks > took / 10 * 0.4, `the loop ticks on: ${ticks} ticks in ${took.toFixed()} ms`)
  t.ok(longest < 400, `no pause as long as one hostile check: longest ${longest.toFixed()} ms`)
})

t.test('copies of a hostile check that wait already are refused without another budget', async t => {
  const engine = engineFor(t, { timeBudgetMs: 300 })
  await engine.inspect(good)
  const hostile = slow('same')
  const start = performance.now()
  const results = await Promise.allSettled(Array.from({ length: 30 }, () => engine.check(wide, [hostile])))
  t.same(results.map(result => result.status === 'rejected' && (result.reason as SchemaBudgetError).reason), ['time', ...Array.from({ length: 29 }, () => 'remembered')])
  t.ok(performance.now() - start < 3 * 300)
})

t.test('a late event loop does not make an overrun of a job that is done', async t => {
  const engine = engineFor(t, { timeBudgetMs: 200 })
  await engine.inspect(good)
  const checked = engine.check('{"port":1}', [good])
  const until = performance.now() + 500
  while (performance.now() < until);
  t.same(await checked, [])
})

t.test('a closed engine rejects what waits and what comes', async t => {
  const engine = createSchemaEngine()
  const waiting = engine.check('{}', [good])
  const rejected = t.rejects(waiting, { message: 'the schema engine is closed' })
  await engine.close()
  await rejected
  await t.rejects(engine.inspect(good), { message: 'the schema engine is closed' })
  await engine.close()
})

t.test('the worker keeps no process alive, and starts without the preloads of the process', async t => {
  const program = `
    const { createSchemaEngine } = require(${JSON.stringify(path.join(__dirname, '../../src/schemas/engine.js'))})
    const engine = createSchemaEngine({ timeBudgetMs: 50 })
    const again = () => engine.check('{}', [${JSON.stringify(good)}])
    again().then(() => engine.check(${JSON.stringify(wide)}, [${JSON.stringify(slow(''))}])).catch(again).then(faults => console.log('faults: ' + faults.length))`
  const preload = path.join(t.testdir({ 'preload.js': 'console.log("preloaded, main thread: " + require("node:worker_threads").isMainThread)' }), 'preload.js')
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--require', preload, '-e', program], {
    encoding: 'utf8', timeout: 20_000, env: { NODE_OPTIONS: `--require ${preload}`, OTEL_SERVICE_NAME: 'x' }
  })
  t.equal(status, 0, stderr)
  t.same(stdout.trim().split('\n'), ['preloaded, main thread: true', 'faults: 1'])
})
