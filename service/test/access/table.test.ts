import { once } from 'node:events'
import { connect } from 'node:net'
import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { createApp } from '../../src/app.js'
import { appOptions, testApp, type TestApp } from '../support/app.js'

// Every operation of the interface, for every kind of caller. An operation that is not in the table fails.

const ADMIN = 'a-bootstrap-token-of-enough-characters'
const env = { ACCESS: 'token', ADMIN_TOKEN: ADMIN }

type Role = 'reader' | 'editor' | 'admin'
interface Rule {
  /** The least role; nothing: everybody. */
  role?: Role
  /** What a caller gets who is limited to another application. */
  elsewhere: number
  /** What everybody else gets. */
  ok: number
  /** The request, on an application `mine` and a configuration `mine:c<n>` that are there for it. */
  request: (n: number) => [method: string, path: string, body?: unknown]
}

const read = { role: 'reader', elsewhere: 404, ok: 200 } as const
const edit = { role: 'editor', elsewhere: 404, ok: 200 } as const
const rule = (of: Omit<Rule, 'request'>, request: Rule['request']): Rule => ({ ...of, request })

const table: Record<string, Rule> = {
  health: rule({ elsewhere: 200, ok: 200 }, () => ['GET', '//health']),
  live: rule({ elsewhere: 200, ok: 200 }, () => ['GET', '//health/live']),
  ready: rule({ elsewhere: 200, ok: 200 }, () => ['GET', '//health/ready']),
  // From loopback, as here, everybody may; there is no exporter in a test.
  metrics: rule({ elsewhere: 404, ok: 404 }, () => ['GET', '//metrics']),
  createApplication: rule({ role: 'admin', elsewhere: 403, ok: 201 }, (n) => ['POST', '/applications', { name: `new-${n}` }]),
  listApplications: rule({ role: 'reader', elsewhere: 200, ok: 200 }, () => ['GET', '/applications']),
  readApplication: rule(read, () => ['GET', '/applications/mine']),
  replaceApplication: rule({ role: 'admin', elsewhere: 404, ok: 200 }, (n) => ['PUT', '/applications/mine', { name: 'mine', description: `${n}` }]),
  patchApplication: rule({ role: 'admin', elsewhere: 404, ok: 200 }, (n) => ['PATCH', '/applications/mine', { description: `${n}` }]),
  deleteApplication: rule({ role: 'admin', elsewhere: 404, ok: 409 }, () => ['DELETE', '/applications/mine']),
  rollbackApplication: rule({ role: 'admin', elsewhere: 404, ok: 200 }, () => ['POST', '/applications/mine/rollback', { version: 1 }]),
  listApplicationVersions: rule(read, () => ['GET', '/applications/mine/versions']),
  readApplicationVersion: rule(read, () => ['GET', '/applications/mine/versions/1']),
  diffApplication: rule(read, () => ['GET', '/applications/mine/diff']),
  createConfiguration: rule({ role: 'editor', elsewhere: 422, ok: 201 }, (n) => ['POST', '/configurations', { application: 'mine', name: `new-${n}` }]),
  listConfigurations: rule({ role: 'reader', elsewhere: 200, ok: 200 }, () => ['GET', '/configurations']),
  readConfiguration: rule(read, (n) => ['GET', `/configurations/mine:c${n}`]),
  replaceConfiguration: rule(edit, (n) => ['PUT', `/configurations/mine:c${n}`, { values: { n } }]),
  patchConfiguration: rule(edit, (n) => ['PATCH', `/configurations/mine:c${n}`, { values: { n } }]),
  deleteConfiguration: rule(edit, (n) => ['DELETE', `/configurations/mine:c${n}`]),
  rollbackConfiguration: rule(edit, (n) => ['POST', `/configurations/mine:c${n}/rollback`, { version: 1 }]),
  listConfigurationVersions: rule(read, (n) => ['GET', `/configurations/mine:c${n}/versions`]),
  readConfigurationVersion: rule(read, (n) => ['GET', `/configurations/mine:c${n}/versions/1`]),
  diffConfiguration: rule(read, (n) => ['GET', `/configurations/mine:c${n}/diff`]),
  createToken: rule({ role: 'admin', elsewhere: 403, ok: 201 }, (n) => ['POST', '/tokens', { name: `made-${n}`, role: 'reader' }]),
  listTokens: rule({ role: 'admin', elsewhere: 403, ok: 200 }, () => ['GET', '/tokens']),
  revokeToken: rule({ role: 'admin', elsewhere: 403, ok: 404 }, () => ['DELETE', '/tokens/0000000000000000'])
}
// What is for callers who are not limited to any application refuses those who are, whichever it is.
const forAll = new Set(['createApplication', 'createToken', 'listTokens', 'revokeToken'])

