import { existsSync, mkdirSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Client } from 'pg'
import { ended, identify, signal } from '../../src/database/embedded-processes.js'
import { startEmbeddedDatabase } from '../../src/database/embedded.js'
import { canEnter } from '../../src/database/embedded-user.js'
import { freePort, isRoot, locks, postmasterPid, startLauncher, temporaryFolder } from './support.js'

t.jobs = 2

async function environmentOf (port: number): Promise<Record<string, string>> {
  return await (await fetch(`http://127.0.0.1:${port}`)).json() as Record<string, string>
}

async function startsIn (url: string): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query('SELECT count(*)::int AS n FROM starts')
  await client.end()
  return rows[0].n
}

t.test('Ctrl-C stops the service first, then the database, and leaves no process and no lock', async (t) => {
  const dataDir = temporaryFolder(t)
  const events = join(dataDir, 'events')
  const launcher = await startLauncher(t, dataDir, { EVENTS: events })
  await launcher.until('Ctrl-C stops everything')
  const processes = launcher.processes()
  t.ok(processes.length > 4, 'launcher, service, guard, server and its backends run')
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  t.equal(readFileSync(events, 'utf8'), 'ready\nasked by SIGTERM\ndrained with the database there\n')
  t.ok(await ended(processes, 2_000), 'nothing runs any more')
  t.match(readFileSync(join(dataDir, 'postgresql.log'), 'utf8'), /received fast shutdown request[^]*database system is shut down/)
  t.strictSame(locks(dataDir), [])
  t.match(launcher.output(), /Stopping the service, then PostgreSQL[^]*Stopped\./)
})

t.test('the addresses and three commands to try are shown, with the real port', async (t) => {
  const metricsPort = await freePort()
  const launcher = await startLauncher(t, temporaryFolder(t), { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort) })
  await launcher.until('Ctrl-C stops everything')
  for (const wanted of ['/docs', '/openapi.json', '/api/v1/applications', '/api/v1/configurations ', '/api/v1/configurations/billing:prod']) {
    t.ok(launcher.output().includes(`http://127.0.0.1:${launcher.port}${wanted}`), wanted)
  }
  t.ok(launcher.output().includes(`http://127.0.0.1:${metricsPort}/metrics`))
  const environment = await environmentOf(launcher.port)
  t.match(environment['DATABASE_URL'], /^postgres:\/\/config:[0-9a-f]{48}@127\.0\.0\.1:\d+\/config$/)
  t.equal(environment['DATA_DIR'], launcher.dataDir)
  signal(launcher.pid, 'SIGTERM')
  t.equal(await launcher.exit, 0)
})

t.test('killing the launcher ends the service and the database within seconds', async (t) => {
  const dataDir = temporaryFolder(t)
  const events = join(dataDir, 'events')
  const launcher = await startLauncher(t, dataDir, { EVENTS: events })
  await launcher.until('Ctrl-C stops everything')
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGKILL')
  t.ok(await ended(processes, 5_000), 'nothing runs any more')
  t.match(readFileSync(events, 'utf8'), 'asked by disconnect')
  t.match(readFileSync(join(dataDir, 'postgresql.log'), 'utf8'), 'received fast shutdown request')
})

t.test('a start at once after the launcher was killed waits for what still drains, and works', async (t) => {
  const dataDir = temporaryFolder(t)
  const killed = await startLauncher(t, dataDir)
  await killed.until('Ctrl-C stops everything')
  signal(killed.pid, 'SIGKILL')
  const next = await startLauncher(t, dataDir, { PORT: String(killed.port) })
  await next.until('Ctrl-C stops everything')
  t.equal(await startsIn((await environmentOf(next.port))['DATABASE_URL'] ?? ''), 2)
})

