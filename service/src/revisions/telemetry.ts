import { describeTarget, type ApplicationTarget, type ConfigurationTarget } from '../names.js'
import { observeOperations } from '../telemetry/observe-operations.js'
import { observeQueries } from '../telemetry/observe-queries.js'
import type { AttributesNamed } from '../telemetry/registry.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { RevisionRepository } from './repository.js'
import type { RevisionService } from './service.js'
import type { Deleted, Written } from './written.js'

/** What a target says of the resource it means. */
export function targetFacts (target: ApplicationTarget | ConfigurationTarget): AttributesNamed<'resource.id' | 'resource.name'> {
  return 'id' in target ? { 'resource.id': target.id } : { 'resource.name': describeTarget(target) }
}

/** What a write has changed; nothing when everything was so already, or when the answer is that of an earlier request. */
export function changeOf ({ outcome, operation, revision, version }: Written): { revision: number, version: number, created: boolean } | undefined {
  return outcome === 'committed' ? { revision, version, created: operation === 'create' } : undefined
}

/** How many rows a write has written: none where nothing was to change. */
export function rowsWritten ({ outcome }: Written): number {
  return outcome === 'committed' ? 1 : 0
}

export function deletionOf ({ revision }: Deleted): { revision: number, created: boolean } {
  return { revision, created: false }
}

/** The id of what was deleted: the first of the list. */
export function deletedFacts ({ deleted }: Deleted): AttributesNamed<'resource.id' | 'resource.name'> {
  const [first] = deleted
  return { 'resource.id': first?.id, 'resource.name': first?.reference }
}

export function observedRevisionService (service: RevisionService, telemetry: Telemetry): RevisionService {
  return observeOperations(service, telemetry, {
    list: {
      span: 'version.list',
      type: 'list',
      before: ([, target, { limit }]) => ({ 'resource.kind': 'version', ...targetFacts(target), 'query.limit': limit }),
      after: ({ value }) => ({ 'query.result_count': value.items.length })
    },
    find: {
      span: 'version.read',
      type: 'read',
      before: ([, target, version]) => ({ 'resource.kind': 'version', ...targetFacts(target), 'config.version': version }),
      after: () => ({})
    },
    diff: {
      span: 'version.diff',
      type: 'read',
      before: ([, target]) => ({ 'resource.kind': 'version', ...targetFacts(target) }),
      after: ({ value }) => ({ 'config.version': value.to })
    }
  })
}

export function observedRevisionRepository (repository: RevisionRepository): RevisionRepository {
  return observeQueries(repository, {
    identify: ['versions.identify', 'SELECT', 'versions', ({ value }) => value === undefined ? 0 : 1],
    applicationOf: ['versions.identify', 'SELECT', 'versions', (found) => found === undefined ? 0 : 1],
    list: ['versions.list', 'SELECT', 'versions', ({ value }) => value.length],
    find: ['versions.find', 'SELECT', 'versions', ({ value }) => value === undefined ? 0 : 1],
    replay: ['versions.replay', 'SELECT', 'idempotency_keys', (result) => result === undefined ? 0 : 1],
    count: 'quiet',
    forgetExpired: 'quiet'
  })
}