const RANK: Record<Role, number> = { reader: 1, editor: 2, admin: 3 }

async function as (app: TestApp, token: string | undefined, [method, path, body]: [string, string, unknown?]): Promise<LightMyRequestResponse> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  // Two slashes: outside of /api/v1.
  if (path.startsWith('//')) return await app.server.inject({ url: path.slice(1), headers })
  return await app.call(method, path, body, headers)
}

async function secured (t: Parameters<typeof testApp>[0]): Promise<{ app: TestApp, token: (role: Role, application?: string) => Promise<string> }> {
  const app = await testApp(t, { env })
  for (const name of ['mine', 'other']) t.equal((await as(app, ADMIN, ['POST', '/applications', { name }])).statusCode, 201)
  let count = 0
  return {
    app,
    async token (role, application) {
      const answer = await as(app, ADMIN, ['POST', '/tokens', { name: `t${count++}`, role, ...(application === undefined ? {} : { application }) }])
      t.equal(answer.statusCode, 201)
      return answer.json().token
    }
  }
}

t.test('every operation answers every kind of caller as the table says', async (t) => {
  const { app, token } = await secured(t)
  const described = (await app.server.inject('/openapi.json')).json() as { paths: Record<string, Record<string, { operationId: string }>> }
  const operations = Object.values(described.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId)).filter((id) => id !== undefined)
  t.same(operations.filter((id) => !(id in table)), [], 'every operation is in the table')
  t.same(Object.keys(table).filter((id) => !operations.includes(id)), [], 'and nothing else')

  let n = 0
  let tried = 0
  for (const [operation, { role, elsewhere, ok, request }] of Object.entries(table)) {
    const callers: Array<[string, string | undefined, Role | undefined, 'mine' | 'other' | undefined]> = [
      ['nobody', undefined, undefined, undefined], ['a wrong token', `cfg_${'0'.repeat(16)}_${'A'.repeat(43)}`, undefined, undefined]
    ]
    for (const one of ['reader', 'editor', 'admin'] as const) {
      for (const application of [undefined, 'mine', 'other'] as const) callers.push([`${one} of ${application ?? 'all'}`, await token(one, application), one, application])
    }
    for (const [name, credential, has, application] of callers) {
      n += 1
      await as(app, ADMIN, ['POST', '/configurations', { application: 'mine', name: `c${n}` }])
      const expected = role === undefined
        ? credential !== undefined && has === undefined && !['live', 'ready'].includes(operation) ? 401 : ok
        : has === undefined ? 401 : RANK[has] < RANK[role] ? 403 : application === 'other' ? elsewhere : application === 'mine' && forAll.has(operation) ? 403 : ok
      const answer = await as(app, credential, request(n))
      tried += 1
      t.equal(answer.statusCode, expected, `${operation} as ${name}`)
      if (answer.statusCode === 401) t.match(answer.headers['www-authenticate'], /^Bearer/)
    }
  }
  t.equal(tried, Object.keys(table).length * 11)
})

