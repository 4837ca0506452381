import t from 'tap'
import fc from 'fast-check'
import {
  byteLength, depth, equal, fromPlain, isNull, isObject, object, parse, pointer, raw, scalar, stringify, stringOf, toPlain,
  type Json
} from '../../src/json/index.js'
import { growth, models, render } from './models.js'

const ALL = { maxDepth: 1000 }

t.test('plain data becomes a node and comes back', async () => {
  fc.assert(fc.property(fc.jsonValue({ stringUnit: 'binary' }), value => {
    const text = JSON.stringify(value)
    return stringify(fromPlain(value)) === text && JSON.stringify(toPlain(fromPlain(value))) === text
  }))
})

t.test('keys with escapes stay what they are in plain data', async t => {
  for (const key of ['\\', '\n', '"', '\t', '\\u', '\u0001', '__proto__']) {
    const plain = toPlain(new Map([[key, new Map([['a', raw('1.0')], [key, scalar(key)]])]])) as Record<string, object>
    t.same(Object.entries(plain).map(([name, value]) => [name, ...Object.entries(value)]), [[key, ['a', 1], [key, key]]])
  }
})

t.test('undefined is left out of objects and is null in arrays', async t => {
  t.equal(stringify(fromPlain({ a: undefined, b: [undefined, 1] })), '{"b":[null,1]}')
})

t.test('what is not plain data is refused', async t => {
  for (const value of [NaN, Infinity, undefined, 1n, Symbol('a'), () => 1, new Map(), new Date(0)]) {
    t.throws(() => fromPlain(value), TypeError)
  }
  t.throws(() => scalar(NaN), TypeError)
})

t.test('an object is built from nodes and simple values', async t => {
  const node = object({ id: scalar('a"b'), count: 1, on: true, none: null, missing: undefined, list: [scalar('x')], spliced: raw('{"z":1.0}') })
  t.equal(stringify(node), '{"id":"a\\"b","count":1,"on":true,"none":null,"list":["x"],"spliced":{"z":1.0}}')
  t.ok(isObject(node))
  t.notOk(isObject([]))
  t.notOk(isObject(undefined))
})

t.test('null is told from what is not there', async t => {
  t.ok(isNull(parse(' null ', ALL)))
  t.notOk(isNull(parse('"null"', ALL)))
  t.notOk(isNull(undefined))
})

t.test('the value of a string is given, and of nothing else', async t => {
  t.equal(stringOf(scalar('a\n"')), 'a\n"')
  for (const text of ['1', 'null', '[]', '{}']) t.equal(stringOf(parse(text, ALL)), undefined)
  t.equal(stringOf(undefined), undefined)
})

t.test('nodes are equal when their texts are', async t => {
  const same = (a: string, b: string): boolean => equal(parse(a, ALL), parse(b, ALL))
  t.ok(same('{"a":[1,{"b":null}]}', '{ "a" : [ 1, {"\\u0062":null} ] }'))
  t.notOk(same('{"a":1,"b":2}', '{"b":2,"a":1}'), 'key order is data')
  t.notOk(same('1', '1.0'), 'number lexemes are data')
  t.notOk(same('{}', '[]'))
  t.ok(equal(raw('{"a":1}'), parse('{"a":1}', ALL)), 'spliced text is compared as text')
})

t.test('depth counts containers from the root', async t => {
  for (const [text, levels] of [['1', 0], ['{}', 1], ['[[],{"a":[1]}]', 3], ['[1,{"a":2}]', 2]] as const) {
    t.equal(depth(parse(text, ALL)), levels, text)
  }
  fc.assert(fc.property(models, model => {
    const node = parse(render(model), ALL)
    const levels = depth(node)
    parse(render(model), { maxDepth: levels })
    try {
      parse(render(model), { maxDepth: levels - 1 })
    } catch {
      return true
    }
    return levels === 0
  }))
})

t.test('byte length is that of the UTF-8 text', async () => {
  fc.assert(fc.property(models, fc.nat(40), (model, limit) => {
    const node = parse(render(model), ALL)
    const bytes = Buffer.byteLength(render(model))
    const counted = byteLength(node, limit)
    return byteLength(node) === bytes && (bytes <= limit ? counted === bytes : counted > limit)
  }))
})

t.test('pointers lead to nodes', async t => {
  const node = parse('{"a/b":[1,{"m~n":2,"":3}],"":{"":4},"~1":5,"0":6}', ALL)
  for (const [path, found] of [
    ['/a~1b/0', '1'], ['/a~1b/1/m~0n', '2'], ['/a~1b/1/', '3'], ['//', '4'], ['/~01', '5'], ['/0', '6']
  ] as const) t.equal(pointer.get(node, path), found, path)
  t.equal(pointer.get(node, ''), node)
  for (const path of ['a', '/a', '/~', '/~2', '/a~1b/-', '/a~1b/2', '/a~1b/00', '/a~1b/+0', '/a~1b/0/0', '/a~1b/1e0', '/__proto__', '/a~1b/length']) {
    t.equal(pointer.get(node, path), undefined, path)
  }
})

t.test('every node is found at the pointer joined from its keys', async () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), path => {
    const node = path.reduceRight<Json>((inner, key) => new Map([[key, inner]]), scalar('here'))
    return pointer.get(node, path.reduce<string>(pointer.join, '')) === '"here"'
  }))
})

t.test('writing takes time linear in the size of the document', async t => {
  const make = (n: number): Json => parse('[' + Array(n).fill('{"a\\n":[1,"x"]}').join() + ']', ALL)
  const ratio = growth(make, node => Buffer.from(stringify(node)), 50_000)
  t.ok(ratio < 3, `${ratio.toFixed(2)} times as long for twice the size`)
})
