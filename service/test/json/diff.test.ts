import t from 'tap'
import fc from 'fast-check'
import { applyPatch, byteLength, diff, parse, patchToJson, stringify, type Json, type PatchOperation } from '../../src/json/index.js'
import { alikeModels, canonical, growth, models, render, type Model } from './models.js'

const read = (text: string): Json => parse(text, { maxDepth: 1000 })
const apply = (from: Json, operations: PatchOperation[]): Json =>
  applyPatch(from, patchToJson(operations), { maxOperations: Infinity, maxBytes: 1e9 })

t.test('differences are told as a short patch sorted by path', async t => {
  for (const [from, to, patch] of [
    ['{"a":1}', '{"a":1}', '[]'],
    ['{"b":1,"a":2}', '{"a":2,"b":1}', '[]'],
    ['1', '1.0', '[{"op":"replace","path":"","value":1.0}]'],
    ['{"a":1}', '[1]', '[{"op":"replace","path":"","value":[1]}]'],
    ['{"c":1,"a":1}', '{"c":2,"b":1}', '[{"op":"remove","path":"/a"},{"op":"add","path":"/b","value":1},{"op":"replace","path":"/c","value":2}]'],
    ['{"a":{"x":1},"a!":1}', '{"a":{"x":2},"a!":2}', '[{"op":"replace","path":"/a!","value":2},{"op":"replace","path":"/a/x","value":2}]'],
    ['{"a/b":{"~":[1]}}', '{"a/b":{"~":[null]}}', '[{"op":"replace","path":"/a~1b/~0/0","value":null}]'],
    ['[1,2,3]', '[1,2]', '[{"op":"remove","path":"/2"}]'],
    ['[1,2,3]', '[2,3]', '[{"op":"remove","path":"/0"}]'],
    ['[1,2,3]', '[1,3]', '[{"op":"remove","path":"/1"}]'],
    ['[1,2]', '[1,5,6,2]', '[{"op":"add","path":"/1","value":6},{"op":"add","path":"/1","value":5}]'],
    ['[1,2,3,4]', '[1]', '[{"op":"remove","path":"/1"},{"op":"remove","path":"/1"},{"op":"remove","path":"/1"}]'],
    ['[0,1,2,3,4,5,6,7,8,9,10]', '[0,1,2,3,4,5,6,7,8,0,0]', '[{"op":"replace","path":"/9","value":0},{"op":"replace","path":"/10","value":0}]'],
    ['[{"a":1,"b":2},3]', '[0,{"b":2,"a":1},3]', '[{"op":"add","path":"/0","value":0}]']
  ] as const) t.equal(stringify(patchToJson(diff(read(from), read(to)))), patch, `${from} to ${to}`)
})

t.test('the patch makes the target of the source', async () => {
  fc.assert(fc.property(pairs(), ([from, to]) => canonical(apply(from, diff(from, to))) === canonical(to)), { numRuns: 10_000 })
})

t.test('the patch is empty exactly when nothing but the order of members differs', async () => {
  fc.assert(fc.property(pairs(), ([from, to]) => (diff(from, to).length === 0) === (canonical(from) === canonical(to))))
})

t.test('the patch is sorted by path, indexes as numbers', async () => {
  fc.assert(fc.property(pairs(), ([from, to]) => {
    const padded = diff(from, to).map(operation => padIndexes(from, operation.path))
    return padded.every((path, i) => i === 0 || padded[i - 1]! <= path)
  }), { numRuns: 5000 })
})

t.test('operations with different paths can be applied in any order', async () => {
  fc.assert(fc.property(pairs(), fc.infiniteStream(fc.nat(1000)), ([from, to], random) => {
    const operations = diff(from, to)
    const places = new Map(operations.map(({ path }) => [path, random.next().value as number]))
    operations.sort((a, b) => places.get(a.path)! - places.get(b.path)!)
    return canonical(apply(from, operations)) === canonical(to)
  }), { numRuns: 5000 })
})

t.test('a diff is never much longer than the new document', async t => {
  const key = 'k'.repeat(1000)
  const list = (value: number): Json => read(`{"${key}":[${Array(5000).fill(value).join()}],"z":1}`)
  const operations = diff(list(1), list(2))
  t.match(operations, [{ op: 'replace', path: '/' + key }])
  fc.assert(fc.property(pairs(), ([from, to]) => byteLength(patchToJson(diff(from, to))) <= 5 * byteLength(to) + 4096))
})

