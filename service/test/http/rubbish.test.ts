import { connect } from 'node:net'
import t from 'tap'
import { encodeCursor } from '../../src/cursor.js'
import { testApp } from '../support/app.js'

const deep = (levels: number): string => '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1)

t.test('bodies that cannot be kept are refused with 400 and the place, and nothing is stored', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  const cases: Array<[name: string, body: string | Buffer, path: string | undefined]> = [
    ['malformed JSON', '{"values": {"a": }', '/values/a'],
    ['trailing data', '{} {}', ''],
    ['an empty body', '', ''],
    ['a byte order mark', '\ufeff{}', ''],
    ['nesting of 1,000', `{"values":${deep(1000)}}`, undefined],
    ['values nested 33 deep', `{"values":${deep(33)}}`, '/values'],
    ['__proto__', '{"values":{"__proto__":{"polluted":true}}}', '/values/__proto__'],
    ['an escaped __proto__', '{"values":{"\\u005f_proto__":1}}', '/values/__proto__'],
    ['a null character', '{"values":{"a":"\\u0000"}}', '/values/a'],
    ['a null character in a key', '{"values":{"a\\u0000":1}}', undefined],
    ['a raw null byte', Buffer.from('{"values":{"a":"\0"}}'), '/values/a'],
    ['invalid UTF-8', Buffer.concat([Buffer.from('{"values":{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}}')]), undefined],
    ['a lone surrogate', '{"values":{"a":"\\ud800"}}', '/values/a'],
    ['duplicate keys', '{"values":{"a":1,"\\u0061":2}}', '/values/a'],
    ['1e999', '{"values":{"a":[1e999]}}', '/values/a/0'],
    ['a number of 20 digits', '{"values":{"n":12345678901234567890}}', '/values/n'],
    ['an unknown field', '{"valeus":{}}', '/valeus'],
    ['values that are an array', '{"values":[]}', '/values'],
    ['a name in upper case', '{"name":"Prod"}', '/name'],
    ['a name like a UUID', '{"name":"01a1fdc6-ff6e-7afd-a247-e8bcd4391033"}', '/name'],
    ['33 parents', JSON.stringify({ extends: Array.from({ length: 33 }, (_, n) => `a:p${n}`) }), '/extends'],
    ['a reference with two colons', '{"extends":["a:b:c"]}', '/extends/0'],
    ['a link that runs a script', '{"links":[{"kind":"image","url":"javascript:alert(1)"}]}', '/links/0/url'],
    ['a label with a bad key', '{"labels":{"=":"x"}}', undefined],
    ['a label that is a number', '{"labels":{"x":1}}', '/labels/x'],
    ['an array as body', '[]', ''],
    ['a string as body', '"x"', '']
  ]
  for (const [name, body, path] of cases) {
    const answer = await app.call('PUT', '/configurations/a:x', body)
    t.equal(answer.statusCode, 400, `${name}: ${answer.body.slice(0, 300)}`)
    t.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8', name)
    const { errors, type, trace_id: traceId } = answer.json()
    t.equal(type, '/problems/malformed-request', name)
    t.equal(traceId, answer.headers['x-trace-id'], name)
    if (path !== undefined) t.ok(errors.some((error: { path: string }) => error.path === path), `${name} is at ${path}: ${JSON.stringify(errors)}`)
  }
  t.equal((await app.call('GET', '/configurations/a:x')).statusCode, 404)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
  t.equal((await app.call('PUT', '/configurations/a:x', `{"values":${deep(32)}}`)).statusCode, 201, '32 levels are taken')
})

