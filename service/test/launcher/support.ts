import { type SpawnOptions, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type ProcessIdentity, identify, isRunning, signal } from '../../src/database/embedded-processes.js'

/** A folder that every user may pass through, gone after the test, wherever its database was kept. */
export function temporaryFolder (t: Test, mode = 0o711): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'config-service-test-'))
  chmodSync(folder, mode)
  t.teardown(() => { removeWithDatabase(folder) })
  return folder
}

/** @returns a port that nobody uses at the moment */
export async function freePort (): Promise<number> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => { resolve(typeof address === 'object' && address !== null ? address.port : 0) })
    })
  })
}

export interface Launched {
  pid: number
  port: number
  dataDir: string
  /** All that it has printed so far. */
  output (): string
  until (text: string | RegExp, withinMs?: number): Promise<void>
  exit: Promise<number | NodeJS.Signals>
  /** Itself and all that it has started, at this moment. */
  processes (): ProcessIdentity[]
}

/** Starts the launcher with the stand-in; the test's end kills whatever of it is left. */
export async function startLauncher (
  t: Test, dataDir: string, environment: Record<string, string> = {}, options: SpawnOptions = {}
): Promise<Launched> {
  const port = Number(environment['PORT'] ?? await freePort())
  const child = spawn(process.execPath, [join(__dirname, 'stand-in-start.js')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ROOT: dataDir,
      DATA_DIR: dataDir,
      PORT: String(port),
      OTEL_METRICS_EXPORTER: 'none',
      ...environment
    },
    ...options
  })
  let text = ''
  const keep = (chunk: Buffer) => { text += chunk.toString() }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const { pid = 0 } = child
  const exit = new Promise<number | NodeJS.Signals>((resolve) => child.once('close', (code, name) => { resolve(code ?? name ?? 0) }))
  const seen = new Map<string, ProcessIdentity>()
  const processes = () => {
    const found = tree(pid)
    for (const one of found) seen.set(`${one.pid} ${one.started}`, one)
    return found
  }
  t.teardown(() => {
    processes()
    for (const one of [...seen.values()].filter(isRunning)) signal(one.pid, 'SIGKILL')
  })
  return {
    pid,
    port,
    dataDir,
    output: () => text,
    exit,
    processes,
    async until (wanted, withinMs = 20_000) {
      const limit = Date.now() + withinMs
      while (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) {
        if (Date.now() > limit) throw new Error(`Never said ${String(wanted)}, but:\n${text}`)
        await sleep(20)
      }
      processes()
    }
  }
}

export function postmasterPid (dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgresql', 'postmaster.pid'), 'utf8').split('\n', 1)[0])
}

export function locks (dataDir: string): string[] {
  return existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('lock.')) : []
}

export const isRoot = process.getuid?.() === 0

function removeWithDatabase (folder: string): void {
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink() && entry.name === 'postgresql' && existsSync(path)) rmSync(realpathSync(path), { recursive: true, force: true })
    else if (entry.isDirectory()) removeWithDatabase(path)
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

function tree (root: number): ProcessIdentity[] {
  const children = new Map<number, number[]>()
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid='], { encoding: 'utf8' }).trim().split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    children.set(parent, [...children.get(parent) ?? [], pid])
  }
  const collect = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(collect)]
  return collect(root).map(identify).filter((found) => found !== undefined)
}
