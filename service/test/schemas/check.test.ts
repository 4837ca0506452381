import t from 'tap'
import { createSchemaEngine } from '../../src/schemas/engine.js'

const engine = createSchemaEngine({ timeBudgetMs: 5000 })
t.teardown(() => engine.close())

const text = (value: unknown) => typeof value === 'string' ? value : JSON.stringify(value)
/** Values and schemas that are JavaScript strings are JSON text already. */
const check = (values: unknown, ...schemas: unknown[]) => engine.check(text(values), schemas.map(text))
const short = async (values: unknown, schema: unknown) =>
  (await check(values, schema)).map(({ path, schema_path: at, message }) => `${path} | ${at ?? ''} | ${message}`)
const draft07 = 'http://json-schema.org/draft-07/schema#'

t.test('finds nothing to say about values that satisfy their schemas', async t => {
  t.same(await check({ host: 'db', port: 5432 },
    { type: 'object', properties: { host: { type: 'string', minLength: 1 }, port: { type: 'integer', minimum: 1 } }, required: ['host'], additionalProperties: false },
    { $schema: draft07, maxProperties: 2 }, true), [])
  t.same(await check({}), [])
})

t.test('says what is wrong, where, and by which keyword', async t => {
  const table: Array<[values: unknown, schema: unknown, ...faults: string[]]> = [
    [{ port: '1' }, { properties: { port: { type: 'integer' } } }, '/port | /properties/port/type | must be an integer'],
    [1.5, { type: ['integer', 'null', 'array'] }, ' | /type | must be an integer, null or an array'],
    [{}, { required: ['host', 'port'] }, ' | /required | must have the member "host"', ' | /required | must have the member "port"'],
    [{ a: 1 }, { dependentRequired: { a: ['b'] } }, ' | /dependentRequired | must have the member "b" because it has "a"'],
    [{ a: 1 }, { $schema: draft07, dependencies: { a: ['b'] } }, ' | /dependencies | must have the member "b" because it has "a"'],
    [{ a: 1 }, { $schema: draft07, dependencies: { a: { required: ['c'] } } }, ' | /dependencies/a/required | must have the member "c"'],
    ['"b"', { pattern: '^a+$' }, ' | /pattern | must match the pattern ^a+$'],
    ['"b"', { format: 'ipv4' }, ' | /format | must be an IPv4 address'],
    ['"b"', { format: 'made-up' }],
    [{ a: 1, 'x/y~': 2 }, { properties: { a: {} }, additionalProperties: false }, '/x~1y~0 | /additionalProperties | is not a member that the schema allows'],
    [{ a: 1, b: 2 }, { allOf: [{ properties: { a: true } }], unevaluatedProperties: false }, '/b | /unevaluatedProperties | is not a member that the schema allows'],
    [[1, 2], { prefixItems: [true], items: false }, '/1 | /items | is an item more than the schema allows'],
    [{ a: 1 }, { properties: { a: false } }, '/a | /properties/a | is not allowed here'],
    [1, false, ' |  | is not allowed here'],
    [{ abc: 1 }, { propertyNames: { maxLength: 2 } }, '/abc | /propertyNames/maxLength | the name of this member must have at most 2 characters'],
    [{ abc: 1 }, { patternProperties: { '^a': { type: 'string' } } }, '/abc | /patternProperties/^a/type | must be a string'],
    [3, { minimum: 4, exclusiveMinimum: 3, maximum: 2, exclusiveMaximum: 3, multipleOf: 2 },
      ' | /minimum | must be at least 4', ' | /exclusiveMinimum | must be greater than 3', ' | /maximum | must be at most 2', ' | /exclusiveMaximum | must be less than 3', ' | /multipleOf | must be a multiple of 2'],
    [[1, 1], { uniqueItems: true, minItems: 3, maxItems: 1 }, ' | /uniqueItems | must not have two equal items', ' | /minItems | must have at least 3 items', ' | /maxItems | must have at most 1 item'],
    [['a'], { contains: { type: 'integer' }, minContains: 2 }, ' | /contains | must have at least 2 items matching the schema under "contains"'],
    [['a'], { $schema: draft07, contains: { type: 'integer' } }, ' | /contains | must have at least 1 item matching the schema under "contains"'],
    [1, { not: { type: 'integer' } }, ' | /not | must not match the schema under "not"'],
    [1, { enum: ['a', null] }, ' | /enum | must be one of "a", null'],
    [1, { const: { b: 1, a: [] } }, ' | /const | must be {"a":[],"b":1}'],
    [{ a: [1, 'x'] }, { properties: { a: { items: { $ref: '#/$defs/n' } } }, $defs: { n: { type: 'number' } } }, '/a/1 | /$defs/n/type | must be a number'],
    [{ a: { a: { b: 1 } } }, { properties: { a: { $ref: '#' }, b: { type: 'string' } } }, '/a/a/b | /properties/b/type | must be a string'],
    [{ a: 1 }, { if: { required: ['a'] }, then: { required: ['b'] }, else: { required: ['c'] } }, ' | /then/required | must have the member "b"'],
    [[1, 'x'], { $schema: draft07, items: [{ type: 'string' }], additionalItems: { type: 'number' } }, '/0 | /items/0/type | must be a string', '/1 | /additionalItems/type | must be a number'],
    [5, { $schema: draft07, $ref: '#/definitions/a', type: 'string', definitions: { a: { maximum: 4 } } }, ' | /definitions/a/maximum | must be at most 4']
  ]
  for (const [values, schema, ...faults] of table) t.same(await short(values, schema), faults, text(schema))
})

