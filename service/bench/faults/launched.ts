import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, identify, signal } from '../../src/database/embedded-processes.js'
import type { Cleanup } from '../cleanup.js'
import { openConnection, requestText } from '../connection.js'
import { freePort, repository } from '../places.js'
import { allProcesses, commandOf, familyOf } from '../processes.js'

export const VICTIMS = ['all', 'service', 'database'] as const
export type Victim = typeof VICTIMS[number]

/** Everything that scripts/start has started. */
export interface Launched {
  port: number
  /** Waits until it serves. */
  serving (): Promise<void>
  /** Where its database is, with the password. */
  databaseUrl (): string
  /** kill -9, in any order but all within a moment. @returns how many processes */
  kill (victim: Victim): Promise<number>
  /** Stops it as Ctrl-C does. @returns the exit code */
  stop (): Promise<number | null>
}

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 40_000

/** Starts the real scripts/start on a data folder. */
export async function launchEverything ({ dataDir, output, cleanup }: { dataDir: string, output: string, cleanup: Cleanup }): Promise<Launched> {
  const port = await freePort()
  const metricsPort = await freePort([port])
  const nobody = await freePort([port, metricsPort])
  const descriptor = openSync(output, 'a')
  const child = spawn(join(repository, 'scripts', 'start'), [], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      // Also what .env may set.
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: dataDir,
      DATABASE_URL: '',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${nobody}`
    },
    // Ctrl-C reaches everyone in a group at once, and the order of stopping is not to be left to that.
    detached: true,
    stdio: ['ignore', descriptor, descriptor]
  })
  closeSync(descriptor)
  let over = false
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', () => { resolve(1) })
    child.once('exit', resolve)
  }).finally(() => { over = true })
  const pid = child.pid
  if (pid === undefined) throw new Error('scripts/start could not be started')
  cleanup.later(async () => { if (!over) await kill('all') })

  async function kill (victim: Victim): Promise<number> {
    const found = victims(Number(pid), victim).map(identify).filter((one) => one !== undefined)
    // While this process looked for them it sent nothing: the kill is to meet writers at work again.
    await sleep(5 + Math.random() * 20)
    for (const one of shuffled(found)) signal(one.pid, 'SIGKILL')
    if (!await ended(found, 10_000)) throw new Error('processes outlived kill -9')
    if (victim === 'all') await exited
    return found.length
  }

  return {
    port,
    kill,
    async serving () {
      const begun = performance.now()
      while (!await answers(port)) {
        if (over) throw new Error(`scripts/start has ended (${await exited}). Its last words:\n${readFileSync(output, 'utf8').slice(-2000)}`)
        if (performance.now() - begun > START_TIMEOUT_MS) throw new Error(`nothing serves after ${START_TIMEOUT_MS / 1000} s; see ${output}`)
        await sleep(50)
      }
    },
    databaseUrl () {
      const folder = realpathSync(join(dataDir, 'postgresql'))
      const password = readFileSync(join(folder, 'config-service.password'), 'utf8').trim()
      // The fourth line of postmaster.pid is the port.
      const databasePort = readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[3]
      return `postgres://config:${password}@127.0.0.1:${databasePort}/config`
    },
    async stop () {
      signal(pid, 'SIGINT')
      const timer = setTimeout(() => { kill('all').catch(() => {}) }, STOP_TIMEOUT_MS)
      const code = await exited
      clearTimeout(timer)
      return code
    }
  }
}

/** The launcher, its service, the database's guard, the postmaster and all its backends, or some of these. */
function victims (launcher: number, victim: Victim): number[] {
  if (victim === 'all') return familyOf(launcher)
  const word = victim === 'service' ? 'main.js' : 'bin/postgres'
  return allProcesses()
    .filter(({ pid, parent }) => parent === launcher && commandOf(pid).includes(word))
    .flatMap(({ pid }) => familyOf(pid))
}

/** A whole read, through to the database. */
async function answers (port: number): Promise<boolean> {
  try {
    const connection = await openConnection(port)
    try {
      return (await connection.send(requestText('GET', '/api/v1/configurations?limit=1'))).status === 200
    } finally {
      connection.close()
    }
  } catch {
    return false
  }
}

function shuffled<T> (items: readonly T[]): T[] {
  return items.map((item) => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}
