import type { SchemaFault } from './prepare.js'

/** What the engine asks of its worker, one job at a time. */
export type Request =
  | { id: number, phase: 'inspect', schemaTexts: [string] }
  | { id: number, phase: 'check', schemaTexts: string[], valuesText: string }

export type Response =
  | { kind: 'ready' }
  | { kind: 'done', id: number, faults: Array<SchemaFault & { schema: number }> }
  /** The job looked at one value too often, ran out of the call stack, or failed in a way nobody foresaw. */
  | { kind: 'failed', id: number, reason: 'repetition' | 'stack' | 'crash', message: string }

export interface WorkerSetup { progress: Int32Array }

/** Cells of `progress`, which both threads see: the job that runs (0: none), and the index of the schema it is at (-1: none yet). */
export const jobCell = 0
export const schemaCell = 1
export const progressCells = 2
