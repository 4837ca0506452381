import t from 'tap'
import { testApp, type TestApp } from '../support/app.js'

async function billing (t: Parameters<typeof testApp>[0]): Promise<TestApp> {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'billing' })
  return app
}

t.test('a configuration is created and read by reference and id with the very bytes of its values', async (t) => {
  const app = await billing(t)
  const values = String.raw`{"z":1.0,"2":"two","1":"one","e":1E+2,"nested":{"b":[null,{"10":1,"9":2}],"a":-0},"ü":"\u00e9\n"}`
  const created = await app.call('POST', '/configurations', `{ "application": "billing", "name": "prod", "values": ${values} }`)
  t.equal(created.statusCode, 201)
  t.ok(created.body.includes('"values":{"z":1.0,"2":"two","1":"one","e":1E+2,"nested":{"b":[null,{"10":1,"9":2}],"a":-0},"ü":"é\\n"}'), created.body)
  const { id, ...rest } = created.json()
  t.match(rest, { reference: 'billing:prod', name: 'prod', schema: null, extends: [], links: [], labels: {}, abstract: false, version: 1, revision: 2 })
  t.equal(created.headers.location, `/api/v1/configurations/${String(id)}`)
  for (const target of ['billing:prod', id]) t.equal((await app.call('GET', `/configurations/${String(target)}`)).body, created.body)
})

t.test('an application that does not exist, or is not named, is pointed at', async (t) => {
  const app = await billing(t)
  const unknown = await app.call('POST', '/configurations', { application: 'nobody', name: 'x' })
  t.equal(unknown.statusCode, 422)
  t.match(unknown.json(), { type: '/problems/unknown-reference', errors: [{ in: 'body', path: '/application' }] })
  const byId = await app.call('POST', '/configurations', { application_id: '00000000-0000-7000-8000-000000000000', name: 'x' })
  t.match(byId.json(), { type: '/problems/unknown-reference', errors: [{ in: 'body', path: '/application_id' }] })
  t.equal((await app.call('POST', '/configurations', { name: 'x' })).statusCode, 400)
  t.equal((await app.call('POST', '/configurations', { name: 'x', application: 'billing', application_id: '00000000-0000-7000-8000-000000000000' })).statusCode, 400)
})

t.test('extends takes references and ids, in order, and every one that is unknown is pointed at', async (t) => {
  const app = await billing(t)
  const base = (await app.call('POST', '/configurations', { application: 'billing', name: 'base' })).json()
  const other = (await app.call('POST', '/configurations', { application: 'billing', name: 'other' })).json()
  const child = await app.call('POST', '/configurations', { application: 'billing', name: 'child', extends: ['billing:other', base.id] })
  t.same(child.json().extends, [{ id: other.id, reference: 'billing:other' }, { id: base.id, reference: 'billing:base' }])
  t.equal((await app.call('PUT', '/configurations/billing:child', child.json())).json().version, 1, 'the body of a GET changes nothing')
  const unknown = await app.call('PUT', '/configurations/billing:child', { extends: ['billing:base', 'billing:nope', 'nobody:x'] })
  t.equal(unknown.statusCode, 422)
  t.same(unknown.json().errors.map(({ path }: { path: string }) => path), ['/extends/1', '/extends/2'])
  const twice = await app.call('PUT', '/configurations/billing:child', { extends: ['billing:base', base.id] })
  t.equal(twice.statusCode, 422)
  const blocked = await app.call('DELETE', '/configurations/billing:base')
  t.equal(blocked.statusCode, 409)
  t.match(blocked.json(), { type: '/problems/dependents-exist', dependents_count: 1, dependents: [{ reference: 'billing:child' }] })
})

t.test('a circle is refused and spelled out', async (t) => {
  const app = await billing(t)
  for (const [name, parents] of [['a', []], ['b', ['billing:a']], ['c', ['billing:b']]] as const) {
    await app.call('POST', '/configurations', { application: 'billing', name, extends: parents })
  }
  const circle = await app.call('PATCH', '/configurations/billing:a', { extends: ['billing:c'] })
  t.equal(circle.statusCode, 409)
  t.match(circle.json(), { type: '/problems/circular-dependency', cycle: ['billing:a', 'billing:c', 'billing:b', 'billing:a'] })
  const self = await app.call('PATCH', '/configurations/billing:a', { extends: ['billing:a'] })
  t.match(self.json(), { cycle: ['billing:a', 'billing:a'] })
})

