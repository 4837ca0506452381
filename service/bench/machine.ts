import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { median } from './figures.js'
import { figure } from './table.js'

/** What figures depend on beside the program. */
export interface Machine {
  cores: number
  processor: string
  system: string
  node: string
  postgresql: string
  /** Median time to write 8 KiB to the end of a file and have them on disk, in ms. */
  fdatasyncMs: number
  /** Load average of the last minute, before anything was started. */
  load: number
}

export function describeMachine (folder: string, postgresql: string, load: number): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.versions.node,
    postgresql,
    fdatasyncMs: measureSync(folder),
    load
  }
}

export function loadNow (): number {
  return loadavg()[0] ?? NaN
}

export function machineText ({ cores, processor, system, node, postgresql, fdatasyncMs, load }: Machine): string {
  return [
    `${cores} cores (${processor}), ${system}, load average at the start ${figure(load)}`,
    `Node ${node}, PostgreSQL ${postgresql} with fsync on, fdatasync of 8 KiB ${figure(fdatasyncMs)} ms (median)`
  ].join('\n')
}

const SYNCS = 200
const PAGE_BYTES = 8192

function measureSync (folder: string): number {
  const descriptor = openSync(join(folder, 'fdatasync'), 'w')
  try {
    const page = Buffer.alloc(PAGE_BYTES, 'x')
    const times = Array.from({ length: SYNCS }, () => {
      const start = performance.now()
      writeSync(descriptor, page)
      fdatasyncSync(descriptor)
      return performance.now() - start
    })
    return median(times)
  } finally {
    closeSync(descriptor)
  }
}
