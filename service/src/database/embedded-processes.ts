import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process that cannot be mistaken for a later one that was given the same number. */
export interface ProcessIdentity {
  pid: number
  /** When it started, in the words of the operating system; only good for comparing. */
  started: string
}

/** @returns nothing when no such process runs; one that has ended and waits to be reaped does not. */
export function identify (pid: number): ProcessIdentity | undefined {
  const started = hasProc ? startFromProc(pid) : startFromPs(pid)
  return started === undefined ? undefined : { pid, started }
}

/** Whether that very process still runs. */
export function isRunning (process: ProcessIdentity): boolean {
  const now = identify(process.pid)
  return now !== undefined && now.started === process.started
}

/**
 * The PostgreSQL processes (postmaster and backends) that work in a data folder.
 *
 * @param folder its real path, without symbolic links
 * @param postmaster the number in its postmaster.pid, which may long belong to someone else
 */
export function postgresProcesses (folder: string, postmaster?: number): ProcessIdentity[] {
  const candidates = hasProc ? numbers(readdirSync('/proc')) : postmaster === undefined ? [] : [postmaster]
  return candidates
    .filter((pid) => hasProc ? worksIn(pid, folder) : commandOf(pid).includes(folder))
    .map(identify)
    .filter((found) => found !== undefined)
}

/** Waits until none of them runs any more. @returns whether that came true in time */
export async function ended (processes: ProcessIdentity[], withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs
  while (processes.some(isRunning)) {
    if (Date.now() > until) return false
    await sleep(25)
  }
  return true
}

/** Sends a signal; that a process is gone already is no fault. */
export function signal (pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const hasProc = existsSync('/proc/self/stat')

/** Field 22 of proc(5) stat: clock ticks between boot and start. The boot makes it unique. */
function startFromProc (pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the name in brackets may hold blanks and brackets itself
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return `${boot()}/${fields[19]}`
  } catch {
    return undefined
  }
}

let bootId: string | undefined
function boot (): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return bootId
}

function startFromPs (pid: number): string | undefined {
  const line = ps(['stat', 'lstart'], pid)
  return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '')
}

function commandOf (pid: number): string {
  return ps(['command'], pid)
}

function ps (columns: string[], pid: number): string {
  try {
    return execFileSync('ps', [...columns.flatMap((column) => ['-o', `${column}=`]), '-p', String(pid)], {
      encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, LC_ALL: 'C' }
    }).trim()
  } catch {
    return ''
  }
}

function worksIn (pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder &&
      basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('postgres')
  } catch {
    return false
  }
}

function numbers (names: string[]): number[] {
  return names.map(Number).filter((number) => Number.isInteger(number))
}
