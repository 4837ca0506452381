import { realpathSync, rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import { type Cluster, openCluster } from './embedded-cluster.js'
import { StartFault, fileFault } from './embedded-fault.js'
import { type Guard, startGuard } from './embedded-guard.js'
import { type FolderLock, lockFolder } from './embedded-lock.js'
import { type DatabaseLog, openLog } from './embedded-log.js'
import { ended, isRunning, signal } from './embedded-processes.js'
import { type Server, startServer } from './embedded-server.js'

interface EmbeddedDatabaseOptions {
  /** Made when missing; the database is in its folder `postgresql`. */
  dataDir: string
  /** Taken when free; else the one of the last start, else any. */
  port?: number
  /** More server settings, such as `{fsync: 'off'}` where the data may be lost. */
  settings?: Record<string, string>
  /** The data folder's lock, when the caller has it already; it stays the caller's to release. */
  lock?: FolderLock
  /** Gives the start up, even in the middle of a long recovery. */
  abort?: AbortSignal
  /** Progress, a line at a time. */
  log?: (line: string) => void
}

export interface EmbeddedDatabase {
  /** With the password. */
  url: string
  pid: number
  port: number
  /** For example 18.4 */
  version: string
  /** The database's real folder, which is elsewhere when the data folder lets only root in. */
  folder: string
  /** Where PostgreSQL writes what it has to say. */
  logFile: string
  /** The processes that serve it: the server and its guard. */
  pids: number[]
  /** Resolves with the reason when the server ends, asked or not. */
  exited: Promise<string>
  /**
   * Fast shutdown: open transactions are rolled back and all is on disk. After ten seconds, or at
   * once with `now`, without the last checkpoint, so that the next start recovers from the journal.
   */
  stop (options?: { now?: boolean }): Promise<void>
}

/**
 * Starts a PostgreSQL of its own on a data folder, made at the first start, for 127.0.0.1 only. It
 * ends with this process, also when that is killed, and the next start copes with whatever a kill
 * has left behind.
 *
 * @throws StartFault when a person has to do something about it
 */
export async function startEmbeddedDatabase (options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const { log = () => {}, settings = {} } = options
  const dataDir = resolve(options.dataDir)
  if (process.platform === 'win32') {
    throw new StartFault('There is no embedded PostgreSQL on Windows. Set DATABASE_URL to a PostgreSQL of your own, or start inside WSL.')
  }
  const lock = options.lock ?? await lockFolder(dataDir)
  const release = () => { if (options.lock === undefined) lock.release() }
  let output: DatabaseLog | undefined
  let guard: Guard | undefined
  let server: Server | undefined
  try {
    const cluster = await openCluster(dataDir, settings['fsync'] === 'off', log)
    output = openLogIn(dataDir)
    guard = startGuard(cluster.user)
    const port = options.port === undefined ? {} : { port: options.port }
    server = await startServer(cluster, guard, output, { ...port, settings, abort: options.abort, log })
    await makeDatabase(cluster, server.port)
    return handle(cluster, server, guard, output, release)
  } catch (error) {
    if (server !== undefined) await end(server, true)
    guard?.dismiss()
    output?.close()
    release()
    throw error
  }
}

/**
 * A server for tests: in a folder of its own, as fast as can be since nothing needs to last.
 * `stop` removes all of it.
 */
export async function startTemporaryDatabase (settings: Record<string, string> = {}): Promise<EmbeddedDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'config-service-'))
  await chmod(dataDir, 0o711)
  const quick = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' }
  const remove = () => { rmSync(dataDir, { recursive: true, force: true }) }
  try {
    const database = await startEmbeddedDatabase({ dataDir, settings: { ...quick, ...settings } })
    return {
      ...database,
      async stop () {
        await database.stop({ now: true })
        rmSync(database.folder, { recursive: true, force: true })
        remove()
      }
    }
  } catch (error) {
    remove()
    throw error
  }
}

function openLogIn (dataDir: string): DatabaseLog {
  try {
    return openLog(realpathSync(dataDir))
  } catch (error) {
    throw fileFault(error, dataDir)
  }
}

function handle (cluster: Cluster, server: Server, first: Guard, output: DatabaseLog, release: () => void): EmbeddedDatabase {
  let guard = first
  let over = false
  const keepGuarded = () => {
    guard.process.once('exit', () => {
      if (over) return
      guard = startGuard(cluster.user)
      guard.watch(server.pid)
      setTimeout(keepGuarded, 1_000).unref()
    })
  }
  keepGuarded()
  const exited = server.exited.then((reason) => {
    over = true
    guard.dismiss()
    output.close()
    release()
    return reason
  })
  return {
    url: urlOf(cluster, server.port),
    pid: server.pid,
    port: server.port,
    version: cluster.binaries.version,
    folder: cluster.folder,
    logFile: output.path,
    get pids () { return [server.pid, guard.process.pid].filter((pid) => pid !== undefined) },
    exited,
    async stop ({ now = false } = {}) {
      await end(server, now)
      await exited
    }
  }
}

async function end (server: Server, now: boolean): Promise<void> {
  const running = server.identity
  if (running === undefined || !isRunning(running)) return
  for (const [name, withinMs] of now ? [['SIGQUIT', 5_000]] as const : [['SIGINT', 10_000], ['SIGQUIT', 5_000]] as const) {
    signal(server.pid, name)
    if (await ended([running], withinMs)) return
  }
  signal(server.pid, 'SIGKILL')
}

function urlOf (cluster: Cluster, port: number, database = 'config'): string {
  return `postgres://config:${cluster.password}@127.0.0.1:${port}/${database}`
}

/** Made after the server has started rather than with the folder, so that an interruption is mended. */
async function makeDatabase (cluster: Cluster, port: number): Promise<void> {
  const missing = '3D000'
  const wrongPassword = '28P01'
  try {
    await query(urlOf(cluster, port), 'SELECT 1')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === wrongPassword) {
      throw new StartFault(`The database in ${cluster.folder} does not take the password in its file config-service.password. ` +
        'Bring the file back from a copy of the folder; the data itself is untouched.')
    }
    if (code !== missing) throw error
    await query(urlOf(cluster, port, 'postgres'), 'CREATE DATABASE config')
  }
}

async function query (connectionString: string, text: string): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(text)
  } finally {
    await client.end().catch(() => {})
  }
}
