import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { createApp } from '../../src/app.js'
import { appOptions, testApp, type TestApp } from '../support/app.js'
import { cloneDatabase } from '../support/database.js'
import { keptLog } from '../support/log.js'
import { buildWall, type Wall } from '../support/wall.js'

async function walledApp (t: Parameters<typeof testApp>[0]): Promise<{ app: TestApp, wall: Wall, databaseUrl: string }> {
  const databaseUrl = await cloneDatabase(t)
  const wall = await buildWall(t, databaseUrl)
  const app = await testApp(t, { databaseUrl: wall.url, env: { DATABASE_STATEMENT_TIMEOUT_MS: '1000' } })
  await app.call('POST', '/applications', { name: 'a' })
  return { app, wall, databaseUrl }
}

async function count (databaseUrl: string, name: string): Promise<number> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows: [row] } = await client.query<{ n: string }>('select count(*) as n from configurations where name = $1', [name])
  await client.end()
  return Number(row?.n)
}

t.test('with the database away reads and writes answer 503 with Retry-After, and the service recovers by itself', async (t) => {
  const { app, wall, databaseUrl } = await walledApp(t)
  wall.cut()
  for (const [method, path, body] of [['GET', '/applications', undefined], ['GET', '/configurations/a:x', undefined], ['POST', '/configurations', { application: 'a', name: 'x' }], ['DELETE', '/applications/a', undefined]] as const) {
    const answer = await app.call(method, path, body)
    t.equal(answer.statusCode, 503, `${method} ${path}`)
    t.equal(answer.json().type, '/problems/database-unavailable')
    t.match(answer.headers['retry-after'], /^\d+$/)
    t.match(answer.headers['x-config-epoch'], /^[0-9a-f]{8}$/)
  }
  const health = await app.server.inject('/health')
  t.equal(health.statusCode, 503)
  t.match(health.json(), { status: 'unhealthy', database: { status: 'down' } })
  t.equal((await app.server.inject('/health/live')).statusCode, 200)
  t.equal((await app.server.inject('/health/ready')).statusCode, 200, 'an outage does not make it unready')
  wall.mend()
  t.equal((await app.call('POST', '/configurations', { application: 'a', name: 'x' })).statusCode, 201)
  t.equal((await app.call('GET', '/configurations/a:x')).statusCode, 200)
  t.equal((await app.server.inject('/health')).statusCode, 200)
  t.equal(await count(databaseUrl, 'x'), 1)
})

t.test('a commit whose answer was lost is looked up and acknowledged', async (t) => {
  const { app, wall, databaseUrl } = await walledApp(t)
  wall.swallowAnswers()
  const pending = app.call('POST', '/configurations', { application: 'a', name: 'x' })
  await sleep(300)
  wall.mend()
  const answer = await pending
  t.equal(answer.statusCode, 201, answer.body)
  t.equal(await count(databaseUrl, 'x'), 1)
  t.equal((await app.call('GET', '/configurations/a:x')).body, answer.body, 'the answer is whole')
})

t.test('a commit whose answer was lost and that cannot be looked up answers outcome-unknown with its change', async (t) => {
  const { app, wall, databaseUrl } = await walledApp(t)
  wall.swallowAnswers()
  const answer = await app.call('POST', '/configurations', { application: 'a', name: 'x' })
  t.equal(answer.statusCode, 503)
  t.match(answer.json(), { type: '/problems/outcome-unknown', change_id: /^[0-9a-f-]{36}$/ })
  t.match(answer.headers['retry-after'], /^\d+$/)
  wall.mend()
  t.equal(await count(databaseUrl, 'x'), 1, 'it was stored indeed')
})

t.test('a change that did not arrive is abandoned for good: arriving late it is refused', async (t) => {
  const { app, wall, databaseUrl } = await walledApp(t)
  await app.call('GET', '/applications')
  wall.hang()
  const pending = app.call('POST', '/configurations', { application: 'a', name: 'x' })
  // The client gives the connection up a second after the statement's time is over.
  await sleep(2300)
  wall.mend()
  const answer = await pending
  t.equal(answer.statusCode, 503, answer.body)
  t.equal(answer.json().type, '/problems/database-unavailable')
  t.equal(await count(databaseUrl, 'x'), 0)
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows: [lost] } = await client.query<{ change_id: string }>('select change_id from abandoned_changes')
  const late = JSON.stringify([{ change_id: lost?.change_id, author: 'x', kind: 'application', operation: 'create', new_id: '00000000-0000-7000-8000-000000000001', name: 'late', description: '', owner: '', labels: {}, visibility: 'private' }])
  const { rows: [result] } = await client.query<{ outcome: string, reason: string }>('select * from commit_changes($1)', [late])
  await client.end()
  t.match(result, { outcome: 'refused', reason: 'abandoned' })
  t.equal((await app.call('GET', '/applications/late')).statusCode, 404)
})

