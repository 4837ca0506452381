import t from 'tap'
import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { isObject, mergePatch, parse, stringify, toPlain, type Json } from '../../src/json/index.js'
import { alikeModels, models, render } from './models.js'

const read = (text: string): Json => parse(text, { maxDepth: 1000 })

t.test('the test cases of RFC 7396 appendix A give their results', async t => {
  for (const [target, patch, result] of [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}']
  ] as const) t.equal(stringify(mergePatch(read(target), read(patch))), result, `${target} with ${patch}`)
})

t.test('a target that is not there is an empty object', async t => {
  t.equal(stringify(mergePatch(undefined, read('{"a":{"b":null,"c":[null]}}'))), '{"a":{"c":[null]}}')
})

t.test('keys that stay keep their place and new ones come last', async t => {
  t.equal(stringify(mergePatch(read('{"3":1.0,"2":{"x":1},"1":3}'), read('{"0":9,"1":4,"3":null,"2":{"y":1,"x":2.0}}'))),
    '{"2":{"x":2.0,"y":1},"1":4,"0":9}')
})

t.test('merging does what the pseudocode of RFC 7396 says', async () => {
  fc.assert(fc.property(fc.oneof(alikeModels, models), fc.oneof(alikeModels, models), (targetModel, patchModel) => {
    const target = read(render(targetModel))
    const patch = read(render(patchModel))
    const result = mergePatch(target, patch)
    return isDeepStrictEqual(toPlain(result), reference(toPlain(target), toPlain(patch))) &&
      stringify(target) === render(targetModel) && stringify(patch) === render(patchModel) &&
      sameOrder(target, patch, result)
  }), { numRuns: 5000 })
})

function reference (target: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch
  const result = isPlain(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = reference(Object.hasOwn(result, name) ? result[name] : undefined, value)
  }
  return result
}

function isPlain (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sameOrder (target: Json, patch: Json, result: Json): boolean {
  if (!isObject(result) || !isObject(patch)) return true
  const before = isObject(target) ? Array.from(target.keys()) : []
  const expected = Array.from(new Set([...before, ...patch.keys()])).filter(key => patch.get(key) !== 'null')
  return isDeepStrictEqual(Array.from(result.keys()), expected)
}
