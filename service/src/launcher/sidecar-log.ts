import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'

/** What the sidecar has to say, in a file that stays small; `….1` holds what was before. */
export interface SidecarLog {
  path: string
  /** To write to: a file and no pipe, so that it outlives this process. */
  descriptor: number
  /** Forgets what was said before. */
  begin (): void
  /** Since `begin`: its summary of why it gave up, else its last warnings and errors; made short. */
  lastWords (): string[]
  close (): void
}

const sizeLimitBytes = 2 * 1024 * 1024
const lookEveryMs = 30_000

/** @throws the file system's errors */
export function openSidecarLog (path: string): SidecarLog {
  const descriptor = openSync(path, 'a+', 0o600)
  let start = 0
  // Emptied in place: the sidecar holds it open for appending and goes on at its new end.
  const bound = () => {
    try {
      if (fstatSync(descriptor).size < sizeLimitBytes) return
      copyFileSync(path, `${path}.1`)
      ftruncateSync(descriptor)
      start = 0
    } catch {}
  }
  const timer = setInterval(bound, lookEveryMs)
  timer.unref()
  return {
    path,
    descriptor,
    begin () {
      bound()
      start = fstatSync(descriptor).size
    },
    lastWords () {
      const { size } = fstatSync(descriptor)
      const from = Math.max(start, size - 16_384)
      const buffer = Buffer.alloc(Math.max(0, size - from))
      const text = buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, from)).toString()
      return gist(text.split('\n'))
    },
    close () {
      clearInterval(timer)
      closeSync(descriptor)
    }
  }
}

// One line of the console's format, or of JSON.
const ORDINARY = /^\S+\t(?:debug|info)\t|^\{"level":"(?:debug|info)"/

/** Of what a Collector has said: why it gave up, which may take several lines, else what is not ordinary. */
export function gist (lines: string[]): string[] {
  const summary = lines.findLastIndex((line) => /^(?:Error|panic|fatal error): /.test(line))
  return summary === -1
    ? lastLines(lines.filter((line) => !ORDINARY.test(line)))
    : indented(lines.slice(summary).filter((line) => !ORDINARY.test(line)), 2_000).slice(0, 16)
}

/** As many as a person reads, none longer than a few lines of a terminal. */
export function lastLines (lines: string[], count = 6): string[] {
  return indented(lines, 400).slice(-count)
}

function indented (lines: string[], longest: number): string[] {
  return lines.map((line) => line.trim()).filter((line) => line !== '')
    .map((line) => `  ${line.length > longest ? `${line.slice(0, longest)} …` : line}`)
}
