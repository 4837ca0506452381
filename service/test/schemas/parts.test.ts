import fc from 'fast-check'
import { Worker } from 'node:worker_threads'
import path from 'node:path'
import t from 'tap'
import { fromJs, value, type JsonNode } from '@hyperjump/json-schema/instance/experimental'
import { Allowance } from '../../src/schemas/allowance.js'
import { formats } from '../../src/schemas/formats.js'
import { toInstance } from '../../src/schemas/instance.js'
import { append, canonicalText, pointerKeys, tooDeepAt, type Json } from '../../src/schemas/json.js'
import { isMultiple } from '../../src/schemas/keywords.js'
import { Overruns } from '../../src/schemas/overruns.js'
import { compilePattern } from '../../src/schemas/patterns.js'
import { TextCache } from '../../src/schemas/text-cache.js'

const json = fc.jsonValue() as fc.Arbitrary<Json>

t.test('a pointer gives back the keys it was made of', async () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', '~', '/', '0', '1', '') })), keys =>
    JSON.stringify(pointerKeys(keys.reduce(append, ''))) === JSON.stringify(keys)))
})

t.test('canonical text depends on the value only, not on the order of members', async () => {
  const reversed = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(reversed)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).reverse().map(([name, member]) => [name, reversed(member)]))
  }
  fc.assert(fc.property(json, value => canonicalText(value) === canonicalText(reversed(value))))
  fc.assert(fc.property(json, value => canonicalText(JSON.parse(canonicalText(value)) as Json) === canonicalText(value)))
})

t.test('depth is counted in objects and arrays', async t => {
  t.equal(tooDeepAt(1, 1), undefined)
  t.equal(tooDeepAt([[1]], 2), undefined)
  t.equal(tooDeepAt({ a: [{ b: null }] }, 2), '/a/0')
  t.equal(tooDeepAt({ a: [1], 'b/': [[], 'x', { c: {} }] }, 3), '/b~1/2/c')
  const depth = (value: Json): number => typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0
  fc.assert(fc.property(json, value => tooDeepAt(value, depth(value)) === undefined && (depth(value) === 0 || tooDeepAt(value, depth(value) - 1) !== undefined)))
})

t.test('nodes say about a value what those of the library say', async () => {
  const seen = (node: JsonNode): unknown => [node.type, node.pointer, value(node), node.parent?.pointer, node.children.map(seen)]
  fc.assert(fc.property(json, value => JSON.stringify(seen(toInstance(value))) === JSON.stringify(seen(fromJs(value)))))
})

t.test('nodes are made when they are looked at, once', async t => {
  const looked: string[] = []
  const counted = new Proxy({ a: [1] }, { ownKeys: target => { looked.push('keys'); return Reflect.ownKeys(target) } })
  const node = toInstance(counted)
  t.same([node.type, looked], ['object', []])
  t.equal(node.children, node.children)
  t.same(looked, ['keys'])
})

t.test('an allowance admits so many faults and so many bytes of paths', async t => {
  const fault = { path: '/é', message: '' }
  t.equal(new Allowance({ faults: 3 }).admitAll(Array.from({ length: 9 }, () => fault)).length, 3)
  t.equal(new Allowance({ bytes: 10 }).admitAll(Array.from({ length: 9 }, () => fault)).length, 3)
  t.equal(new Allowance({ bytes: 10 }).admitAll(Array.from({ length: 9 }, () => ({ ...fault, schema_path: '/a' }))).length, 2)
  const { path } = new Allowance().admit({ path: '/😀'.repeat(1000), message: '' }) ?? { path: '' }
  t.ok(path.length <= 1000 && path.isWellFormed() && path.endsWith('/😀'))
})

t.test('a number is a multiple of a decimal step exactly when its digits say so', async () => {
  fc.assert(fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 0, max: 6 }), (count, step, places) => {
    const decimal = (digits: number) => Number(`${digits}e-${places}`)
    return isMultiple(decimal(count * step), decimal(step)) && isMultiple(decimal(count), decimal(step)) === (count % step === 0)
  }))
})

t.test('patterns search, know the ECMAScript spellings, and agree with RegExp on plain syntax', async t => {
  t.ok(compilePattern('b+').test('abc'))
  t.ok(compilePattern('^\\u0041\\d$').test('A1'))
  t.ok(compilePattern('\\\\k<').test('\\k<'))
  t.notOk(compilePattern('a$').test('a\n'))
  const unit = fc.constantFrom('a', 'b', '-', '1')
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b+', '[ab]?', '(a|1)*', '\\d', '.', '-{2}')), fc.string({ unit }), (parts, text) => {
    const source = `^${parts.join('')}$`
    return compilePattern(source).test(text) === new RegExp(source, 'u').test(text)
  }))
})

