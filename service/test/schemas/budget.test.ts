import { spawnSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { createSchemaEngine, SchemaBudgetError, SchemaBusyError, type SchemaEngine, type SchemaEngineOptions } from '../../src/schemas/engine.js'

const good = JSON.stringify({ type: 'object', properties: { port: { type: 'integer' } }, required: ['port'] })
/** Doubles its work at each of `levels` references; the title makes texts differ. */
const doubling = (title: string, levels = 30) => JSON.stringify({
  title,
  $ref: '#/$defs/a0',
  $defs: Object.fromEntries(Array.from({ length: levels + 1 }, (_, i) => [`a${i}`, i < levels ? { allOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] } : {}]))
})
/** Each pattern makes a program of tens of thousands of instructions. */
const greedy = JSON.stringify({ patternProperties: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`[a-z${i}]{1000}`, true])) })

function engineFor (t: { teardown: (end: () => Promise<void>) => unknown }, options: SchemaEngineOptions = {}): SchemaEngine {
  const engine = createSchemaEngine(options)
  t.teardown(() => engine.close())
  return engine
}

/** The error that a promise rejects with, or undefined. */
const failure = (promise: Promise<unknown> | undefined) => promise?.then(() => undefined, (error: unknown) => error)

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

t.test('a blow-up is stopped by its budget, and its schema refused at once for a while', async t => {
  const engine = engineFor(t, { refuseForMs: 2000 })
  const hostile = doubling('')
  t.same(await engine.inspect(hostile), [])
  t.match(await failure(engine.check('1', ['true', hostile])), { name: 'SchemaBudgetError', phase: 'check', reason: 'time', schema: 1 })
  const start = performance.now()
  t.match(await failure(engine.check('1', [good, hostile])), { phase: 'check', reason: 'remembered', schema: 1 })
  t.match(await failure(engine.inspect(hostile)), { phase: 'inspect', reason: 'remembered', schema: 0 })
  t.ok(performance.now() - start < 100)
  t.same(await engine.check('{"port":1}', ['true', good]), [])
  await new Promise(resolve => setTimeout(resolve, 2100))
  t.match(await failure(engine.check('1', [hostile])), { reason: 'time' })
})

t.test('a worker that runs out of memory is replaced', async t => {
  const engine = engineFor(t, { timeBudgetMs: 60_000, memoryMb: 32 })
  const after = [engine.inspect(greedy), engine.check('{}', [good]), engine.inspect(good)]
  t.match(await failure(after[0]), { name: 'SchemaBudgetError', phase: 'inspect', reason: 'memory' })
  t.match(await after[1], [{ message: 'must have the member "port"' }])
  t.same(await after[2], [])
})

t.test('a queue that is full says so', async t => {
  const engine = engineFor(t, { maxQueue: 3 })
  const all = await Promise.allSettled(Array.from({ length: 6 }, () => engine.check('{"port":1}', [good])))
  const refused = all.filter(result => result.status === 'rejected')
  t.equal(refused.length, 3)
  for (const { reason } of refused) t.ok(reason instanceof SchemaBusyError)
})

t.test('hostile checks among good ones cost only themselves, and never the event loop', async t => {
  const engine = engineFor(t, { timeBudgetMs: 400 })
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
  const checks = Array.from({ length: 20 }, (_, i) => engine.check('{"port":1}', [i % 5 === 2 ? doubling(String(i)) : good]))
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
  const hostile = doubling('same')
  const start = performance.now()
  const results = await Promise.allSettled(Array.from({ length: 30 }, () => engine.check('1', [hostile])))
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
    createSchemaEngine().check('{}', [${JSON.stringify(good)}]).then(faults => console.log('faults: ' + faults.length))`
  const preload = path.join(t.testdir({ 'preload.js': 'console.log("preloaded, main thread: " + require("node:worker_threads").isMainThread)' }), 'preload.js')
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--require', preload, '-e', program], {
    encoding: 'utf8', timeout: 20_000, env: { NODE_OPTIONS: `--require ${preload}`, OTEL_SERVICE_NAME: 'x' }
  })
  t.equal(status, 0, stderr)
  t.same(stdout.trim().split('\n'), ['preloaded, main thread: true', 'faults: 1'])
})
