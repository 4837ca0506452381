import t from 'tap'
import { createSchemaEngine } from '../../src/schemas/engine.js'

// Schemas are written as text where JavaScript would lose something, as objects elsewhere.
// The budget is generous here, where several test programs share a machine; budget.test.ts is about budgets.
const engine = createSchemaEngine({ timeBudgetMs: 5000 })
t.teardown(() => engine.close())

const inspect = (schema: unknown) => engine.inspect(typeof schema === 'string' ? schema : JSON.stringify(schema))
const draft07 = 'http://json-schema.org/draft-07/schema#'

t.test('accepts usual schemas of both drafts', async t => {
  for (const schema of [
    true, false, {},
    { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'https://example.com/s', type: 'object', properties: { port: { type: 'integer' } } },
    { $schema: draft07, definitions: { p: { type: 'integer' } }, properties: { a: { $ref: '#/definitions/p' } }, dependencies: { a: ['b'], b: { minProperties: 1 } } },
    { $schema: draft07, $ref: '#/definitions/a', definitions: { a: { type: 'string' } }, type: 'number' },
    { definitions: { p: true }, items: { $ref: '#/definitions/p' } },
    { $defs: { named: { $anchor: 'constructor' } }, $ref: '#constructor' },
    { $dynamicAnchor: 'node', properties: { next: { $dynamicRef: '#node' } } },
    { type: 'object', properties: { next: { $ref: '#' } } },
    { 'x-sensitive': true, constructor: 1, toString: { a: 1 }, properties: { a: { 'x-owner': 'me' } } },
    { format: 'no-such-format' },
    { const: { $ref: 'http://example.com/', $id: 'x' }, enum: [{ pattern: '(?=a)', $id: 'y' }], default: { $id: 5 }, examples: [{ $ref: 'z' }] },
    { $defs: { 'a b#c%/~é': { type: 'string' } }, $ref: '#/$defs/a%20b%23c%25~1~0é' }
  ]) t.same(await inspect(schema), [], JSON.stringify(schema))
})

t.test('refuses what is not a schema', async t => {
  for (const text of ['', '{', 'null', '1', '"a"', '[]', '[{}]']) {
    t.same(await inspect(text), [{ path: '', message: 'a schema must be a JSON object, true or false' }], text)
  }
})