t.test('who is limited to an application sees nothing of another: by id, reference, list, history, extends', async (t) => {
  const { app, token } = await secured(t)
  const editor = await token('editor', 'mine')
  const { id } = (await as(app, ADMIN, ['POST', '/configurations', { application: 'other', name: 'secret', values: { a: 1 } }])).json()
  const { application_id: other } = (await as(app, ADMIN, ['GET', '/configurations/other:secret'])).json()
  await as(app, ADMIN, ['POST', '/configurations', { application: 'mine', name: 'own' }])
  for (const path of [`/configurations/${id}`, '/configurations/other:secret', `/configurations/${id}/versions`, `/configurations/${id}/versions/1`, `/configurations/${id}/diff`, `/applications/${other}`, '/applications/other', '/applications/other/versions', '/configurations/other:nobody']) {
    const answer = await as(app, editor, ['GET', path])
    t.equal(answer.statusCode, 404, path)
    t.notMatch(answer.body, /"a":1/)
  }
  t.same((await as(app, editor, ['GET', '/configurations'])).json().items.map((item: { reference: string }) => item.reference), ['mine:own'])
  t.same((await as(app, editor, ['GET', '/configurations?application=other'])).json().items, [])
  t.same((await as(app, editor, ['GET', `/configurations?application=${String(other)}&include=values`])).json().items, [])
  t.same((await as(app, editor, ['GET', '/applications'])).json().items.map((item: { name: string }) => item.name), ['mine'])
  for (const parent of ['other:secret', id]) {
    const answers = [
      await as(app, editor, ['POST', '/configurations', { application: 'mine', name: 'x', extends: [parent] }]),
      await as(app, editor, ['PUT', '/configurations/mine:own', { extends: [parent] }]),
      await as(app, editor, ['PATCH', '/configurations/mine:own', { extends: [parent] }])
    ]
    for (const answer of answers) t.match(answer.json(), { status: 422, type: '/problems/unknown-reference', errors: [{ path: '/extends/0' }] })
  }
  // The same words whether it is there or not.
  const [there, nowhere] = [await as(app, editor, ['GET', '/configurations/other:secret']), await as(app, editor, ['GET', '/configurations/other:nothing'])]
  t.equal(there.json().detail.replace('secret', 'nothing'), nowhere.json().detail)
  for (const body of [{ application: 'other', name: 'x' }, { application_id: other, name: 'x' }, { application: 'nowhere', name: 'x' }]) {
    t.match((await as(app, editor, ['POST', '/configurations', body])).json(), { status: 422, type: '/problems/unknown-reference' })
  }
  t.equal((await as(app, editor, ['PUT', '/configurations/other:new', { values: {} }])).statusCode, 404)
  await as(app, ADMIN, ['DELETE', `/configurations/${id}`])
  t.equal((await as(app, editor, ['GET', `/configurations/${id}`])).statusCode, 404, 'not even that it was there')
})

t.test('the configuration of another application is extended only when that is shared', async (t) => {
  const { app, token } = await secured(t)
  const editor = await token('editor')
  for (const application of ['mine', 'other']) await as(app, ADMIN, ['POST', '/configurations', { application, name: 'base' }])
  const extend = async (): Promise<LightMyRequestResponse> => await as(app, editor, ['PUT', '/configurations/mine:app', { extends: ['mine:base', 'other:base'], description: String(Math.random()) }])
  t.match((await extend()).json(), { status: 422, errors: [{ path: '/extends/1', message: /not shared/ }] })
  await as(app, ADMIN, ['PATCH', '/applications/other', { visibility: 'shared' }])
  t.equal((await extend()).statusCode, 201)
  await as(app, ADMIN, ['PATCH', '/applications/other', { visibility: 'private' }])
  t.equal((await extend()).statusCode, 200, 'what it extends already stays')
})

t.test('a token is shown once, kept as a hash, and refused once revoked or over', async (t) => {
  const { app } = await secured(t)
  const made = await as(app, ADMIN, ['POST', '/tokens', { name: 'deploy', role: 'reader', expires_at: new Date(Date.now() + 1500).toISOString() }])
  const { token, id } = made.json()
  t.match(token, new RegExp(`^cfg_${String(id)}_[A-Za-z0-9_-]{43}$`))
  t.equal(made.headers['cache-control'], 'no-store')
  const listed = await as(app, ADMIN, ['GET', '/tokens'])
  t.match(listed.json().items, [{ id, name: 'deploy', role: 'reader', application_id: null, created_by: 'bootstrap' }])
  t.notMatch(listed.body, String(token).split('_')[2] ?? '-')
  t.equal((await as(app, token, ['GET', '/applications'])).statusCode, 200)
  t.equal((await as(app, String(token).slice(0, -1), ['GET', '/applications'])).statusCode, 401)
  await new Promise((resolve) => setTimeout(resolve, 1600))
  t.match((await as(app, token, ['GET', '/applications'])).json(), { status: 401, detail: /expired/ })
  t.equal((await as(app, ADMIN, ['DELETE', `/tokens/${String(id)}`])).statusCode, 204)
  t.match((await as(app, token, ['GET', '/applications'])).json(), { status: 401, detail: /not valid/ })
  t.equal((await as(app, ADMIN, ['DELETE', `/tokens/${String(id)}`])).statusCode, 404)
  t.equal((await as(app, ADMIN, ['POST', '/tokens', { name: 'deploy', role: 'reader' }])).statusCode, 409, 'a name is not given again')
  t.match((await as(app, ADMIN, ['POST', '/tokens', { name: 'late', role: 'reader', expires_at: '2020-01-01T00:00:00Z' }])).json(), { status: 400, errors: [{ path: '/expires_at' }] })
  t.match((await as(app, ADMIN, ['POST', '/tokens', { name: 'x', role: 'reader', application: 'nowhere' }])).json(), { status: 422, errors: [{ path: '/application' }] })
})