t.test('a stale If-Match is refused with 412 and the current version, a fresh one is taken', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', { values: { a: 1 } })
  const write = async (method: string, headers: Record<string, string>, body: unknown = { values: { a: Math.random() } }) => await app.call(method, '/configurations/billing:prod', body, headers)
  t.equal((await write('PUT', { 'if-match': '"v1"' })).statusCode, 200)
  for (const method of ['PUT', 'PATCH']) {
    const stale = await write(method, { 'if-match': '"v1"' })
    t.equal(stale.statusCode, 412)
    t.match(stale.json(), { type: '/problems/stale-version', current_version: 2 })
  }
  t.equal((await app.call('DELETE', '/configurations/billing:prod', undefined, { 'if-match': '"v1"' })).statusCode, 412)
  t.equal((await write('PUT', { 'if-match': '"v9", "v2"' })).statusCode, 200, 'one of several is enough')
  t.equal((await write('PUT', { 'if-match': 'W/"v3"' })).statusCode, 412, 'a weak tag never matches')
  t.equal((await write('PUT', { 'if-match': '*' })).statusCode, 200)
  t.equal((await write('PUT', { 'if-none-match': '*' })).statusCode, 412)
  t.equal((await write('PUT', { 'if-match': 'v4' })).statusCode, 400, 'without its quotes it is no tag')
  t.equal((await app.call('PUT', '/configurations/billing:new', {}, { 'if-match': '*' })).statusCode, 412)
  t.equal((await app.call('PUT', '/configurations/billing:new', {}, { 'if-none-match': '*' })).statusCode, 201)
})

t.test('a GET with the ETag at hand answers 304 with revision and epoch', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', {})
  const cached = await app.call('GET', '/configurations/billing:prod', undefined, { 'if-none-match': '"v7", W/"v1"' })
  t.equal(cached.statusCode, 304)
  t.equal(cached.body, '')
  t.equal(cached.headers['x-config-revision'], '2')
  t.match(cached.headers['x-config-epoch'], /^[0-9a-f]{8}$/)
  t.ok(cached.headers.traceparent)
  t.equal((await app.call('GET', '/configurations/billing:prod', undefined, { 'if-none-match': '"v2"' })).statusCode, 200)
})

t.test('a configuration is renamed but not moved', async (t) => {
  const app = await billing(t)
  await app.call('POST', '/applications', { name: 'other' })
  const { id } = (await app.call('PUT', '/configurations/billing:prod', {})).json()
  t.match((await app.call('PATCH', '/configurations/billing:prod', { name: 'live' })).json(), { id, reference: 'billing:live', version: 2 })
  t.equal((await app.call('PUT', '/configurations/billing:live', { application: 'other' })).statusCode, 422)
  t.equal((await app.call('PUT', '/configurations/billing:live', { application: 'billing' })).statusCode, 200)
  t.equal((await app.call('PUT', '/configurations/nobody:live', {})).statusCode, 404)
})

t.test('a null in values is kept by PUT and JSON Patch; a merge patch takes the own entry away', async (t) => {
  const app = await billing(t)
  const put = await app.call('PUT', '/configurations/billing:prod', { values: { a: null, b: 1, c: { d: null } } })
  t.ok(put.body.includes('"values":{"a":null,"b":1,"c":{"d":null}}'))
  const merged = await app.call('PATCH', '/configurations/billing:prod', { values: { a: null, c: { e: 1 } } })
  t.ok(merged.body.includes('"values":{"b":1,"c":{"d":null,"e":1}}'), merged.body)
  const patched = await app.call('PATCH', '/configurations/billing:prod', [{ op: 'add', path: '/values/b', value: null }], { 'content-type': 'application/json-patch+json' })
  t.ok(patched.body.includes('"values":{"b":null,'), patched.body)
})