t.test('all faults of a request are reported at once, the first hundred', async (t) => {
  const app = await testApp(t)
  const many = await app.call('POST', '/configurations', Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x${n}`, n])))
  t.equal(many.json().errors.length, 100)
  const mixed = await app.call('PUT', '/configurations/a:x?nonsense=1', { name: 'A', labels: 1 })
  t.same(mixed.json().errors.map((error: { in: string, path: string }) => [error.in, error.path]).sort(), [['body', '/labels'], ['body', '/name'], ['query', 'nonsense']])
})

t.test('types, encodings and sizes that are not taken are refused by their own problems', async (t) => {
  const app = await testApp(t)
  const put = async (headers: Record<string, string>, body = '{}') => await app.call('PUT', '/applications/a', body, headers)
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json; charset=utf-16', 'application/merge-patch+json', 'nonsense']) {
    t.equal((await put({ 'content-type': type })).statusCode, 415, type)
  }
  t.equal((await put({ 'content-encoding': 'gzip' })).statusCode, 415)
  t.equal((await app.call('DELETE', '/applications/nobody', '', { 'content-type': 'application/json' })).statusCode, 404, 'a type without a body is no fault of a DELETE')
  t.equal((await put({ 'content-type': 'application/json; charset=UTF-8' })).statusCode, 201)
  const large = await put({}, `{"description":"${'x'.repeat(2 * 1024 * 1024)}"}`)
  t.equal(large.statusCode, 413)
  t.equal(large.json().type, '/problems/body-too-large')
  t.equal((await app.call('PATCH', '/applications/a', [{ op: 'x' }], { 'content-type': 'application/json-patch+json' })).statusCode, 400)
  t.equal((await app.call('PATCH', '/applications/a', [], {})).statusCode, 400, 'a merge patch is an object')
})

t.test('paths that name nothing are refused', async (t) => {
  const app = await testApp(t)
  for (const [path, status] of [
    ['/configurations/prod', 400], ['/configurations/A:b', 400], ['/configurations/a:b:c', 400], ['/configurations/%zz', 400],
    [`/configurations/${'x'.repeat(1500)}`, 400], ['/applications/..', 404], ['/applications/A', 400], ['/nothing', 404],
    ['/configurations/a:b/versions/x', 400], ['/configurations/a:b/versions/99999999999', 400], ['/configurations/a:b', 404]
  ] as const) {
    const answer = await app.call('GET', path)
    t.equal(answer.statusCode, status, `${path} ${answer.body}`)
    t.match(answer.json(), { type: /^\/problems\//, errors: Array })
    t.match(answer.headers['x-config-epoch'], /^[0-9a-f]{8}$/, path)
  }
})

t.test('a schema with an exponential pattern is answered quickly and harms nobody', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  const bomb = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`d${n}`, { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] }]))
  const schemas = [
    [{ properties: { a: { pattern: '^(a+)+$' } } }, { a: 'a'.repeat(50_000) + '!' }],
    [{ properties: { a: { pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' } } }, { a: 'a'.repeat(50_000) }],
    [{ $ref: '#/$defs/d0', $defs: { ...bomb, d30: { type: 'object', required: ['x'] } } }, {}]
  ]
  for (const [schema, values] of schemas) {
    const refused = await app.call('PUT', '/configurations/a:x', { schema, values })
    t.equal(refused.statusCode, 422, refused.body.slice(0, 200))
  }
  t.equal((await app.call('PUT', '/configurations/a:x', { schema: { type: 'object' } })).statusCode, 201)
})

t.test('what is not HTTP is answered on the socket, and the service goes on', async (t) => {
  const app = await testApp(t)
  await app.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.server.address() as { port: number }
  const send = async (text: string): Promise<string> => await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => { socket.write(text) })
    let received = ''
    socket.setTimeout(5000, () => { socket.destroy() })
    socket.on('data', (data) => { received += data.toString() }).on('close', () => { resolve(received) }).on('error', reject)
  })
  const head = 'POST /api/v1/applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  const cases: Array<[string, string, RegExp]> = [
    ['10,000 headers', `${head}${Array.from({ length: 10_000 }, (_, n) => `x-${n}: 1`).join('\r\n')}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['a length and chunks', `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['two lengths', `${head}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}`, /^HTTP\/1\.1 400 /],
    ['an obscured encoding', `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['another encoding', `${head}Transfer-Encoding: gzip, identity\r\n\r\n{}`, /^HTTP\/1\.1 400 /],
    ['a header that goes on in the next line', `${head}X-A: 1\r\n 2\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a bare line feed in a chunk', `${head}Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a request without Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a proxy request', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400 /]
  ]
  for (const [name, text, expected] of cases) {
    const answer = await send(text)
    t.match(answer, expected, name)
    t.equal(answer.split('HTTP/1.1 ').length, 2, `${name}: one answer, not two`)
    t.match(answer, /x-config-epoch: [0-9a-f]{8}/, name)
    t.match(answer, /"type":"\/problems\//, name)
  }
  t.equal((await app.call('GET', '/applications')).json().items.length, 0)
})

t.test('a request that garbage follows is answered itself, before the garbage', async (t) => {
  const app = await testApp(t)
  await app.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.server.address() as { port: number }
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write('POST /api/v1/applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"name":"r2"}GARBAGE\r\n\r\n')
    })
    let received = ''
    socket.on('data', (data) => { received += data.toString() }).on('close', () => { resolve(received) }).on('error', reject)
  })
  t.match(answer, /^HTTP\/1\.1 201 [^]*HTTP\/1\.1 400 /)
  t.equal((await app.call('GET', '/applications/r2')).statusCode, 200)
})

