import { Problem } from '../errors.js'
import type { Kind } from './change.js'
import type { RevisionRepository } from './repository.js'

/**
 * The content (JSON text) that a rollback brings back.
 * @throws Problem invalid-values at /version when there is no such version, or it is a deletion
 */
export async function rollbackContent (revisions: RevisionRepository, of: { kind: Kind, id: string, version: number }): Promise<string> {
  const { value } = await revisions.find(of.id, of.version)
  if (typeof value?.content === 'string') return value.content
  const message = value === undefined ? `the ${of.kind} has no version ${of.version}` : `version ${of.version} is a deletion`
  throw new Problem('invalid-values', `body /version: ${message}`, { faults: [{ in: 'body', path: '/version', message }] })
}