t.test('values that do not satisfy their schema are refused with the exact paths', async (t) => {
  const app = await billing(t)
  const schema = { type: 'object', required: ['port', 'host'], properties: { port: { type: 'integer' }, db: { type: 'object', properties: { pool: { maximum: 10 } } } } }
  const bad = await app.call('POST', '/configurations', { application: 'billing', name: 'prod', schema, values: { port: 'x', db: { pool: 11 } } })
  t.equal(bad.statusCode, 422)
  t.equal(bad.json().type, '/problems/invalid-values')
  t.same(bad.json().errors.map(({ path, schema_path: at }: { path: string, schema_path: string }) => [path, at]).sort(), [
    ['/values', '/required'], ['/values/db/pool', '/properties/db/properties/pool/maximum'], ['/values/port', '/properties/port/type']
  ])
  t.equal((await app.call('POST', '/configurations', { application: 'billing', name: 'prod', schema, values: { port: 1, host: 'h', gone: null } })).statusCode, 201)
  t.equal((await app.call('POST', '/configurations', { application: 'billing', name: 'base', schema, abstract: true })).statusCode, 201, 'an abstract one is not checked')
  t.equal((await app.call('PATCH', '/configurations/billing:prod', { values: { port: 1.5 } })).statusCode, 422)
  t.equal((await app.call('PATCH', '/configurations/billing:base', { abstract: false })).statusCode, 422)
  t.equal((await app.call('GET', '/configurations/billing:prod')).json().version, 1, 'nothing was stored')
})

t.test('schemas that cannot be used are refused', async (t) => {
  const app = await billing(t)
  for (const [schema, path] of [
    [{ type: 'strin' }, '/schema/type'],
    [{ properties: { a: { $ref: 'https://example.com/x.json' } } }, '/schema/properties/a/$ref'],
    [{ $ref: '#/$defs/missing' }, '/schema/$ref'],
    [{ pattern: '(a)\\1' }, '/schema/pattern']
  ] as const) {
    const refused = await app.call('PUT', '/configurations/billing:prod', { schema })
    t.equal(refused.statusCode, 422)
    t.match(refused.json(), { type: '/problems/invalid-schema', errors: [{ in: 'body', path }] })
  }
  const large = await app.call('PUT', '/configurations/billing:prod', { schema: { description: 'x'.repeat(65 * 1024) } })
  t.equal(large.statusCode, 422)
  t.equal((await app.call('PUT', '/configurations/billing:prod', { schema: 'string' })).statusCode, 400)
})

t.test('a key for a POST gives the stored answer again, and is refused for another request', async (t) => {
  const app = await billing(t)
  const post = async (body: unknown, key = 'k-1') => await app.call('POST', '/configurations', body, { 'idempotency-key': key })
  const first = await post({ application: 'billing', name: 'a', extends: [], labels: { x: 'y' } })
  await app.call('PATCH', '/applications/billing', { name: 'renamed' })
  await app.call('PATCH', '/configurations/renamed:a', { description: 'changed' })
  const again = await post({ application: 'billing', name: 'a', extends: [], labels: { x: 'y' } })
  t.equal(again.statusCode, 201)
  t.equal(again.body, first.body, 'the answer of then, whatever happened since')
  t.equal(again.headers.etag, first.headers.etag)
  t.equal(again.headers.location, first.headers.location)
  t.equal(again.headers['x-config-revision'], first.headers['x-config-revision'])
  const other = await post({ application: 'renamed', name: 'b' })
  t.equal(other.statusCode, 422)
  t.equal(other.json().type, '/problems/idempotency-key-reused')
  const refused = await post({ application: 'renamed', name: 'a' }, 'k-2')
  t.equal(refused.statusCode, 409)
  await app.call('DELETE', '/configurations/renamed:a')
  t.equal((await post({ application: 'renamed', name: 'a' }, 'k-2')).statusCode, 201, 'a refusal is not an answer that is kept')
  t.equal((await post({}, 'not visible')).statusCode, 400)
  t.equal((await post({}, 'x'.repeat(129))).statusCode, 400)
})

t.test('many requests with one key at the same time make one object', async (t) => {
  const app = await billing(t)
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await app.call('POST', '/configurations', { application: 'billing', name: 'a' }, { 'idempotency-key': 'same' })))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([201]))
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
})