const refusals: Array<[title: string, schema: unknown, path: string, message: RegExp]> = [
  ['a type that does not exist', { properties: { a: { type: 'strng' } } }, '/properties/a/type', /^must be one of "array", "boolean",/],
  ['a keyword of the wrong type', { properties: { a: { minLength: '1' } } }, '/properties/a/minLength', /^must be an integer$/],
  ['a negative bound', { minItems: -1 }, '/minItems', /^must be at least 0$/],
  ['a step of zero', { multipleOf: 0 }, '/multipleOf', /^must be greater than 0$/],
  ['the same name required twice', { required: ['a', 'a'] }, '/required', /^must not have two equal items$/],
  ['a subschema that is no schema', { properties: { 'a/b~': 5 } }, '/properties/a~1b~0', /^must be an object or a boolean$/],
  ['an empty allOf', { allOf: [] }, '/allOf', /^must have at least 1 item$/],
  ['a keyword of the wrong type in draft-07', { $schema: draft07, additionalItems: 1 }, '/additionalItems', /^must be an object or a boolean$/],
  ['a $schema nobody knows', { $schema: 'https://json-schema.org/draft/2019-09/schema' }, '/$schema', /^must be one of https:\/\/json-schema.org\/draft\/2020-12\/schema, http:\/\/json-schema.org\/draft-07\/schema$/],
  ['a reference to the network', { items: { $ref: 'https://example.com/s.json' } }, '/items/$ref', /^only a reference inside this schema/],
  ['a reference to a file', { $ref: 'file:///etc/passwd' }, '/$ref', /^only a reference inside this schema/],
  ['a relative reference', { $ref: 'other.json#/a' }, '/$ref', /^only a reference inside this schema/],
  ['a dynamic reference to the network', { $dynamicRef: 'https://example.com/s#a' }, '/$dynamicRef', /^only a reference inside this schema/],
  ['a reference to a meta-schema', { $ref: 'https://json-schema.org/draft/2020-12/schema' }, '/$ref', /^only a reference inside this schema/],
  ['a reference to its own $id', { $id: 'https://example.com/s', $ref: 'https://example.com/s#/$defs/a', $defs: { a: true } }, '/$ref', /^only a reference inside this schema/],
  ['a reference to nothing', { $ref: '#/$defs/missing' }, '/$ref', /leads to nothing/],
  ['a reference to an inherited name', { $ref: '#/constructor' }, '/$ref', /leads to nothing/],
  ['a name that nobody has', { $ref: '#missing' }, '/$ref', /leads to nothing/],
  ['a malformed reference', { $ref: '#/%E0%A4%A' }, '/$ref', /leads to nothing/],
  ['a reference to a place that is no schema', { properties: {}, $ref: '#/properties' }, '/$ref', /a place that is not a schema/],
  ['a reference into a constant', { const: { a: {} }, $ref: '#/const/a' }, '/$ref', /a place that is not a schema/],
  ['a reference to itself', { $ref: '#' }, '/$ref', /leads back to itself/],
  ['references in a circle', { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }, '/$defs/b/$ref', /leads back to itself/],
  ['a circle through allOf', { allOf: [{ not: { $ref: '#' } }] }, '/allOf/0/not/$ref', /leads back to itself/],
  ['a circle that is entered in its middle', { $ref: '#/$defs/a/allOf/0', $defs: { a: { allOf: [{ $ref: '#/$defs/a' }] } } }, '/$defs/a/allOf/0/$ref', /leads back to itself/],
  ['a circle through a name', { $anchor: 'a', if: { $ref: '#a' } }, '/if/$ref', /leads back to itself/],
  ['an $id below the root', { $defs: { a: { $id: 'https://example.com/a' } } }, '/$defs/a/$id', /at the root of the schema only/],
  ['a $schema below the root', { $defs: { a: { $schema: draft07 } } }, '/$defs/a/$schema', /at the root of the schema only/],
  ['a name given twice', { $defs: { a: { $anchor: 'x' }, b: { $anchor: 'x' } } }, '/$defs/b/$anchor', /the same name/],
  ['lookahead', { properties: { a: { pattern: 'a(?=b)' } } }, '/properties/a/pattern', /RE2 syntax\): lookahead and lookbehind are not supported$/],
  ['lookbehind', { pattern: '(?<!a)b' }, '/pattern', /lookahead and lookbehind are not supported$/],
  ['a backreference', { pattern: '(a)\\1' }, '/pattern', /backreferences \(\\1\) are not supported$/],
  ['a named backreference', { pattern: '(?<n>a)\\k<n>' }, '/pattern', /backreferences \(\\k<…>\) are not supported$/],
  ['a pattern as a name', { patternProperties: { 'a/(?!b)': true } }, '/patternProperties/a~1(?!b)', /lookahead and lookbehind are not supported$/],
  ['a large repetition', { pattern: 'x{1001}' }, '/pattern', /the repetition \{1001\} is too large/],
  ['a large repetition of repetitions', { pattern: '((x{20}){20}){20}' }, '/pattern', /too large/],
  ['what is no pattern', { pattern: '[a' }, '/pattern', /missing closing \]/],
  ['a name that is not Unicode', '{"properties":{"\\ud800":true}}', '/properties', /not well-formed Unicode/]
]

const doubling = (levels: number, keyword = 'allOf') => ({
  $defs: Object.fromEntries(Array.from({ length: levels + 1 }, (_, i) => [`d${i}`, i < levels ? { [keyword]: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] } : {}]))
})

