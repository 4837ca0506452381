import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Client } from 'pg'
import { type EmbeddedDatabase, startEmbeddedDatabase, startTemporaryDatabase } from '../../src/database/embedded.js'
import { ended, identify, signal } from '../../src/database/embedded-processes.js'
import { isRoot, locks, temporaryFolder } from '../launcher/support.js'

t.jobs = 2
const quick = { fsync: 'off' }

async function query (url: string, text: string): Promise<Record<string, unknown>> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows[0] ?? {}
  } finally {
    await client.end()
  }
}

async function messageOf (start: Promise<EmbeddedDatabase>): Promise<string> {
  return await start.then(async (database) => {
    await database.stop()
    return 'it started'
  }, (error: Error) => error.message)
}

t.test('the first start makes a database that is safe by default', async (t) => {
  const dataDir = temporaryFolder(t)
  const database = await startEmbeddedDatabase({ dataDir })
  t.teardown(async () => { await database.stop() })
  const settings = await query(database.url, `
    SELECT current_setting('fsync') fsync, current_setting('data_checksums') checksums, current_setting('listen_addresses') listens,
           current_setting('unix_socket_directories') sockets, current_setting('server_version') version,
           current_setting('max_connections') connections, current_setting('shared_buffers') buffers,
           current_user AS "user", current_database() AS name, pg_encoding_to_char(encoding) encoding, datlocprovider provider, datlocale locale
    FROM pg_database WHERE datname = current_database()`)
  t.match(settings, {
    fsync: 'on',
    checksums: 'on',
    listens: '127.0.0.1',
    sockets: '',
    connections: '50',
    buffers: '128MB',
    user: 'config',
    name: 'config',
    encoding: 'UTF8',
    provider: 'b',
    locale: 'C.UTF-8'
  })
  t.equal(settings['version'], database.version)
  const password = join(database.folder, 'config-service.password')
  t.equal(statSync(password).mode & 0o777, 0o600)
  t.equal(statSync(database.folder).mode & 0o777, 0o700)
  t.match(readFileSync(join(database.folder, 'pg_hba.conf'), 'utf8'), 'scram-sha-256')
  await t.rejects(query(database.url.replace(/config:\w+@/, 'config:wrong@'), 'SELECT 1'), { code: '28P01' })
})

t.test('a restart keeps data, password and port, and takes another port when that is gone', async (t) => {
  const dataDir = join(temporaryFolder(t), 'with a blank', 'x'.repeat(150))
  const first = await startEmbeddedDatabase({ dataDir, settings: quick })
  await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await first.stop()
  const second = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.equal(second.url, first.url)
  t.strictSame(await query(second.url, 'SELECT answer FROM kept'), { answer: 42 })
  await second.stop()
  const other = await startEmbeddedDatabase({ dataDir: temporaryFolder(t), port: first.port, settings: quick })
  const third = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.equal(other.port, first.port)
  t.not(third.port, first.port)
  await Promise.all([other.stop(), third.stop()])
  t.strictSame(locks(dataDir), [])
})

t.test('a second start on the same folder is refused, the first unharmed', async (t) => {
  const dataDir = temporaryFolder(t)
  const starts = [1, 2, 3].map(async () => await startEmbeddedDatabase({ dataDir, settings: quick }))
  const results = await Promise.allSettled(starts)
  const [winner] = results.filter((result) => result.status === 'fulfilled')
  t.equal(results.filter((result) => result.status === 'rejected').length, 2)
  t.equal(await messageOf(startEmbeddedDatabase({ dataDir })),
    `Already running (pid ${process.pid}) on the data folder ${dataDir}. Stop it, or use another folder and port: PORT=8001 DATA_DIR=./other scripts/start`)
  await query(winner?.value.url ?? '', 'SELECT 1')
  await winner?.value.stop()
})

t.test('locks of the dead are no obstacle, whoever has their number now', async (t) => {
  const dataDir = temporaryFolder(t)
  writeFileSync(join(dataDir, `lock.${process.ppid}-0badcafe`), JSON.stringify({ pid: process.ppid, started: 'long ago', holds: true, children: [] }))
  writeFileSync(join(dataDir, 'lock.1-0badcafe'), '{"pid":')
  writeFileSync(join(dataDir, 'lock.999999999-0badcafe.tmp'), '')
  const database = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.equal(locks(dataDir).length, 1)
  await database.stop()
})

t.test('a pid file that names another program does not stop the start, and the program lives on', async (t) => {
  const dataDir = temporaryFolder(t)
  const database = await startEmbeddedDatabase({ dataDir, settings: quick })
  await database.stop()
  const other: ChildProcess = spawn('sleep', ['60'])
  t.teardown(() => other.kill())
  writeFileSync(join(database.folder, 'postmaster.pid'), `${other.pid}\n${database.folder}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`)
  const again = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.ok(identify(other.pid ?? 0))
  await again.stop()
})

t.test('a server that was killed under a busy backend starts again with what was committed', async (t) => {
  const dataDir = temporaryFolder(t)
  const database = await startEmbeddedDatabase({ dataDir })
  await query(database.url, 'CREATE TABLE kept AS SELECT 1 AS one')
  // it looks up from its work only after seconds
  const busy = query(database.url, 'SELECT count(*) FROM generate_series(1, 20000000)').catch(() => {})
  const pids = database.pids
  signal(database.pid, 'SIGKILL')
  t.equal(await database.exited, 'ended by SIGKILL')
  const again = await startEmbeddedDatabase({ dataDir })
  t.strictSame(await query(again.url, 'SELECT one FROM kept'), { one: 1 })
  await busy
  await again.stop()
  t.ok(await ended(pids.map(identify).filter((one) => one !== undefined), 2_000), 'the guard has gone home as well')
})