t.test('a token that one replica revokes is refused by the others within a second; with the database away known ones are good', async (t) => {
  const first = await testApp(t, { env })
  const second = await testApp(t, { env, databaseUrl: first.databaseUrl })
  const { token, id } = (await as(first, ADMIN, ['POST', '/tokens', { name: 'a', role: 'reader' }])).json()
  const seen = async (): Promise<number> => (await as(second, token, ['GET', '/applications'])).statusCode
  const within = async (status: number): Promise<number> => {
    const since = performance.now()
    while (await seen() !== status) await new Promise((resolve) => setTimeout(resolve, 20))
    return performance.now() - since
  }
  t.ok(await within(200) < 1500, 'known')
  await as(first, ADMIN, ['DELETE', `/tokens/${String(id)}`])
  const took = await within(401)
  t.ok(took < 1500, `revoked after ${Math.round(took)} ms`)
})

t.test('who has no token sees status and tracing of /health, and nothing else', async (t) => {
  const { app, token } = await secured(t)
  t.same(Object.keys((await app.server.inject('/health')).json()).sort(), ['status', 'tracing'])
  const known = await app.server.inject({ url: '/health', headers: { authorization: `Bearer ${await token('reader')}` } })
  t.match(known.json(), { database: { status: 'up' }, telemetry: { level: 1 } })
  t.equal((await app.server.inject({ url: '/metrics', remoteAddress: '10.0.0.1' })).statusCode, 401)
  t.equal((await app.server.inject({ url: '/api/v1/applications', headers: { host: 'config.example', authorization: `Bearer ${ADMIN}` } })).statusCode, 200, 'any Host where tokens are asked for')
})

t.test('a token that is revoked while the body is still on its way is refused', async (t) => {
  const { app } = await secured(t)
  const { token, id } = (await as(app, ADMIN, ['POST', '/tokens', { name: 'slow', role: 'admin' }])).json()
  const url = new URL(await app.server.listen({ port: 0, host: '127.0.0.1' }))
  const socket = connect(Number(url.port), url.hostname)
  const body = '{"name":"backdoor","role":"admin"}'
  socket.write(`POST /api/v1/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${String(token)}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`)
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal((await as(app, ADMIN, ['DELETE', `/tokens/${String(id)}`])).statusCode, 204)
  let answer = ''
  socket.on('data', (data) => { answer += String(data) })
  socket.write(body)
  await once(socket, 'close')
  t.match(answer, /^HTTP\/1\.1 401 /)
})