t.test('refuses references and keywords that multiply each other, in the innermost place', async t => {
  for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
    const faults = await inspect(doubling(26, keyword))
    t.same(faults, [{ path: '/$defs/d14', message: 'one value would be checked more than 10000 times here, because references and nested keywords multiply each other' }], keyword)
  }
  const bomb = { $defs: { ...doubling(26).$defs, d20: { if: { $ref: '#/$defs/d21' }, then: { dependentSchemas: { a: { $ref: '#/$defs/d21' } } }, else: { not: { $ref: '#/$defs/d21' } } } } }
  t.match(await inspect(bomb), [{ path: '/$defs/d15' }])
  t.match(await inspect({ $schema: draft07, ...doubling(26) }), [{ path: '/$defs/d14' }])
})

t.test('accepts many alternatives and common parts', async t => {
  t.same(await inspect(doubling(11)), [])
  t.same(await inspect({ anyOf: Array.from({ length: 400 }, (_, i) => ({ allOf: [{ $ref: '#/$defs/common' }, { properties: { kind: { const: i } } }] })), $defs: { common: { $ref: '#/$defs/d0' }, ...doubling(2).$defs } }), [])
  // Each part of the values is checked once by this, however deep they nest.
  t.same(await inspect({ properties: { a: { $ref: '#' }, b: { $ref: '#' } }, items: { $ref: '#' }, additionalProperties: { $ref: '#' } }), [])
})

t.test('keeps the list of faults short, however long the names', async t => {
  const long = 'k'.repeat(10_000)
  const faults = await inspect({ properties: { [long]: { allOf: Array.from({ length: 500 }, () => ({ type: 'x' })) } } })
  t.ok(faults.length > 30)
  t.ok(JSON.stringify(faults).length < 128 * 1024)
  for (const { path } of faults) t.match(path, /^\/properties\/k+…k+\/allOf\/\d+\/type$/)
  t.ok(faults.every(({ path }) => path.length <= 1000))
  t.match(await inspect(`{"properties":{"${long}":${'['.repeat(50)}${']'.repeat(50)}}}`), [{ path: /^.{400,500}….{400,500}$/ }])
})

t.test('refuses with the exact place and a plain reason', async t => {
  for (const [title, schema, path, message] of refusals) {
    const faults = await inspect(schema)
    const fault = faults.find(fault => fault.path === path)
    t.match(fault?.message, message, title)
    t.ok(faults.every(fault => fault.message.length <= 300 && fault.schema_path === undefined), `${title}: short`)
  }
})

t.test('tells all faults at once, each once', async t => {
  const faults = await inspect({ type: 'strng', properties: { a: { $ref: 'x' } }, minLength: -1 })
  t.same(faults.map(fault => fault.path).sort(), ['/minLength', '/properties/a/$ref', '/type'])
  t.equal(new Set(faults.map(fault => fault.path + fault.message)).size, faults.length)
})

t.test('refuses nesting deeper than 32 levels, and text above 64 KiB', async t => {
  const nested = (levels: number): unknown => levels === 1 ? {} : { items: nested(levels - 1) }
  t.same(await inspect(nested(32)), [])
  t.same(await inspect(nested(33)), [{ path: '/items'.repeat(32), message: 'the schema nests deeper than 32 levels' }])
  t.match(await inspect('{"const":' + '['.repeat(20000) + ']'.repeat(20000) + '}'), [{ message: 'the schema nests deeper than 32 levels' }])
  t.same(await inspect({ title: 'a'.repeat(65536) }), [{ path: '', message: 'the schema is larger than 65536 bytes' }])
})

t.test('refuses a row of references that is too long', async t => {
  const chain = (length: number) => ({ $defs: Object.fromEntries(Array.from({ length }, (_, i) => [`a${i}`, i + 1 < length ? { $ref: `#/$defs/a${i + 1}` } : {}])) })
  t.same(await inspect(chain(60)), [])
  t.match(await inspect(chain(70)), [{ path: '/$defs/a0', message: /^more than 64 references/ }])
})