t.test('reports the cause below anyOf and oneOf when one alternative was clearly meant', async t => {
  const nullable = { anyOf: [{ type: 'null' }, { type: 'object', required: ['a'] }] }
  t.same(await short({}, nullable), [' | /anyOf/1/required | must have the member "a"'])
  t.same(await short(1, nullable), [' | /anyOf | must be null or an object'])
  const byKind = { oneOf: [{ properties: { kind: { const: 'a' }, x: { type: 'string' } } }, { properties: { kind: { const: 'b' }, x: { type: 'number' } } }] }
  t.same(await short({ kind: 'b', x: true }, byKind), ['/x | /oneOf/1/properties/x/type | must be a number'])
  t.same(await short({ kind: 'c', x: true }, byKind), [' | /oneOf | must match one of the 2 alternatives'])
  t.same(await short({}, byKind), [' | /oneOf | must match exactly one of the 2 alternatives, but matches 2'])
  t.same(await short(1, { anyOf: [{ minimum: 2 }, { minimum: 3 }] }), [' | /anyOf | must match at least one of the 2 alternatives'])
})

t.test('says which schema it was, and tells at most 100 faults', async t => {
  const faults = await check(Array.from({ length: 70 }, (_, i) => i), true, { items: { type: 'string' } }, { items: { type: 'null' } })
  t.equal(faults.length, 100)
  t.equal(faults.filter(fault => fault.schema === 1).length, 70)
  t.equal(faults.filter(fault => fault.schema === 2).length, 30)
  t.equal(new Set(faults.map(fault => fault.schema + fault.path)).size, 100)
})

t.test('keeps the list of faults short, however long the names', async t => {
  const long = (end: string) => 'k'.repeat(200_000) + end + 'k'.repeat(200_000)
  const items = Array.from({ length: 200 }, () => 1)
  const faults = await check({ [long('a')]: items, [long('b')]: items }, { additionalProperties: { items: { type: 'string' } } })
  t.ok(faults.length > 30 && faults.length < 100)
  t.ok(JSON.stringify(faults).length < 128 * 1024)
  t.ok(faults.every(({ path }) => path.length <= 1000))
  t.match(faults[0]?.path, /^\/k+…k+\/0$/)
  // Two whose paths are the same once they are shortened are still two.
  t.equal((await check({ [long('a')]: 1, [long('b')]: 1 }, { additionalProperties: { type: 'string' } })).length, 2)
  const name = 'n'.repeat(30_000)
  const nested = await check(Array.from({ length: 200 }, () => ({ [name]: 1 })), { items: { properties: { [name]: { type: 'string' } } } })
  t.ok(nested.length > 20)
  t.ok(JSON.stringify(nested).length < 128 * 1024)
  t.match(nested[0], { path: /^\/0\/n+…n+$/, schema_path: /^\/items\/properties\/n+…n+\/type$/ })
})

t.test('points at deep members and names whose keys need escapes', async t => {
  t.same(await short({ 'a/b': [{ '~': { 'c"%': 1 } }] }, { additionalProperties: { items: { additionalProperties: { propertyNames: { maxLength: 1 }, additionalProperties: { type: 'string' } } } } }), [
    '/a~1b/0/~0/c"% | /additionalProperties/items/additionalProperties/propertyNames/maxLength | the name of this member must have at most 1 character',
    '/a~1b/0/~0/c"% | /additionalProperties/items/additionalProperties/additionalProperties/type | must be a string'
  ])
})