t.test('answers do not tell what else there is: in extends, among dependents, in a circle', async (t) => {
  const { app, token } = await secured(t)
  const editor = await token('editor', 'mine')
  await as(app, ADMIN, ['PATCH', '/applications/mine', { visibility: 'shared' }])
  await as(app, ADMIN, ['PATCH', '/applications/other', { visibility: 'shared' }])
  await as(app, ADMIN, ['POST', '/configurations', { application: 'mine', name: 'base' }])
  await as(app, ADMIN, ['POST', '/configurations', { application: 'other', name: 'hidden', extends: ['mine:base'] }])
  await as(app, ADMIN, ['POST', '/configurations', { application: 'mine', name: 'kid', extends: ['other:hidden'] }])

  const guesses = await as(app, editor, ['POST', '/configurations', { application: 'mine', name: 'x', extends: ['other:hidden', 'other:nothing', 'mine:base', 'nowhere:x'] }])
  t.match(guesses.json(), { status: 422, type: '/problems/unknown-reference' })
  t.same(guesses.json().errors.map(({ path }: { path: string }) => path), ['/extends/0', '/extends/1', '/extends/3'], 'what is there and what is not look the same')

  const dependents = await as(app, editor, ['DELETE', '/configurations/mine:base'])
  t.match(dependents.json(), { status: 409, dependents: [], dependents_count: 1 })
  t.match((await as(app, ADMIN, ['DELETE', '/configurations/mine:base'])).json().dependents, [{ reference: 'other:hidden' }], 'who may see it does')

  const circle = await as(app, editor, ['PUT', '/configurations/mine:base', { extends: ['mine:kid'] }])
  t.match(circle.json(), { status: 409, type: '/problems/circular-dependency', cycle: ['mine:base', 'mine:kid', '(of another application)', 'mine:base'] })
  for (const answer of [guesses, dependents, circle]) t.notMatch(answer.body, /hidden/)
})

t.test('an application extends its own, however it is named', async (t) => {
  const { app, token } = await secured(t)
  const editor = await token('editor', 'mine')
  await as(app, editor, ['POST', '/configurations', { application: 'mine', name: 'base' }])
  const { id, application_id: applicationId } = (await as(app, editor, ['POST', '/configurations', { application: 'mine', name: 'kid' }])).json()
  for (const [n, path] of [`/configurations/${String(id)}`, '/configurations/mine:kid'].entries()) {
    for (const [m, body] of [{}, { application: 'mine' }, { application_id: applicationId }].entries()) {
      t.equal((await as(app, editor, ['PUT', path, { ...body, extends: ['mine:base'], description: `${n}${m}` }])).statusCode, 200, path)
    }
  }
  t.equal((await as(app, editor, ['PUT', '/configurations/mine:new', { extends: ['mine:base'] }])).statusCode, 201)
  t.equal((await as(app, editor, ['POST', '/configurations', { application_id: applicationId, name: 'by-id', extends: ['mine:base'] }])).statusCode, 201)
})

t.test('tokens for odd applications, and a bootstrap token of any form', async (t) => {
  const adminToken = `cfg_${'0'.repeat(16)}_${'A'.repeat(43)}`
  const app = await testApp(t, { env: { ACCESS: 'token', ADMIN_TOKEN: adminToken } })
  const post = async (body: unknown): Promise<number> => (await as(app, adminToken, ['POST', '/tokens', body])).statusCode
  t.equal((await as(app, adminToken, ['POST', '/applications', { name: 'deadbeef-app' }])).statusCode, 201)
  t.equal(await post({ name: 'a', role: 'reader', application: 'deadbeef-app' }), 201)
  t.equal(await post({ name: 'b', role: 'reader', application: '12345678-x' }), 422)
  t.equal(await post({ name: 'c', role: 'reader', expires_at: '2030-12-31T23:59:60Z' }), 400)
  const { id } = (await as(app, adminToken, ['GET', '/applications/deadbeef-app'])).json()
  await as(app, adminToken, ['DELETE', '/applications/deadbeef-app'])
  t.equal(await post({ name: 'd', role: 'reader', application: id }), 422, 'deleted')
})

t.test('nobody gets in through a proxy where access is open, and none is refused that nobody could have', async (t) => {
  const app = await testApp(t)
  for (const header of ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip']) t.equal((await app.call('GET', '/applications', undefined, { [header]: 'x' })).statusCode, 403, header)
  const { app: tokens } = await secured(t)
  for (const headers of [{ 'x-forwarded-for': '8.8.8.8' }, { host: 'evil.example' }, { origin: 'http://evil.example' }]) t.equal((await tokens.server.inject({ url: '/metrics', headers })).statusCode, 401)
  const nobody = await createApp(appOptions(tokens.databaseUrl, { env: { ACCESS: 'token' } }))
  t.teardown(async () => { await nobody.close() })
  await t.rejects(nobody.open(), /nobody could get in/)
})
