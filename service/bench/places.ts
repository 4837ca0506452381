import { randomInt } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { packageRoot } from '../src/package.js'
import type { Cleanup } from './cleanup.js'

/** The folder `service` of the repository. */
export const serviceFolder = packageRoot
export const repository = dirname(packageRoot)
/** Everything that a benchmark leaves on purpose, and its temporary folders. */
export const cacheFolder = join(repository, '.cache')

/**
 * A data folder that is removed at the end. It is in the repository's .cache and not where temporary files go:
 * that may be memory, where an fsync costs nothing.
 */
export function temporaryFolder (cleanup: Cleanup): string {
  const parent = join(cacheFolder, 'bench')
  mkdirSync(parent, { recursive: true })
  for (const name of readdirSync(parent)) {
    // Of a run that was killed.
    if (!isRunning(Number(name.split('-')[1]))) remove(join(parent, name))
  }
  const folder = mkdtempSync(join(parent, `run-${process.pid}-`))
  // Started by root, the database runs as somebody else, who has to pass through.
  chmodSync(folder, 0o711)
  cleanup.later(() => { remove(folder) })
  return folder
}

function isRunning (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function remove (folder: string): void {
  removeDatabase(join(folder, 'data'))
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

/** The database of a data folder may be elsewhere, with a link in its place. */
function removeDatabase (dataDir: string): void {
  const place = join(dataDir, 'postgresql')
  try {
    readlinkSync(place)
  } catch {
    return
  }
  rmSync(realpathSync(place), { recursive: true, force: true, maxRetries: 3 })
}

/** A port of 127.0.0.1 that nobody listens on, none of `except`. */
export async function freePort (except: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = await listenBriefly(0)
    if (!except.includes(port)) return port
  }
}

const LASTING = { from: 20_000, to: 32_000 }

/** The same for what is stopped and started again: below the range that the system gives out ports of by itself. */
export async function lastingPorts (count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(LASTING.from, LASTING.to)
    if (!ports.includes(port) && await listenBriefly(port).catch(() => 0) === port) ports.push(port)
  }
  return ports
}

function listenBriefly (port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => { resolve(typeof address === 'object' && address !== null ? address.port : 0) })
    })
  })
}