t.test('the message of a change is in its history', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', {}, { 'x-change-message': encodeURIComponent('wegen Störung – #42') })
  const { items: [version] } = (await app.call('GET', '/configurations/billing:prod/versions')).json()
  t.match(version, { version: 1, operation: 'create', author: 'anonymous', message: 'wegen Störung – #42', trace_id: /^[0-9a-f]{32}$/ })
  t.equal((await app.call('PUT', '/configurations/billing:prod', {}, { 'x-change-message': '%zz' })).statusCode, 400)
  t.equal((await app.call('PUT', '/configurations/billing:prod', {}, { 'x-change-message': 'x'.repeat(501) })).statusCode, 400)
})

t.test('lists leave values and schema out unless asked, and filter', async (t) => {
  const app = await billing(t)
  await app.call('POST', '/applications', { name: 'web' })
  await app.call('PUT', '/configurations/web:prod', { values: { a: 1 }, labels: { stage: 'prod' } })
  await app.call('PUT', '/configurations/billing:prod', { values: { b: 1 }, labels: { stage: 'prod' }, schema: {} })
  await app.call('PUT', '/configurations/billing:test', { labels: { stage: 'test' } })
  const list = async (query: string): Promise<Array<Record<string, unknown>>> => (await app.call('GET', `/configurations?${query}`)).json().items
  t.same((await list('')).map(({ reference }) => reference), ['billing:prod', 'billing:test', 'web:prod'])
  t.notOk((await list('')).some((item) => 'values' in item || 'schema' in item))
  t.match((await list('include=values'))[0], { values: { b: 1 }, schema: {} })
  t.same((await list('application=web')).map(({ reference }) => reference), ['web:prod'])
  t.same((await list('label=stage=prod&name=pr&application=billing')).map(({ reference }) => reference), ['billing:prod'])
  t.same(await list('application=nobody'), [])
  const { next_cursor: next } = (await app.call('GET', '/configurations?application=billing&limit=1')).json()
  t.equal((await app.call('GET', `/configurations?application=billing&cursor=${String(next)}`)).json().items.length, 1)
  t.equal((await app.call('GET', `/configurations?application=web&cursor=${String(next)}`)).statusCode, 400, 'a cursor goes on with its own list only')
  for (const query of ['limit=0', 'limit=501', 'limit=x', 'cursor=x', 'cursor=WzFd', 'cursor=W10', 'include=all', 'labl=x', 'application=A B', 'name=UPPER']) {
    t.equal((await app.call('GET', `/configurations?${query}`)).statusCode, 400, query)
  }
})

t.test('versions, a version and the diff between two tell what happened', async (t) => {
  const app = await billing(t)
  const { id } = (await app.call('PUT', '/configurations/billing:prod', { values: { a: 1, list: [1, 2, 3] } })).json()
  await app.call('PUT', '/configurations/billing:prod', { values: { a: 2, list: [1, 3] }, description: 'd' })
  await app.call('DELETE', '/configurations/billing:prod')
  const versions = (await app.call('GET', `/configurations/${String(id)}/versions?limit=2`)).json()
  t.same(versions.items.map(({ version, operation }: { version: number, operation: string }) => [version, operation]), [[3, 'delete'], [2, 'update']])
  const rest = (await app.call('GET', `/configurations/${String(id)}/versions?cursor=${String(versions.next_cursor)}`)).json()
  t.same(rest.items.map(({ version }: { version: number }) => version), [1])
  t.equal(rest.next_cursor, null)
  t.match((await app.call('GET', `/configurations/${String(id)}/versions/1`)).json(), { version: 1, content: { name: 'prod', values: { a: 1 } } })
  t.equal((await app.call('GET', `/configurations/${String(id)}/versions/3`)).json().content, null)
  t.equal((await app.call('GET', `/configurations/${String(id)}/versions/4`)).statusCode, 404)
  t.same((await app.call('GET', `/configurations/${String(id)}/diff?from=1&to=2`)).json(), {
    from: 1,
    to: 2,
    patch: [
      { op: 'replace', path: '/description', value: 'd' },
      { op: 'replace', path: '/values/a', value: 2 },
      { op: 'remove', path: '/values/list/1' }
    ]
  })
  t.match((await app.call('GET', `/configurations/${String(id)}/diff`)).json(), { from: 2, to: 3, patch: [{ op: 'replace', path: '', value: null }] })
  t.equal((await app.call('GET', `/configurations/${String(id)}`)).statusCode, 410)
  t.equal((await app.call('GET', '/configurations/billing:prod/versions')).statusCode, 404)
})