t.test('reports a cause once that is reached in several ways', async t => {
  t.same(await short(1, { allOf: [{ $ref: '#/$defs/s' }, { $ref: '#/$defs/s' }], $defs: { s: { type: 'string' } } }), [' | /$defs/s/type | must be a string'])
})

t.test('never repeats a value, and keeps messages short', async t => {
  const secret = 'hunter2'
  const long = 'l'.repeat(5000)
  const faults = await check({ a: secret, b: [secret, secret], [long]: secret }, {
    properties: { a: { type: 'integer', const: long, enum: [long], pattern: `^${long}$`, format: 'uuid', maxLength: 1 }, b: { uniqueItems: true, contains: false } },
    required: [long + long],
    not: { required: ['a'] }
  })
  t.ok(faults.length > 8)
  for (const { message } of faults) {
    t.notMatch(message, secret)
    t.ok(message.length <= 300, message.slice(0, 20))
  }
})

t.test('takes names that every JavaScript object has for ordinary names', async t => {
  t.equal((await check({}, { required: ['toString', '__proto__', 'constructor', 'hasOwnProperty'] })).length, 4)
  t.same(await check('{"toString":1,"__proto__":2,"constructor":3,"10":4}', { required: ['toString', '__proto__', 'constructor', '10'] }), [])
  t.same(await check({}, '{"properties":{"constructor":false,"toString":false,"__proto__":false},"dependentRequired":{"toString":["x"]},"additionalProperties":false}'), [])
  const strict = '{"properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"},"10":{"type":"string"}},"additionalProperties":false}'
  t.same((await short('{"__proto__":1,"constructor":2,"10":3,"toString":4}', strict)).sort(), [
    '/10 | /properties/10/type | must be a string',
    '/__proto__ | /properties/__proto__/type | must be a string',
    '/constructor | /properties/constructor/type | must be a string',
    '/toString | /additionalProperties | is not a member that the schema allows'
  ])
  t.same(await short('{"__proto__":{"a":1}}', '{"const":{"__proto__":{"a":1}}}'), [])
  t.equal((await short('{"__proto__":{"a":1}}', '{"const":{"__proto__":{"a":2}}}')).length, 1)
  t.equal((await short('{"constructor":1}', '{"unevaluatedProperties":false}')).length, 1)
  t.same(await short('{"__proto__":1}', '{"$ref":"#/$defs/__proto__","$defs":{"__proto__":{"required":["__proto__"]}}}'), [])
})

t.test('compares constants as JSON values', async t => {
  t.same(await check('{"b":[1.0,{"c":null}],"a":1e2}', '{"const":{"a":100,"b":[1,{"c":null}]}}'), [])
  t.equal((await check('[1,2]', '{"const":[2,1]}')).length, 1)
  t.equal((await check('0', '{"enum":[false,"0",null,[],{}]}')).length, 1)
  t.same(await check('{"$ref":"x","$id":"y"}', '{"enum":[{"$id":"y","$ref":"x"}]}'), [])
  t.equal((await check('null', '{"const":1e400}')).length, 1)
})

t.test('counts decimal steps in decimals', async t => {
  for (const value of ['0.01', '19.99', '4.35', '-1.10', '1e300', '0', '123456789012.34']) t.same(await check(value, { multipleOf: 0.01 }), [], value)
  for (const value of ['0.001', '19.999', '1e-300', '1e400']) t.equal((await check(value, { multipleOf: 0.01 })).length, 1, value)
})

t.test('counts characters, not UTF-16 units', async t => {
  t.same(await check('"😀"', { minLength: 1, maxLength: 1, pattern: '^.$' }), [])
})

t.test('says so when the values or a schema cannot be used', async t => {
  t.same(await check('{', true), [{ schema: 0, path: '', message: 'the values are not JSON' }])
  t.match(await check('['.repeat(100) + ']'.repeat(100), true), [{ schema: 0, message: 'the values nest deeper than 64 levels' }])
  t.same(await check({}, true, { $ref: 'http://a/' }), [{
    schema: 1, path: '', schema_path: '/$ref', message: 'the schema itself cannot be used: only a reference inside this schema (#…) is accepted'
  }])
})