t.test('a server that somebody left running on the folder is ended first', async (t) => {
  const dataDir = temporaryFolder(t)
  const left = await startEmbeddedDatabase({ dataDir, settings: quick })
  for (const name of locks(dataDir)) writeFileSync(join(dataDir, name), '{}')
  const lines: string[] = []
  const again = await startEmbeddedDatabase({ dataDir, settings: quick, log: (line) => lines.push(line) })
  t.match(lines, [/still works on this folder/])
  t.equal(await left.exited, 'exit code 0')
  await again.stop()
})

t.test('a guard that was killed is replaced', async (t) => {
  const dataDir = temporaryFolder(t)
  const database = await startEmbeddedDatabase({ dataDir, settings: quick })
  const [, guard = 0] = database.pids
  signal(guard, 'SIGKILL')
  const until = Date.now() + 2_000
  while (database.pids[1] === guard && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
  t.not(database.pids[1], guard)
  await database.stop()
})

t.test('what an interrupted first start has left is thrown away', async (t) => {
  const dataDir = temporaryFolder(t)
  mkdirSync(join(dataDir, 'postgresql.new-01234567', 'data', 'base'), { recursive: true })
  const database = await startEmbeddedDatabase({ dataDir, settings: quick })
  await database.stop()
  t.strictSame(readdirSync(dataDir).sort(), ['postgresql', 'postgresql.log'])
})

t.test('a database of another major version is refused and left as it is', async (t) => {
  const dataDir = temporaryFolder(t)
  const folder = join(dataDir, 'postgresql')
  mkdirSync(folder)
  writeFileSync(join(folder, 'PG_VERSION'), '16\n')
  const message = await messageOf(startEmbeddedDatabase({ dataDir }))
  t.match(message, /made by PostgreSQL 16, and this release brings PostgreSQL 18.*Nothing was changed.*the release that made it/)
  t.strictSame(readdirSync(folder), ['PG_VERSION'])
})

t.test('what is in the way is named', async (t) => {
  const dataDir = temporaryFolder(t)
  const file = join(dataDir, 'file')
  writeFileSync(file, '')
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: file })), /cannot be made: a file is in its place\. Set DATA_DIR/)
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: join(file, 'inside') })), /cannot be made: a file is in its place\. Set DATA_DIR/)
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: '/proc/nowhere' })), /takes no new folders/)
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: join(dataDir, 'x'.repeat(300)) })), /name is too long/)

  const [occupied, dangling, strange] = ['a', 'b', 'c'].map((name) => join(dataDir, name)) as [string, string, string]
  for (const folder of [occupied, dangling, strange]) mkdirSync(folder)
  writeFileSync(join(occupied, 'postgresql'), '')
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: occupied })), /is a file, but the database needs a folder/)
  symlinkSync(join(dataDir, 'gone'), join(dangling, 'postgresql'))
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: dangling })), /links to a folder that is no longer there/)
  mkdirSync(join(strange, 'postgresql', 'photos'), { recursive: true })
  t.match(await messageOf(startEmbeddedDatabase({ dataDir: strange })), /PG_VERSION is missing.* Nothing was changed/)
  t.strictSame([occupied, dangling, strange].flatMap(locks), [], 'and no lock is left')
})

t.test('a server that does not start shows the end of its log', async (t) => {
  const dataDir = temporaryFolder(t)
  const message = await messageOf(startEmbeddedDatabase({ dataDir, settings: { ...quick, shared_buffers: 'plenty' } }))
  t.match(message, /did not start on .* \(exit code 1\)\. Its last words:\n.*invalid value for parameter "shared_buffers": "plenty"/)
  t.ok(message.includes(join(dataDir, 'postgresql.log')))
})

t.test('a start can be given up in the middle of a recovery', async (t) => {
  const dataDir = temporaryFolder(t)
  const crashed = await startEmbeddedDatabase({ dataDir, settings: quick })
  await query(crashed.url, 'CREATE TABLE a AS SELECT generate_series(1, 200000)')
  await crashed.stop({ now: true })
  t.equal(await messageOf(startEmbeddedDatabase({ dataDir, settings: quick, abort: AbortSignal.abort() })), 'Stopped before PostgreSQL was ready')
  t.strictSame(locks(dataDir), [])
  const again = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.strictSame(await query(again.url, 'SELECT count(*)::int AS n FROM a'), { n: 200_000 })
  await again.stop()
})

t.test('root in a closed folder keeps the database elsewhere, and finds it again', { skip: !isRoot && 'needs root' }, async (t) => {
  const dataDir = join(temporaryFolder(t, 0o700), 'data')
  const lines: string[] = []
  const first = await startEmbeddedDatabase({ dataDir, settings: quick, log: (line) => lines.push(line) })
  await first.stop()
  t.equal(dirname(first.folder), '/var/lib/config-service')
  t.equal(realpathSync(join(dataDir, 'postgresql')), first.folder)
  t.match(lines, [/^Creating/, /may not enter/])
  const again = await startEmbeddedDatabase({ dataDir, settings: quick })
  t.equal(again.folder, first.folder)
  await again.stop()
})

t.test('a temporary database is gone after its stop', async (t) => {
  const database = await startTemporaryDatabase()
  t.match(await query(database.url, "SELECT current_setting('fsync') fsync"), { fsync: 'off' })
  await database.stop()
  t.notOk(existsSync(database.folder))
  t.notOk(existsSync(dirname(database.folder)) && dirname(database.folder).includes('config-service-'))
})