t.test('comparing takes time linear in the size of the documents', async t => {
  const nested = (n: number, end: string): Json => {
    const big = Array(n).fill('[1,{"a":2}]').join()
    return read('['.repeat(60) + big + end + (end === '' ? '' : ',1') + (end === '' ? ']' : ',1]').repeat(60))
  }
  // Small enough for the results to stay in the young generation: moving them costs more than making them.
  const cases: Array<[string, number, (n: number) => [Json, Json]]> = [
    ['changed elements', 5_000, n => [read(`[${Array(n).fill(1).join()}]`), read(`[${Array(n).fill(2).join()}]`)]],
    ['removed elements', 5_000, n => [read(`[${Array(n).fill(1).join()}]`), read('[]')]],
    ['changed members', 5_000, n => [members(n, 1), members(n, 2)]],
    ['shifted elements', 5_000, n => [read(`[${Array(n).fill('{"a":[1,2]}').join()}]`), read(`[0,${Array(n).fill('{"a":[1,2]}').join()}]`)]],
    ['arrays of other lengths in one another', 5_000, n => [nested(n, ''), nested(n, ',0')]]
  ]
  for (const [name, n, make] of cases) {
    const ratio = growth(make, ([from, to]) => { diff(from, to) }, n)
    t.ok(ratio < 3, `${name}: ${ratio.toFixed(2)} times as long for twice the size`)
  }
})

function members (n: number, value: number): Json {
  return read(`{${Array.from({ length: n }, (_, i) => `"k${i}":${value}`).join()}}`)
}

/** Two documents, of which the second often is the first with some changes. */
function pairs (): fc.Arbitrary<[Json, Json]> {
  const change = fc.tuple(fc.nat(), fc.constantFrom<'put' | 'cut' | 'insert' | 'turn'>('put', 'cut', 'insert', 'turn'), alikeModels)
  const changed = fc.tuple(fc.oneof(models, alikeModels, longLists()), fc.array(change, { maxLength: 4 }))
    .map(([model, changes]): [Model, Model] => [model, changes.reduce<Model>((node, [at, kind, value]) => edit(node, at, kind, value), model)])
  return fc.oneof(fc.tuple(models, models), fc.tuple(alikeModels, alikeModels), changed)
    .map(([from, to]) => [read(render(from)), read(render(to))])
}

function longLists (): fc.Arbitrary<Model> {
  return fc.array(alikeModels, { minLength: 8, maxLength: 14 }).map(items => ({ items }))
}

function edit (model: Model, at: number, kind: 'put' | 'cut' | 'insert' | 'turn', value: Model): Model {
  if ('text' in model) return value
  if ('items' in model) {
    const index = at % (model.items.length + 1)
    const inner = model.items[index]
    if (inner !== undefined && at % 3 === 0) return { items: model.items.with(index, edit(inner, Math.floor(at / 7), kind, value)) }
    if (kind === 'turn') return { items: model.items.toReversed() }
    return { items: model.items.toSpliced(index, kind === 'insert' ? 0 : 1, ...(kind === 'cut' ? [] : [value])) }
  }
  const index = at % (model.members.length + 1)
  const member = model.members[index]
  if (kind === 'turn') return { members: model.members.toReversed() }
  if (member === undefined) return { members: [...model.members.filter(([key]) => key !== 'new'), ['new', value]] }
  if (kind === 'cut') return { members: model.members.toSpliced(index, 1) }
  return { members: model.members.with(index, [member[0], edit(member[1], Math.floor(at / 7), kind, value)]) }
}

/** A path with its array indexes padded, so that paths compare as strings. */
function padIndexes (from: Json, path: string): string {
  let node: Json | undefined = from
  return path.split('/').slice(1).reduce((padded, token) => {
    const isIndex: boolean = Array.isArray(node)
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    node = node instanceof Map ? node.get(key) : Array.isArray(node) ? node[Number(key)] : undefined
    return padded + '/' + (isIndex ? token.padStart(9, '0') : token)
  }, '')
}
