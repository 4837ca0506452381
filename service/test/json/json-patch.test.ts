import t from 'tap'
import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { applyPatch, depth, fromPlain, JsonPatchError, parse, stringify, toPlain, type Json, type PatchLimits } from '../../src/json/index.js'
import { growth, render, alikeModels } from './models.js'

const read = (text: string): Json => parse(text, { maxDepth: 1000 })

t.test('the examples of RFC 6902 appendix A give their results', async t => {
  for (const [name, target, patch, result] of [
    ['A.1', '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
    ['A.2', '{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'],
    ['A.3', '{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
    ['A.4', '{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
    ['A.5', '{"baz":"qux","foo":"bar"}', '[{"op":"replace","path":"/baz","value":"boo"}]', '{"baz":"boo","foo":"bar"}'],
    ['A.6', '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
      '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]', '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}'],
    ['A.7', '{"foo":["all","grass","cows","eat"]}', '[{"op":"move","from":"/foo/1","path":"/foo/3"}]', '{"foo":["all","cows","eat","grass"]}'],
    ['A.8', '{"baz":"qux","foo":["a",2,"c"]}',
      '[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]', '{"baz":"qux","foo":["a",2,"c"]}'],
    ['A.10', '{"foo":"bar"}', '[{"op":"add","path":"/child","value":{"grandchild":{}}}]', '{"foo":"bar","child":{"grandchild":{}}}'],
    ['A.11', '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux","xyz":123}]', '{"foo":"bar","baz":"qux"}'],
    ['A.14', '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'],
    ['A.16', '{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc","def"]}]', '{"foo":["bar",["abc","def"]]}']
  ] as const) t.equal(stringify(applyPatch(read(target), read(patch))), result, name)
})

t.test('the failing examples of RFC 6902 appendix A fail', async t => {
  for (const [name, target, patch, path] of [
    ['A.9', '{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]', '/0/value'],
    ['A.12', '{"foo":"bar"}', '[{"op":"add","path":"/baz/bat","value":"qux"}]', '/0/path'],
    ['A.15', '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":"10"}]', '/0/value']
  ] as const) t.match(failure(target, patch), { kind: 'apply', faults: [{ path }] }, name)
})

t.test('the whole document can be added, replaced, tested and copied over', async t => {
  for (const [patch, result] of [
    ['[{"op":"add","path":"","value":null}]', 'null'],
    ['[{"op":"replace","path":"","value":[1.0]}]', '[1.0]'],
    ['[{"op":"test","path":"","value":{"b":[1.0],"a":null}}]', '{"a":null,"b":[1]}'],
    ['[{"op":"copy","from":"/b","path":""}]', '[1]'],
    ['[{"op":"move","from":"/b/0","path":""}]', '1'],
    ['[{"op":"copy","from":"","path":"/c"}]', '{"a":null,"b":[1],"c":{"a":null,"b":[1]}}'],
    ['[{"op":"move","from":"","path":""}]', '{"a":null,"b":[1]}'],
    ['[]', '{"a":null,"b":[1]}']
  ] as const) t.equal(stringify(applyPatch(read('{"a":null,"b":[1]}'), read(patch))), result, patch)
})

t.test('null is a value like any other', async t => {
  t.equal(stringify(applyPatch(read('{"a":null,"b":[null]}'), read(`[
    {"op":"test","path":"/a","value":null}, {"op":"copy","from":"/a","path":"/c"}, {"op":"move","from":"/b/0","path":"/d"},
    {"op":"replace","path":"/a","value":null}, {"op":"remove","path":"/c"}]`))), '{"a":null,"b":[],"d":null}')
})

t.test('test compares numbers by value and objects without order', async t => {
  for (const [a, b, same] of [
    ['1', '1.0', true], ['100', '1e2', true], ['0', '-0.0', true], ['1', '2', false], ['1', '"1"', false], ['"1.0"', '"1"', false],
    ['{"a":1,"b":[2]}', '{"b":[2.0],"a":1}', true], ['{"a":1}', '{"a":1,"b":1}', false], ['{"a":1}', '{"b":1}', false],
    ['[1,2]', '[2,1]', false], ['[1]', '[1,1]', false], ['[]', '{}', false], ['{}', '[]', false], ['null', 'false', false], ['[]', '0', false]
  ] as const) {
    const patch = `[{"op":"test","path":"/x","value":${b}}]`
    if (same) t.doesNotThrow(() => applyPatch(read(`{"x":${a}}`), read(patch)), `${a} is ${b}`)
    else t.match(failure(`{"x":${a}}`, patch), { faults: [{ path: '/0/value' }] }, `${a} is not ${b}`)
  }
})

t.test('an operation that cannot be applied is named', async t => {
  for (const [operation, path] of [
    ['{"op":"remove","path":""}', '/path'],
    ['{"op":"remove","path":"/x"}', '/path'],
    ['{"op":"remove","path":"/list/2"}', '/path'],
    ['{"op":"remove","path":"/list/-"}', '/path'],
    ['{"op":"remove","path":"/list/00"}', '/path'],
    ['{"op":"replace","path":"/x","value":1}', '/path'],
    ['{"op":"replace","path":"/list/2","value":1}', '/path'],
    ['{"op":"add","path":"/list/3","value":1}', '/path'],
    ['{"op":"add","path":"/list/x","value":1}', '/path'],
    ['{"op":"add","path":"/list/99999999999999999999","value":1}', '/path'],
    ['{"op":"add","path":"/a/b/c/d","value":1}', '/path'],
    ['{"op":"test","path":"/x","value":null}', '/path'],
    ['{"op":"copy","from":"/x","path":"/y"}', '/from'],
    ['{"op":"move","from":"/x","path":"/y"}', '/from'],
    ['{"op":"move","from":"/x","path":"/x"}', '/from'],
    ['{"op":"move","from":"/a","path":"/a/b"}', '/path'],
    ['{"op":"move","from":"","path":"/y"}', '/path']
  ] as const) {
    const error = failure('{"list":[1,2],"a":{"b":1}}', `[{"op":"test","path":"","value":{"a":{"b":1},"list":[1,2]}},${operation}]`)
    t.match(error, { kind: 'apply', faults: [{ path: '/1' + path }] }, operation)
  }
})

t.test('a malformed patch is refused with all its faults', async t => {
  const error = failure('{}', `[1, {}, {"op":"merge","path":"a"}, {"op":"add","path":"/a~2"}, {"op":"move","path":"/__proto__/x"},
    {"op":"copy","path":3,"from":null}, {"op":["add"],"path":"/a"}, {"op":"remove","path":"/none"}]`)
  t.equal(error.kind, 'shape')
  t.same(error.faults.map(fault => fault.path), [
    '/0', '/1/op', '/1/path', '/2/op', '/2/path', '/3/path', '/3/value', '/4/path', '/4/from', '/5/path', '/5/from', '/6/op'
  ])
  t.match(failure('{}', '{"op":"add"}'), { kind: 'shape', faults: [{ path: '' }] })
})

t.test('the number of operations is limited', async t => {
  const patch = (n: number): string => `[${Array(n).fill('{"op":"add","path":"/a","value":1}').join()}]`
  t.equal(stringify(applyPatch(read('{}'), read(patch(1000)))), '{"a":1}')
  t.match(failure('{}', patch(1001)), { kind: 'shape', faults: [{ path: '' }] })
  t.match(failure('{}', patch(3), { maxOperations: 2 }), { kind: 'shape' })
})

t.test('copies cannot make a document explode', async t => {
  const doubling = `[${Array(900).fill('{"op":"copy","from":"","path":"/-"}').join()}]`
  const error = failure('["some text"]', doubling)
  t.match(error, { kind: 'apply', faults: [{ message: 'the patch copies more than 1048576 bytes; copy less' }] })
  t.match(failure('["12345678"]', '[{"op":"copy","from":"/0","path":"/-"}]', { maxBytes: 20 }), { faults: [{ path: '' }] })
  t.equal(stringify(applyPatch(read('["12345678"]'), read('[{"op":"copy","from":"/0","path":"/-"}]'), { maxBytes: 23 })), '["12345678","12345678"]')
})

t.test('nesting that a patch piles up is limited', async t => {
  const operations = []
  for (let i = 0, path = ''; i < 15; i++, path += path + '/0') operations.push({ op: 'copy', from: '', path: path + '/0' })
  t.match(failure('[[]]', JSON.stringify(operations)), { kind: 'apply', faults: [{ path: '', message: 'the result is nested deeper than 1000 levels; make it flatter' }] })
  const add = '[{"op":"add","path":"/0","value":[[]]}]'
  t.equal(depth(applyPatch(read('[]'), read(add), { maxDepth: 3 })), 3)
  t.match(failure('[]', add, { maxDepth: 2 }), { faults: [{ path: '' }] })
})

t.test('patches do what a simple implementation on plain objects does, and change no argument', async t => {
  let applied = 0
  const tokens = fc.constantFrom('a', 'b', '0', '1', '2', '-', '01')
  const path = fc.array(tokens, { maxLength: 3 }).map(list => list.map(token => '/' + token).join(''))
  const small = fc.constantFrom<unknown>(1, null, [], {}, [1, 2], { a: 1 }, { a: [{ b: 1 }] }, [[1], { b: [] }])
  const operation = fc.record({ op: fc.constantFrom('add', 'add', 'remove', 'replace', 'move', 'copy', 'copy', 'test'), path, from: path, value: small })
  fc.assert(fc.property(small, fc.array(operation, { maxLength: 12 }), (start, operations) => {
    const target = fromPlain(start)
    const accepted: unknown[] = []
    let expected = start
    for (const next of operations) {
      const patch = fromPlain([...accepted, next])
      const texts = stringify(target) + stringify(patch)
      const result = applyOrUndefined(target, patch)
      const reference = simple(expected, next)
      if (stringify(target) + stringify(patch) !== texts) return false
      if (reference === undefined) {
        if (result !== undefined) return false
        continue
      }
      if (result === undefined || !isDeepStrictEqual(toPlain(result), reference.document)) return false
      accepted.push(next)
      expected = reference.document
      applied++
    }
    return true
  }), { numRuns: 10_000 })
  t.ok(applied > 5000, `${applied} operations applied`)
})

t.test('any document in the place of a patch is refused in an orderly way', async () => {
  fc.assert(fc.property(alikeModels, alikeModels, (target, patch) => {
    try {
      applyPatch(read(render(target)), read(render(patch)))
    } catch (error) {
      return error instanceof JsonPatchError && error.faults.length > 0
    }
    return render(patch) === '[]'
  }))
})

t.test('applying takes time linear in the size of the document', async t => {
  const wide = (n: number): Json => read('{' + Array.from({ length: n }, (_, i) => `"k${i}":[${i}]`).join() + '}')
  const change = read(`[${Array.from({ length: 500 }, (_, i) =>
    `{"op":"replace","path":"/k${i}/0","value":0},{"op":"move","from":"/k${i}","path":"/k${i + 1}"}`).join()}]`)
  const ratio = growth(wide, node => applyPatch(node, change, { maxBytes: 1e9 }), 20_000)
  t.ok(ratio < 3, `${ratio.toFixed(2)} times as long for twice the size`)
})

function failure (target: string, patch: string, limits?: PatchLimits): JsonPatchError {
  try {
    applyPatch(read(target), read(patch), limits)
  } catch (error) {
    if (error instanceof JsonPatchError) return error
    throw error
  }
  throw new Error('not refused')
}

function applyOrUndefined (target: Json, patch: Json): Json | undefined {
  try {
    return applyPatch(target, patch)
  } catch (error) {
    if (error instanceof JsonPatchError && error.kind === 'apply') return undefined
    throw error
  }
}

interface PlainOperation { op: string, path: string, from: string, value: unknown }

/** One operation on a deep copy of plain data, undefined when it fails. */
function simple (document: unknown, { op, path, from, value }: PlainOperation): { document: unknown } | undefined {
  const holder = structuredClone({ root: document }) as Record<string, unknown>
  const target = '/root' + path
  const source = '/root' + from
  if (op === 'test') return isDeepStrictEqual(lookUp(holder, target), { value }) ? { document } : undefined
  if (op === 'move' || op === 'copy') {
    const found = structuredClone(lookUp(holder, source))
    if (found === undefined || (op === 'move' && target.startsWith(source + '/'))) return undefined
    if (op === 'move' && target === source) return { document }
    if (op === 'move' && !take(holder, source)) return undefined
    return put(holder, target, found.value) ? { document: holder['root'] } : undefined
  }
  if (op === 'add') return put(holder, target, structuredClone(value)) ? { document: holder['root'] } : undefined
  if (op === 'remove') return path !== '' && take(holder, target) ? { document: holder['root'] } : undefined
  if (path === '') return { document: value }
  return take(holder, target) && put(holder, target, structuredClone(value)) ? { document: holder['root'] } : undefined
}

function lookUp (holder: unknown, path: string): { value: unknown } | undefined {
  let value = holder
  for (const token of path.slice(1).split('/')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token) || token === 'length') return undefined
    value = (value as Record<string, unknown>)[token]
  }
  return { value }
}

function put (holder: unknown, path: string, value: unknown): boolean {
  const cut = path.lastIndexOf('/')
  const parent = cut === 0 ? holder : lookUp(holder, path.slice(0, cut))?.value
  const token = path.slice(cut + 1)
  if (Array.isArray(parent)) {
    const index = token === '-' ? parent.length : /^(0|[1-9]\d*)$/.test(token) ? Number(token) : Infinity
    if (index > parent.length) return false
    parent.splice(index, 0, value)
    return true
  }
  if (typeof parent !== 'object' || parent === null) return false
  Object.assign(parent, { [token]: value })
  return true
}

function take (holder: unknown, path: string): boolean {
  if (lookUp(holder, path) === undefined) return false
  const cut = path.lastIndexOf('/')
  const parent = (cut === 0 ? holder : lookUp(holder, path.slice(0, cut))?.value) as Record<string, unknown>
  if (Array.isArray(parent)) parent.splice(Number(path.slice(cut + 1)), 1)
  else Reflect.deleteProperty(parent, path.slice(cut + 1))
  return true
}