t.test('after everything was killed at once the next start works and has the data', async (t) => {
  const dataDir = temporaryFolder(t)
  const killed = await startLauncher(t, dataDir)
  await killed.until('Ctrl-C stops everything')
  const processes = killed.processes()
  for (const { pid } of processes) signal(pid, 'SIGKILL')
  t.ok(await ended(processes, 5_000))
  t.ok(existsSync(join(dataDir, 'postgresql', 'postmaster.pid')), 'its pid file is left behind')
  t.equal(locks(dataDir).length, 1, 'and the lock')
  const next = await startLauncher(t, dataDir, { PORT: String(killed.port) })
  await next.until('Ctrl-C stops everything')
  t.equal(await startsIn((await environmentOf(next.port))['DATABASE_URL'] ?? ''), 2)
  t.equal(locks(dataDir).length, 1, 'the lock is its own')
})

t.test('of two starts at the same moment on a new folder exactly one wins', async (t) => {
  const dataDir = join(temporaryFolder(t), 'new')
  const both = await Promise.all([startLauncher(t, dataDir), startLauncher(t, dataDir)])
  const first = await Promise.race(both.map(async (one) => { await one.exit; return one }))
  const other = both.find((one) => one !== first)
  t.equal(await first.exit, 1)
  t.match(first.output(), /^Already running \(pid \d+\)/)
  await other?.until('Ctrl-C stops everything')
})

t.test('a second start is told where the first is, and does not disturb it', async (t) => {
  const dataDir = temporaryFolder(t)
  const first = await startLauncher(t, dataDir)
  await first.until('Ctrl-C stops everything')
  const second = await startLauncher(t, dataDir, { PORT: String(first.port) })
  t.equal(await second.exit, 1)
  t.ok(second.output().startsWith(`Already running (pid ${first.pid}) at http://127.0.0.1:${first.port} `), second.output())
  t.equal(await startsIn((await environmentOf(first.port))['DATABASE_URL'] ?? ''), 1)
  const beside = await startLauncher(t, join(dataDir, 'other'))
  await beside.until('Ctrl-C stops everything')
})

t.test('a port that is taken is a fault before anything is made', async (t) => {
  const folder = temporaryFolder(t)
  const busy = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { busy.close() })
  const { port } = await new Promise<{ port: number }>((resolve) => busy.once('listening', () => { resolve(busy.address() as { port: number }) }))

  const service = await startLauncher(t, folder, { PORT: String(port) })
  t.equal(await service.exit, 1)
  t.match(service.output(), new RegExp(`^Port ${port} on 127.0.0.1 is taken by another program.* PORT=\\d+ scripts/start`))

  const metrics = await startLauncher(t, folder, { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String(port) })
  t.equal(await metrics.exit, 1)
  t.match(metrics.output(), /OTEL_EXPORTER_PROMETHEUS_PORT=\d+ scripts\/start/)
  t.notOk(existsSync(join(folder, 'postgresql')))
})

t.test('with DATABASE_URL no database is started, and its password is not shown', async (t) => {
  const dataDir = temporaryFolder(t)
  const launcher = await startLauncher(t, dataDir, { DATABASE_URL: 'postgres://me:secret@elsewhere:5432/configs?sslmode=require' })
  await launcher.until('Ctrl-C stops everything')
  t.match(launcher.output(), 'Using the database me@elsewhere:5432/configs')
  t.notMatch(launcher.output(), 'secret')
  t.notOk(existsSync(join(dataDir, 'postgresql')))
  t.equal((await environmentOf(launcher.port))['DATABASE_URL'], 'postgres://me:secret@elsewhere:5432/configs?sslmode=require')
})

t.test('.env fills in what the environment leaves open', async (t) => {
  const root = temporaryFolder(t)
  const dataDir = join(root, 'a data folder')
  mkdirSync(dataDir)
  writeFileSync(join(root, '.env'), 'DATABASE_URL=postgres://me@elsewhere/x\nPORT=1\nGREETING="hello there"\n')
  const launcher = await startLauncher(t, dataDir, { ROOT: root })
  await launcher.until('Ctrl-C stops everything')
  t.match(await environmentOf(launcher.port), { GREETING: 'hello there', PORT: String(launcher.port), DATA_DIR: dataDir })
})

t.test('a service that cannot start passes on its exit code, and nothing is left', async (t) => {
  const launcher = await startLauncher(t, temporaryFolder(t), { STAND_IN: 'refuse' })
  await launcher.until('PostgreSQL 18')
  const processes = launcher.processes()
  t.equal(await launcher.exit, 3)
  t.match(launcher.output(), /PORT is no number\nThe service could not start \(exit code 3\)/)
  t.ok(await ended(processes, 2_000))
})

