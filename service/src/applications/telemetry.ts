import { changeOf, deletedFacts, deletionOf, rowsWritten, targetFacts } from '../revisions/telemetry.js'
import type { Written } from '../revisions/written.js'
import { observeOperations } from '../telemetry/observe-operations.js'
import { observeQueries } from '../telemetry/observe-queries.js'
import type { AttributesNamed } from '../telemetry/registry.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { ApplicationRepository } from './repository.js'
import type { ApplicationService } from './service.js'

const kind = { 'resource.kind': 'application' } as const

function writtenFacts ({ id, reference, version }: Written): AttributesNamed<'resource.id' | 'resource.name' | 'config.application_id' | 'config.version'> {
  return { 'resource.id': id, 'resource.name': reference, 'config.application_id': id, 'config.version': version }
}

export function observedApplicationService (service: ApplicationService, telemetry: Telemetry): ApplicationService {
  return observeOperations(service, telemetry, {
    create: { span: 'application.create', type: 'create', before: ([{ name }]) => ({ ...kind, 'resource.name': name }), after: writtenFacts, change: changeOf },
    read: {
      span: 'application.read',
      type: 'read',
      before: ([target]) => ({ ...kind, ...targetFacts(target) }),
      after: ({ value: { id, version } }) => ({ 'resource.id': id, 'config.application_id': id, 'config.version': version })
    },
    list: {
      span: 'application.list',
      type: 'list',
      before: ([{ limit }]) => ({ ...kind, 'query.limit': limit }),
      after: ({ value }) => ({ 'query.result_count': value.items.length })
    },
    replace: { span: 'application.update', type: 'update', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: writtenFacts, change: changeOf },
    patch: { span: 'application.update', type: 'update', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: writtenFacts, change: changeOf },
    rollback: { span: 'application.rollback', type: 'rollback', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: writtenFacts, change: changeOf },
    remove: { span: 'application.delete', type: 'delete', before: ([target]) => ({ ...kind, ...targetFacts(target), 'cascade.enabled': false }), after: deletedFacts, change: deletionOf }
  })
}

export function observedApplicationRepository (repository: ApplicationRepository): ApplicationRepository {
  return observeQueries(repository, {
    find: ['applications.find', 'SELECT', 'applications', ({ value }) => value === undefined ? 0 : 1],
    list: ['applications.list', 'SELECT', 'applications', ({ value }) => value.length],
    insert: ['applications.insert', 'INSERT', 'applications', rowsWritten],
    update: ['applications.update', 'UPDATE', 'applications', rowsWritten],
    delete: ['applications.delete', 'DELETE', 'applications', ({ count }) => count]
  })
}