t.test('a connection that PostgreSQL ends during a commit loses nothing', async (t) => {
  const { app, databaseUrl } = await walledApp(t)
  const client = new pg.Client(databaseUrl)
  await client.connect()
  let writing = true
  const killer = (async () => {
    while (writing) {
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'config-service commits' and datname = current_database()")
      await sleep(20)
    }
  })()
  const acknowledged: Array<{ name: string, revision: number }> = []
  for (let n = 0; n < 200; n++) {
    const answer = await app.call('POST', '/configurations', { application: 'a', name: `c${n}` })
    if (answer.statusCode === 201) acknowledged.push(answer.json())
    else t.match(answer.json(), { status: 503 })
  }
  writing = false
  await killer
  const { rows } = await client.query<{ name: string, revision: string }>('select name, revision from configurations')
  const { rows: revisions } = await client.query<{ revision: string }>('select revision from revisions order by revision')
  await client.end()
  const stored = new Map(rows.map(({ name, revision }) => [name, Number(revision)]))
  t.ok(acknowledged.length > 0)
  t.ok(acknowledged.every(({ name, revision }) => stored.get(name) === revision), 'every acknowledged write is there')
  t.equal(stored.size, acknowledged.length, 'and nothing that was not acknowledged')
  t.same(revisions.map(({ revision }) => Number(revision)), revisions.map((_, index) => index + 1), 'revisions have no gap')
})

t.test('a statement that takes too long is given up: the writer is told, others go on afterwards', async (t) => {
  const { app, databaseUrl } = await walledApp(t)
  const blocker = new pg.Client(databaseUrl)
  await blocker.connect()
  await blocker.query('begin')
  await blocker.query('select * from store for update')
  const answer = await app.call('POST', '/configurations', { application: 'a', name: 'x' })
  t.equal(answer.statusCode, 503)
  t.equal(answer.json().type, '/problems/database-unavailable')
  t.equal((await app.call('GET', '/applications')).statusCode, 200, 'reads do not wait for it')
  await blocker.query('rollback')
  await blocker.end()
  t.equal((await app.call('POST', '/configurations', { application: 'a', name: 'x' })).statusCode, 201)
})

t.test('the service starts while the database is away, says so, and opens the store when it comes', async (t) => {
  const databaseUrl = await cloneDatabase(t, { empty: true })
  const wall = await buildWall(t, databaseUrl)
  wall.cut()
  const { log, lines } = keptLog('warn')
  const app = await createApp(appOptions(wall.url, { log }))
  t.teardown(async () => { await app.close() })
  const opening = app.open()
  await sleep(200)
  t.equal((await app.server.inject('/health/live')).statusCode, 200)
  t.equal((await app.server.inject('/health/ready')).statusCode, 503)
  t.match((await app.server.inject('/health')).json(), { database: { status: 'starting' } })
  const early = await app.server.inject('/api/v1/applications')
  t.equal(early.statusCode, 503)
  t.match(early.json(), { type: '/problems/database-unavailable' })
  t.notOk('x-config-epoch' in early.headers, 'no epoch is better than an empty one')
  t.match(lines[0]?.message, /^waiting for the database at 127\.0\.0\.1:\d+\/test_/)
  t.notMatch(JSON.stringify(lines), new RegExp(new URL(databaseUrl).password), 'the password is nobody\'s business')
  wall.mend()
  await opening
  t.equal((await app.server.inject('/api/v1/applications')).statusCode, 200)
  t.equal((await app.server.inject('/health/ready')).statusCode, 200)
})

t.test('a service that is closed while it waits for the database does not become ready', async (t) => {
  const app = await createApp(appOptions('postgres://nobody@127.0.0.1:1/x'))
  const opening = app.open()
  await sleep(100)
  await app.close()
  t.equal(await opening, false)
})

t.test('a database that lets nobody in is said at once', async (t) => {
  const wrong = new URL(await cloneDatabase(t))
  wrong.password = 'wrong'
  const app = await createApp(appOptions(wrong.href))
  t.teardown(async () => { await app.close() })
  await t.rejects(app.open(), { code: '28P01' })
})

t.test('replicas that start together on an empty database migrate it once', async (t) => {
  const databaseUrl = await cloneDatabase(t, { empty: true })
  const apps = await Promise.all([1, 2, 3].map(async () => await testApp(t, { databaseUrl })))
  const answers = await Promise.all(apps.map(async (app, n) => await app.call('POST', '/applications', { name: `app-${n}` })))
  t.same(answers.map(({ statusCode }) => statusCode), [201, 201, 201])
  t.same(answers.map((answer) => answer.json().revision).sort(), [1, 2, 3])
  t.equal(new Set(answers.map(({ headers }) => headers['x-config-epoch'])).size, 1)
})