t.test('formats tell right from wrong', async t => {
  const table: Record<string, [right: string[], wrong: string[]]> = {
    'date-time': [['2024-02-29T23:59:59Z', '2024-01-01t00:00:00.5+05:30', '1998-12-31T23:59:60Z'], ['2023-02-29T00:00:00Z', '2024-01-01T00:00:00', '2024-01-01', '1998-12-31T22:59:60Z']],
    date: [['2000-02-29', '2024-12-31'], ['1900-02-29', '2024-13-01', '2024-1-1', '2024-04-31', '2024-00-10', '2024-01-00']],
    time: [['23:59:60Z', '15:59:60-08:00', '01:02:03.4+00:00'], ['24:00:00Z', '12:00', '12:00:60Z', '12:00:00+24:00']],
    duration: [['P1Y2M3DT4H5M6S', 'P4W', 'PT1S'], ['P', 'PT', 'P1W1D', '1D', 'P1S']],
    email: [['a.b@example.com'], ['a@', '@b', 'a b@c', 'a@b@c']],
    hostname: [['a', 'a-b.example'], ['-a', 'a_b', 'a..b', 'a.', 'a'.repeat(64), '']],
    ipv4: [['127.0.0.1'], ['256.1.1.1', '1.1.1', '01.1.1.1']],
    ipv6: [['::1', '2001:db8::1'], ['1::2::3', 'fe80::1%eth0', '::g']],
    uri: [['https://a.example/b?c#d', 'urn:x:y'], ['/a', 'a b:c', 'http://a b', 'nothing']],
    uuid: [['2eb8aa08-aa98-11ea-b4aa-73b441d16380'], ['2eb8aa08aa9811eab4aa73b441d16380', '2eb8aa08-aa98-11ea-b4aa-73b441d1638g']],
    'json-pointer': [['', '/a~0b~1/'], ['a', '/~2', '/~']],
    regex: [['^a+$'], ['(?=a)', '[']]
  }
  t.same([...formats.keys()].sort(), Object.keys(table).sort())
  for (const [name, [right, wrong]] of Object.entries(table)) {
    for (const text of right) t.equal(formats.get(name)?.test(text), true, `${name}: ${text}`)
    for (const text of wrong) t.equal(formats.get(name)?.test(text), false, `${name}: ${text}`)
  }
})

t.test('formats answer quickly whatever the text', async t => {
  const start = performance.now()
  for (const { test } of formats.values()) for (const unit of ['a', '1', 'a.', '/', '-', ':', 'P1Y', '@a']) test(unit.repeat(4096) + '!')
  t.ok(performance.now() - start < 1000)
})

t.test('a text cache forgets the least recently used beyond its bounds', async t => {
  const cache = new TextCache<number>({ maxEntries: 3, maxLength: 10 })
  for (const [index, text] of ['aa', 'bb', 'cc'].entries()) cache.set(text, index)
  cache.get('aa')
  cache.set('dd', 3)
  t.same(['aa', 'bb', 'cc', 'dd'].map(text => cache.get(text)), [0, undefined, 2, 3])
  cache.set('eeeeeeee', 4)
  t.same(['aa', 'cc', 'dd', 'eeeeeeee'].map(text => cache.get(text)), [undefined, undefined, 3, 4])
})

t.test('overruns are forgotten after their time, and the oldest first', async t => {
  const overruns = new Overruns({ forMs: 60_000, max: 2 })
  for (const text of ['a', 'b', 'c']) overruns.add(text)
  t.same(['a', 'b', 'c'].map(text => overruns.has(text)), [false, true, true])
  const brief = new Overruns({ forMs: 0 })
  brief.add('a')
  t.notOk(brief.has('a'))
})

t.test('a thread can be kept from making code of strings', async t => {
  const guard = JSON.stringify(path.join(__dirname, '../../src/schemas/no-code-generation.js'))
  const ways = ['eval("1")', '(0, eval)("1")', 'new Function("1")', 'Function("1")', '(() => {}).constructor("1")', '(async () => {}).constructor("1")',
    '(function * () {}).constructor("1")', '(async function * () {}).constructor("1")', 'Reflect.construct(Object.getPrototypeOf(class {}).constructor, ["1"])']
  const tries = ways.map(way => `try { ${way}; allowed.push(${JSON.stringify(way)}) } catch (error) { if (!/code generation|not a constructor/.test(error.message)) allowed.push(error.message) }`)
  const worker = new Worker(`require(${guard}); const allowed = []; ${tries.join('; ')}; allowed.push((() => {}) instanceof Function); require('node:worker_threads').parentPort.postMessage(allowed)`, { eval: true })
  const [allowed] = await new Promise<unknown[]>((resolve, reject) => worker.once('message', (...all) => { resolve(all) }).once('error', reject))
  t.same(allowed, [true])
})