t.test('an idempotent rollback is answered again after a rename and after the object is gone', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', { values: { a: 1 } })
  await app.call('PUT', '/configurations/billing:prod', { values: { a: 2 } })
  const back = async (headers = {}) => await app.call('POST', '/configurations/billing:prod/rollback', { version: 1 }, { 'idempotency-key': 'rb', ...headers })
  const first = await back()
  t.equal(first.statusCode, 200)
  await app.call('PATCH', '/configurations/billing:prod', { name: 'other' })
  t.equal((await back()).body, first.body)
  await app.call('DELETE', '/configurations/billing:other')
  t.equal((await back()).body, first.body)
  t.equal((await back({ 'if-match': '"v1"' })).statusCode, 422, 'with another precondition it is another request')
})

t.test('a stale precondition is said before anything is said of a patch that no longer fits', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', { values: { a: 1 } })
  const remove = async () => await app.call('PATCH', '/configurations/billing:prod', [{ op: 'remove', path: '/values/a' }], { 'content-type': 'application/json-patch+json', 'if-match': '"v1"' })
  t.equal((await remove()).statusCode, 200)
  const again = await remove()
  t.equal(again.statusCode, 412)
  t.match(again.json(), { current_version: 2 })
  t.equal((await app.call('PATCH', '/configurations/billing:prod', { application: 'elsewhere' })).statusCode, 422, 'it is not moved in silence')
})

t.test('lists of tags are read as HTTP writes them', async (t) => {
  const app = await billing(t)
  await app.call('PUT', '/configurations/billing:prod', {})
  const put = async (tags: string) => (await app.call('PUT', '/configurations/billing:prod', {}, { 'if-match': tags })).statusCode
  for (const tags of ['"v1",', ', "a,b" ,"v1"', '"v1"']) t.equal(await put(tags), 200, tags)
  for (const tags of ['"v01"', '"a,b"', '"v1x"', 'W/"v1"']) t.equal(await put(tags), 412, tags)
  for (const tags of ['v1', '"v1" "v2"', '"v1', '*, "v1"', ',']) t.equal(await put(tags), 400, tags)
})

t.test('a page of large configurations ends before it is too large, and goes on', async (t) => {
  const app = await billing(t)
  const values = { text: 'x'.repeat(900_000) }
  for (let n = 0; n < 12; n++) await app.call('PUT', `/configurations/billing:c${String(n).padStart(2, '0')}`, { values })
  const seen: string[] = []
  let pages = 0
  for (let cursor = ''; ;pages++) {
    const page = await app.call('GET', `/configurations?include=values&limit=500${cursor}`)
    t.ok(page.body.length < 10_000_000, `${page.body.length} bytes`)
    const { items, next_cursor: next } = page.json()
    seen.push(...items.map(({ name }: { name: string }) => name))
    if (next === null) break
    cursor = `&cursor=${String(next)}`
  }
  t.equal(pages, 1, 'two pages')
  t.same(seen, Array.from({ length: 12 }, (_, n) => `c${String(n).padStart(2, '0')}`))
  t.equal((await app.call('GET', '/configurations?limit=500')).json().items.length, 12, 'without values it is one page')
})

t.test('an object as large as is accepted can still be patched', async (t) => {
  const app = await billing(t)
  const values = `{"t":"${'x'.repeat(1_048_000)}"}`
  t.equal((await app.call('PUT', '/configurations/billing:large', `{"values":${values}}`)).statusCode, 201)
  t.equal((await app.call('PATCH', '/configurations/billing:large', { description: 'large' })).statusCode, 200)
  t.equal((await app.call('PATCH', '/configurations/billing:large', { values: { more: 'x'.repeat(200_000) } })).statusCode, 413)
})
