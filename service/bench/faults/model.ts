/** What a writer knows of its configurations from the answers it got. */

export type Operation = 'create' | 'put' | 'patch' | 'rollback' | 'delete'

/** As the history of a configuration names it. */
export const STORED_AS: Record<Operation, string> = { create: 'create', put: 'update', patch: 'update', rollback: 'rollback', delete: 'delete' }

export type ConfigurationValues = Record<string, unknown>

export interface KnownVersion {
  version: number
  revision: number
  operation: Operation
  /** null: it was deleted. */
  values: ConfigurationValues | null
  round: number
}

/** A request whose outcome is not known. */
export interface Attempt {
  operation: Operation
  values: ConfigurationValues | null
  /** The bytes that were sent. */
  request: string
  /** Its Idempotency-Key. */
  key?: string
}

export interface Tracked {
  reference: string
  /** Not known until its creation was answered. */
  id?: string
  versions: KnownVersion[]
  unknown?: Attempt
  /** The request that made it, when it had an Idempotency-Key. */
  creation?: { request: string, round: number }
}

export function isAlive ({ versions, unknown }: Tracked): boolean {
  return unknown === undefined && versions.length > 0 && versions.at(-1)?.values !== null
}

export interface Writer {
  number: number
  /** Makes all that it writes different from all that was written before. */
  counter: number
  objects: Tracked[]
}