t.test('a request with very many faults is refused in time that grows no faster than its size', async (t) => {
  const app = await testApp(t)
  const time = async (body: string): Promise<number> => {
    const begun = performance.now()
    const answer = await app.call('POST', '/configurations', body)
    t.equal(answer.statusCode, 400)
    t.ok(answer.body.length < 200_000, 'the answer is not a multiple of the request')
    return performance.now() - begun
  }
  const many = (n: number): string[] => [
    JSON.stringify({ application: 'a', name: 'x', extends: Array(n).fill(1) }),
    JSON.stringify({ application: 'a', name: 'x', links: Array.from({ length: 100 }, () => Object.fromEntries(Array.from({ length: n / 1000 }, (_, key) => [`k${key}`, 1]))) }),
    JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, key) => [`k${key}`, 1]))),
    `{"${'k'.repeat(n)}":1}`
  ]
  const [small, large] = [many(10_000), many(80_000)]
  for (const [index, body] of large.entries()) {
    await time(small[index] ?? '')
    const ratio = await time(body) / Math.max(await time(small[index] ?? ''), 5)
    t.ok(ratio < 40, `eight times the size takes ${ratio.toFixed(1)} times as long`)
  }
})

t.test('parameters that PostgreSQL could not take are refused', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a', labels: { constructor: 'x' } })
  const cursor = (key: unknown[]): string => encodeCursor(key as string[])
  for (const path of [
    '/applications?label=%00=x', '/applications?label=a%00', '/applications?label=a=%00', '/applications?label=',
    `/applications?cursor=${cursor(['a\0'])}`, `/configurations?cursor=${cursor(['\0', 'b'])}`, `/configurations?cursor=${cursor(['a'])}`,
    `/applications/a/versions?cursor=${cursor([2147483648])}`, `/applications/a/versions?cursor=${cursor([-9007199254740991])}`, `/applications/a/versions?cursor=${cursor([1.5])}`
  ]) t.equal((await app.call('GET', path)).statusCode, 400, path)
  const application = '01a1fdc6-ff6e-7afd-a247-e8bcd4391033'
  for (const label of [['a=1', 'a'], ['a=1', 'a', 'a=2'], ['a=1', 'a', 'a=2', 'b=1', 'b=2']]) {
    const cursorOf = encodeCursor(['app1', 'b'], { application, name: 'c', label })
    const path = `/configurations?include=values&application=${application}&name=c&${label.map((one) => `label=${one}`).join('&')}&cursor=${cursorOf}`
    t.equal((await app.call('GET', path)).statusCode, 200, path)
  }
  t.equal((await app.call('GET', '/applications?label=constructor=x')).json().items.length, 1)
  t.equal((await app.call('GET', '/applications?label=toString')).json().items.length, 0)
})

t.test('web pages of elsewhere are not served, under whatever name they reach this machine', async (t) => {
  const app = await testApp(t)
  const status = async (headers: Record<string, string>): Promise<number> => (await app.call('POST', '/applications', { name: 'a' }, headers)).statusCode
  for (const host of ['evil.example', 'evil.example:8000', '127.0.0.1.evil.example', '10.0.0.1:8000', '127.0.0.1@evil.example', 'localhost.evil.example']) t.equal(await status({ host }), 403, host)
  for (const origin of ['http://evil.example', 'null', 'https://localhost.evil.example', 'http://127.0.0.1@evil.example']) t.equal(await status({ origin }), 403, origin)
  t.equal((await app.call('GET', '/applications')).json().items.length, 0)
  const [first, ...others] = ['localhost', 'localhost:8000', '127.0.0.1:8000', '[::1]:8000']
  t.equal(await status({ host: String(first), origin: 'http://localhost:3000' }), 201)
  for (const host of others) t.equal(await status({ host }), 409, host)
})