t.test('a service and a database that crash are started again', async (t) => {
  const dataDir = temporaryFolder(t)
  const launcher = await startLauncher(t, dataDir)
  await launcher.until('Ctrl-C stops everything')
  const { DATABASE_URL: url = '' } = await environmentOf(launcher.port)
  signal(postmasterPid(dataDir), 'SIGKILL')
  await launcher.until('PostgreSQL has ended unexpectedly (ended by SIGKILL): starting it again in 1 s')
  await launcher.until(/starting it again[^]*PostgreSQL 18\S+ runs on/)
  t.equal(await startsIn(url), 1, 'at the same address, with its data')
  const [lock = ''] = locks(dataDir)
  const { children: [service] } = JSON.parse(readFileSync(join(dataDir, lock), 'utf8')) as { children: Array<{ pid: number }> }
  signal(service?.pid ?? 0, 'SIGKILL')
  await launcher.until('The service has ended unexpectedly (ended by SIGKILL): starting it again in 2 s')
  await launcher.until('The service is back')
  t.equal(await startsIn(url), 2)
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGHUP')
  t.equal(await launcher.exit, 0)
  t.ok(await ended(processes, 2_000))
})

t.test('a second Ctrl-C kills a service that does not drain', async (t) => {
  const launcher = await startLauncher(t, temporaryFolder(t), { STAND_IN: 'stubborn' })
  await launcher.until('Ctrl-C stops everything')
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGINT')
  await launcher.until('Stopping the service')
  await sleep(600)
  t.ok(identify(launcher.pid))
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 130)
  t.match(launcher.output(), 'Asked twice')
  t.ok(await ended(processes, 2_000))
})

t.test('a service that does not drain in time is killed, and the database is stopped in order', async (t) => {
  const dataDir = temporaryFolder(t)
  const launcher = await startLauncher(t, dataDir, { STAND_IN: 'stubborn', SHUTDOWN_TIMEOUT_MS: '100' })
  await launcher.until('Ctrl-C stops everything')
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGTERM')
  t.equal(await launcher.exit, 143)
  t.match(launcher.output(), 'SHUTDOWN_TIMEOUT_MS')
  t.ok(await ended(processes, 2_000))
  t.match(readFileSync(join(dataDir, 'postgresql.log'), 'utf8'), 'database system is shut down')
})

t.test('root in a folder that only root may enter starts all the same', { skip: !isRoot && 'needs root' }, async (t) => {
  const dataDir = join(temporaryFolder(t, 0o700), '.data')
  const launcher = await startLauncher(t, dataDir)
  await launcher.until('Ctrl-C stops everything')
  t.match(launcher.output(), /may not enter .*, so it is kept in \/var\/lib\/config-service\//)
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  const again = await startLauncher(t, dataDir)
  await again.until('Ctrl-C stops everything')
  t.equal(await startsIn((await environmentOf(again.port))['DATABASE_URL'] ?? ''), 2)
  signal(again.pid, 'SIGINT')
  await again.exit
})

const nobody = { ids: { uid: 65_534, gid: 65_534 }, name: 'nobody' }
t.test('an ordinary user starts it as what it is', { skip: (!isRoot || !canEnter(__dirname, nobody)) && 'needs root to become one' }, async (t) => {
  const dataDir = temporaryFolder(t)
  chownSync(dataDir, nobody.ids.uid, nobody.ids.gid)
  const launcher = await startLauncher(t, dataDir, {}, nobody.ids)
  await launcher.until('Ctrl-C stops everything')
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  const foreign = await startLauncher(t, join(dataDir, '..', 'not-to-be-made-here'), { DATA_DIR: '/etc/config-service-test' }, nobody.ids)
  t.equal(await foreign.exit, 1)
  t.match(foreign.output(), /\/etc\/config-service-test cannot be written to: this user lacks the permission \(EACCES\)/)
  const database = await startEmbeddedDatabase({ dataDir })
  t.ok(database.pid, 'and root can take over its folder')
  await database.stop()
})
