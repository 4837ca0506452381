import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../places.js'

/** What happened, in order, as lines of JSON; a file for each round. */
export interface History {
  folder: string
  record (round: number, entry: Record<string, unknown>): void
  /** Takes note of what must not be, and of the entries that show it. */
  violation (round: number, what: string, ...entries: unknown[]): void
  readonly violations: Array<{ round: number, what: string, entries: unknown[] }>
}

export function createHistory (): History {
  const folder = join(cacheFolder, 'histories', new Date().toISOString().replaceAll(':', '-').slice(0, 19))
  mkdirSync(folder, { recursive: true })
  const violations: History['violations'] = []
  const record = (round: number, entry: Record<string, unknown>): void => {
    appendFileSync(join(folder, `round-${String(round).padStart(3, '0')}.jsonl`), `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`)
  }
  return {
    folder,
    record,
    violations,
    violation (round, what, ...entries) {
      violations.push({ round, what, entries })
      record(round, { type: 'violation', what, entries })
    }
  }
}
