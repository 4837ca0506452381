import type { Head } from '../database/head.js'
import type { ChangeContext, ChangeRequest, ChangeResult, Operation, Precondition } from './change.js'
import type { Committer } from './committer.js'
import { Moved, Problem } from '../errors.js'
import { keyReused, refusal, staleVersion } from './refusals.js'
import type { RevisionRepository } from './repository.js'

/** An object as a write left it. `created`: the write made it. `head`: the revision that the answer carries. */
export interface Written extends ChangeResult {
  created: boolean
  content: string
}

export interface Deleted {
  revision: number
  deleted: Array<{ kind: string, id: string, reference: string }>
  count: number
}

/** What the repositories need for writing. */
export interface Store { committer: Committer, head: Head }

/**
 * Commits a change that leaves an object behind.
 * @throws Problem for a refusal, Moved when base_version no longer is the current one
 */
export async function write (store: Store, request: ChangeRequest, { only }: ChangeContext): Promise<Written> {
  return asWritten(await commit(store, request, only), request.operation)
}

// A rollback that changed nothing may be answered again with the version that created the object.
function asWritten (result: ChangeResult, operation: Operation): Written {
  const mayCreate = operation === 'create' || operation === 'put'
  return { ...result, content: result.content ?? 'null', created: mayCreate && result.operation === 'create' && result.outcome !== 'unchanged' }
}

/** Commits a deletion. */
export async function erase (store: Store, request: ChangeRequest, { only }: ChangeContext): Promise<Deleted> {
  const { kind, id, reference, revision } = await commit(store, request, only)
  return { revision, deleted: [{ kind, id, reference }], count: 1 }
}

async function commit (store: Store, request: ChangeRequest, only: readonly string[] | undefined): Promise<ChangeResult> {
  const result = await store.committer.commit(request)
  store.head.seen(result.head, result.epoch)
  if (result.outcome !== 'refused') return result
  if (result.reason === 'moved') throw new Moved()
  throw refusal(request, result, only)
}

/** The stored answer of a POST whose idempotency key is known; asked before anything else of it is looked at. */
export async function replayed (revisions: RevisionRepository, context: ChangeContext, operation: 'create' | 'rollback'): Promise<Written | undefined> {
  if (context.idempotency === undefined) return undefined
  const result = await revisions.replay(context.author, context.idempotency)
  if (result === undefined) return undefined
  if (result.outcome === 'refused') throw keyReused()
  return asWritten(result, operation)
}

/** Refuses a change early whose precondition does not hold; the commit asks again. */
export function checkPrecondition ({ ifMatch, ifNoneMatch }: Precondition, version: number): void {
  if (ifNoneMatch === true || (ifMatch !== undefined && !ifMatch.includes(version))) throw staleVersion(version)
}

const ATTEMPTS = 4

/** Reads, changes and commits again when another writer was quicker, a few times. */
export async function untilSettled<T> (attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Moved)) throw error
      if (n === ATTEMPTS) throw new Problem('overloaded', 'Others change the object all the time; the change was tried four times. Nothing was stored.')
    }
  }
}
