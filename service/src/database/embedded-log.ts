import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** PostgreSQL's log in a data folder: `postgresql.log`, and `postgresql.log.1` with what was before. */
export interface DatabaseLog {
  path: string
  /** For the server to write to. It is a file and no pipe, so that it outlives this process. */
  descriptor: number
  /** What was written since the last call of `mark`, at most its last 64 KiB. */
  sinceMark (): string
  mark (): void
  close (): void
}

const sizeLimitBytes = 5 * 1024 * 1024
const lookEveryMs = 30_000

/** @throws the file system's errors */
export function openLog (dataDir: string): DatabaseLog {
  const path = join(dataDir, 'postgresql.log')
  const descriptor = openSync(path, 'a+', 0o600)
  let start = 0

  // Emptied in place: the server holds the file open for appending and goes on at its new end.
  const bound = () => {
    if (fstatSync(descriptor).size < sizeLimitBytes) return
    try {
      copyFileSync(path, `${path}.1`)
    } finally {
      ftruncateSync(descriptor)
      start = 0
    }
  }
  const look = () => {
    try {
      bound()
    } catch {}
  }
  look()
  const timer = setInterval(look, lookEveryMs)
  timer.unref()

  return {
    path,
    descriptor,
    sinceMark () {
      const { size } = fstatSync(descriptor)
      const from = Math.max(start, size - 65_536)
      const buffer = Buffer.alloc(Math.max(0, size - from))
      return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, from)).toString()
    },
    mark () { start = fstatSync(descriptor).size },
    close () {
      clearInterval(timer)
      closeSync(descriptor)
    }
  }
}
