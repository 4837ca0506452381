import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'

export interface ProcessFacts {
  pid: number
  parent: number
  /** Processor time so far, all threads together, in seconds; NaN where there is no /proc. */
  cpuSeconds: number
  /** That of its children that have ended. */
  reapedCpuSeconds: number
}

// The unit of /proc/PID/stat is the same wherever Linux runs.
const TICKS_PER_SECOND = 100
const hasProc = existsSync('/proc/self/stat')

export function processFacts (pid: number): ProcessFacts | undefined {
  return hasProc ? readProc(pid) : allProcesses().find((one) => one.pid === pid)
}

export function allProcesses (): ProcessFacts[] {
  if (!hasProc) return readPs()
  return readdirSync('/proc').map((name) => /^\d+$/.test(name) ? readProc(Number(name)) : undefined).filter((found) => found !== undefined)
}

/** A process, its children, theirs, and so on. */
export function familyOf (pid: number, all = allProcesses()): number[] {
  return [pid, ...all.filter(({ parent }) => parent === pid).flatMap((child) => familyOf(child.pid, all))]
}

/** The command line with blanks between its words; empty when there is no such process. */
export function commandOf (pid: number): string {
  try {
    return hasProc ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') : ps('-o', 'command=', '-p', String(pid))
  } catch {
    return ''
  }
}

/** Memory of a process that is in main memory, in bytes; NaN when there is no such process. */
export function residentBytes (pid: number): number {
  try {
    const kib = hasProc ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] : ps('-o', 'rss=', '-p', String(pid)).trim()
    return Number(kib ?? NaN) * 1024
  } catch {
    return NaN
  }
}

/** What a process has read so far, from files and sockets together, in bytes; NaN where the system does not tell. */
export function bytesRead (pid: number): number {
  try {
    return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? NaN)
  } catch {
    return NaN
  }
}

/** proc(5), stat: fields 4 (parent), 14 and 15 (own time), 16 and 17 (that of children waited for). */
function readProc (pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold blanks and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number)
    const seconds = (n: number): number => (fields[n] ?? NaN) / TICKS_PER_SECOND
    return { pid, parent: fields[1] ?? NaN, cpuSeconds: seconds(11) + seconds(12), reapedCpuSeconds: seconds(13) + seconds(14) }
  } catch {
    return undefined
  }
}

function readPs (): ProcessFacts[] {
  return ps('-A', '-o', 'pid=,ppid=').trim().split('\n').map((line) => {
    const [pid = NaN, parent = NaN] = line.trim().split(/\s+/).map(Number)
    return { pid, parent, cpuSeconds: NaN, reapedCpuSeconds: NaN }
  })
}

function ps (...args: string[]): string {
  return execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}
