import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, databaseEnvironment, lastLines } from './embedded-cluster.js'
import { StartFault } from './embedded-fault.js'
import type { Guard } from './embedded-guard.js'
import type { DatabaseLog } from './embedded-log.js'
import { type ProcessIdentity, ended, identify, isRunning, postgresProcesses, signal } from './embedded-processes.js'

export interface Server {
  process: ChildProcess
  /** 0 when not even a process could be made. */
  pid: number
  identity: ProcessIdentity | undefined
  port: number
  /** Resolves when the server has ended, for whatever reason. */
  exited: Promise<string>
}

/**
 * Starts the server on a data folder and waits until it takes connections, through a recovery if
 * there is one. A port that somebody else was faster to take is replaced by another.
 *
 * @param port is taken when free, else the last one, else any
 * @throws StartFault with the last lines of PostgreSQL's log when it ends instead
 */
export async function startServer (
  cluster: Cluster, guard: Guard, output: DatabaseLog,
  options: { port?: number, settings: Record<string, string>, abort?: AbortSignal | undefined, log: (line: string) => void }
): Promise<Server> {
  await clearFolder(cluster.folder, options.log)
  let preferred = options.port ?? lastPort(cluster.folder)
  const patience = Date.now() + 20_000
  for (;;) {
    const port = await freePort(preferred)
    output.mark()
    const server = run(cluster, guard, output, port, options.settings)
    if (await becomesReady(server, cluster.folder, options)) return server
    if (options.abort?.aborted === true) throw new StartFault('Stopped before PostgreSQL was ready')
    const said = output.sinceMark()
    const taken = said.includes('Address already in use')
    // Backends of a server that was killed keep its shared memory until they notice.
    const stillHeld = said.includes('pre-existing shared memory block')
    if ((!taken && !stillHeld) || Date.now() > patience) {
      throw new StartFault(`PostgreSQL did not start on ${cluster.folder} (${await server.exited}). Its last words:\n${lastLines(said, 12)}\n` +
        `${hint(said)} The whole log: ${output.path}`)
    }
    if (taken) preferred = undefined
    if (stillHeld) await sleep(500)
  }
}

/**
 * Sees to it that nobody works in the folder: an earlier run's server, when everything around it
 * was killed, and its backends. The holder of the folder's lock alone may do this.
 */
async function clearFolder (folder: string, log: (line: string) => void): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid')
  const recorded = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8').split('\n', 1)[0]) : undefined
  const running = postgresProcesses(folder, recorded)
  if (running.length > 0) {
    log('PostgreSQL of an earlier start still works on this folder: waiting for it to end')
    const postmaster = running.find(({ pid }) => pid === recorded)
    try {
      if (postmaster !== undefined) signal(postmaster.pid, 'SIGINT')
      if (!await ended(running, postmaster === undefined ? 5_000 : 10_000)) {
        if (postmaster !== undefined) signal(postmaster.pid, 'SIGQUIT')
        if (!await ended(running, 5_000)) {
          for (const process of running.filter(isRunning)) signal(process.pid, 'SIGKILL')
          await ended(running, 5_000)
        }
      }
    } catch (error) {
      throw new StartFault(`PostgreSQL still works on ${folder} (pid ${running.map(({ pid }) => pid).join(', ')}) and this user may not end it (${(error as Error).message}). Stop it, then start again.`)
    }
  }
  // PostgreSQL takes whatever has that number for a server: a program that was given it since, or the
  // remains of a server that nobody has reaped.
  if (recorded !== undefined && postgresProcesses(folder, recorded).length === 0) rmSync(pidFile, { force: true })
}

function run (cluster: Cluster, guard: Guard, output: DatabaseLog, port: number, settings: Record<string, string>): Server {
  const all = { ...defaults, ...settings, port: String(port) }
  // The shell waits for a word before it becomes the server: by then the guard knows its number, so
  // that there is no moment at which the server could be left alone.
  const child = spawn('/bin/sh', [
    '-c', 'read -r word && exec "$@" </dev/null', 'sh', cluster.binaries.postgres, '-D', cluster.folder,
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  ], {
    ...cluster.user.ids, cwd: '/', env: databaseEnvironment, detached: true, stdio: ['pipe', output.descriptor, output.descriptor]
  })
  const pid = child.pid
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => { resolve(error.message) })
    child.once('exit', (code, name) => { resolve(name === null ? `exit code ${code}` : `ended by ${name}`) })
  })
  child.stdin?.on('error', () => {})
  if (pid === undefined) return { process: child, pid: 0, identity: undefined, port, exited }
  guard.watch(pid)
  child.stdin?.end('go\n')
  return { process: child, pid, identity: identify(pid), port, exited }
}

const defaults = {
  listen_addresses: '127.0.0.1',
  // A path to a socket may have 107 bytes at most, and a data folder's may be longer.
  unix_socket_directories: '',
  max_connections: '50',
  shared_buffers: '128MB',
  fsync: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] '
}

/** The eighth line of postmaster.pid says how far the server is (as pg_ctl reads it). */
async function becomesReady (
  server: Server, folder: string, { log, abort }: { log: (line: string) => void, abort?: AbortSignal | undefined }
): Promise<boolean> {
  let report = Date.now() + 10_000
  let asked = false
  while (server.pid !== 0 && server.process.exitCode === null && server.process.signalCode === null) {
    const lines = readPidFile(folder)
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return true
    if (abort?.aborted === true && !asked) {
      signal(server.pid, 'SIGINT')
      asked = true
    }
    if (Date.now() > report) {
      log('PostgreSQL is still starting; after a crash it goes through its journal first, which can take minutes')
      report = Date.now() + 60_000
    }
    await sleep(20)
  }
  return false
}

function readPidFile (folder: string): string[] {
  try {
    return readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

/** PostgreSQL keeps the command line that it was last started with. */
function lastPort (folder: string): number | undefined {
  try {
    const port = /"port=(\d+)"/.exec(readFileSync(join(folder, 'postmaster.opts'), 'utf8'))
    return port === null ? undefined : Number(port[1])
  } catch {
    return undefined
  }
}

async function freePort (preferred?: number): Promise<number> {
  for (const port of [preferred ?? 0, 0]) {
    const found = await new Promise<number | undefined>((resolve) => {
      const probe = createServer()
      probe.once('error', () => { resolve(undefined) })
      probe.listen(port, '127.0.0.1', () => {
        const address = probe.address()
        probe.close(() => { resolve(typeof address === 'object' ? address?.port : undefined) })
      })
    })
    if (found !== undefined) return found
  }
  throw new StartFault('No free port was found on 127.0.0.1 for PostgreSQL. Free one, or set DATABASE_URL to a PostgreSQL of your own.')
}

function hint (said: string): string {
  if (said.includes('No space left on device')) return 'The disk is full: free some space, then start again.'
  if (said.includes('shared memory')) return 'Another PostgreSQL may still use this folder, or the machine lacks shared memory.'
  return 'Start again; or set DATA_DIR to another folder to begin with an empty database.'
}
