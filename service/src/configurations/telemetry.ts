import { changeOf, deletedFacts, deletionOf, rowsWritten, targetFacts } from '../revisions/telemetry.js'
import { observeOperations } from '../telemetry/observe-operations.js'
import { observeQueries } from '../telemetry/observe-queries.js'
import type { AttributesNamed } from '../telemetry/registry.js'
import { inSpan } from '../telemetry/span.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { CycleCheck } from './cycle-check.js'
import type { ConfigurationRepository } from './repository.js'
import type { SchemaCheck } from './schema-check.js'
import type { ConfigurationService } from './service.js'

const kind = { 'resource.kind': 'configuration' } as const

type Facts = AttributesNamed<'resource.id' | 'resource.name' | 'config.application_id' | 'config.configuration_id' | 'config.version'>

function facts ({ id, reference, application_id: applicationId, version }: { id: string, reference: string, application_id: string, version: number }): Facts {
  return { 'resource.id': id, 'resource.name': reference, 'config.application_id': applicationId, 'config.configuration_id': id, 'config.version': version }
}

export function observedConfigurationService (service: ConfigurationService, telemetry: Telemetry): ConfigurationService {
  return observeOperations(service, telemetry, {
    create: {
      span: 'configuration.create',
      type: 'create',
      before: ([{ application, name }]) => ({ ...kind, 'resource.name': `${application.name ?? application.id ?? ''}:${name ?? ''}`, 'config.application_id': application.id }),
      after: facts,
      change: changeOf
    },
    read: { span: 'configuration.read', type: 'read', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: ({ value }) => facts(value) },
    list: {
      span: 'configuration.list',
      type: 'list',
      before: ([{ limit }]) => ({ ...kind, 'query.limit': limit }),
      after: ({ value }) => ({ 'query.result_count': value.items.length })
    },
    replace: { span: 'configuration.update', type: 'update', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: facts, change: changeOf },
    patch: { span: 'configuration.update', type: 'update', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: facts, change: changeOf },
    rollback: { span: 'configuration.rollback', type: 'rollback', before: ([target]) => ({ ...kind, ...targetFacts(target) }), after: facts, change: changeOf },
    remove: {
      span: 'configuration.delete',
      type: 'delete',
      before: ([target]) => ({ ...kind, ...targetFacts(target), 'cascade.enabled': false }),
      after: (deleted) => ({ ...deletedFacts(deleted), 'config.configuration_id': deletedFacts(deleted)['resource.id'] }),
      change: deletionOf
    }
  })
}

export function observedConfigurationRepository (repository: ConfigurationRepository): ConfigurationRepository {
  return observeQueries(repository, {
    find: ['configurations.find', 'SELECT', 'configurations', ({ value }) => value === undefined ? 0 : 1],
    list: ['configurations.list', 'SELECT', 'configurations', ({ value }) => value.items.length],
    parents: ['configurations.parents', 'SELECT', 'configurations', ({ value }) => value.length],
    ancestors: ['configurations.ancestors', 'SELECT', 'configuration_parents', ({ value }) => value.edges.length],
    insert: ['configurations.insert', 'INSERT', 'configurations', rowsWritten],
    update: ['configurations.update', 'UPDATE', 'configurations', rowsWritten],
    delete: ['configurations.delete', 'DELETE', 'configurations', ({ count }) => count]
  })
}

export function observedSchemaCheck (check: SchemaCheck): SchemaCheck {
  return async (input) => {
    // Without a schema there is nothing to check.
    if (input.schema === null) return
    await inSpan('configuration.validate', {}, async () => { await check(input) })
  }
}

export function observedCycleCheck (check: CycleCheck): CycleCheck {
  return async (target, parents, only) => {
    await inSpan('configuration.check_cycles', { 'config.extends.count': parents.length }, async () => { await check(target, parents, only) })
  }
}
