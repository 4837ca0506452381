import { malformed, Problem } from '../errors.js'
import { parse, toPlain, type JsonObject } from '../json/index.js'
import { describeTarget, type ConfigurationTarget } from '../names.js'
import type { ChangeContext, Precondition } from '../revisions/change.js'
import type { Read } from '../database/head.js'
import { MAX_BODY_DEPTH, patched, type Patch } from '../revisions/patch.js'
import type { RevisionRepository } from '../revisions/repository.js'
import { rollbackContent } from '../revisions/rollback.js'
import { createTurns } from '../revisions/turns.js'
import { checkPrecondition, replayed, untilSettled, type Deleted, type Written } from '../revisions/written.js'
import { shapeCheck } from '../shape.js'
import type { ConfigurationFilter, ConfigurationRepository } from './repository.js'
import { configurationText, readConfiguration, ReplaceConfiguration, type ConfigurationBody, type ConfigurationInput, type ConfigurationRecord } from './schema.js'
import type { CycleCheck } from './cycle-check.js'
import type { ExtendCheck } from './extend-check.js'
import type { SchemaCheck } from './schema-check.js'

export interface ConfigurationService {
  create (input: ConfigurationInput, context: ChangeContext): Promise<Written>
  read (target: ConfigurationTarget): Promise<Read<ConfigurationRecord>>
  list (filter: ConfigurationFilter): Promise<Read<{ items: ConfigurationRecord[], more: boolean }>>
  replace (target: ConfigurationTarget, input: ConfigurationInput, precondition: Precondition, context: ChangeContext): Promise<Written>
  patch (target: ConfigurationTarget, patch: Patch, precondition: Precondition, context: ChangeContext): Promise<Written>
  rollback (target: ConfigurationTarget, version: number, precondition: Precondition, context: ChangeContext): Promise<Written>
  remove (target: ConfigurationTarget, precondition: Precondition, context: ChangeContext): Promise<Deleted>
}

const checkReplace = shapeCheck(ReplaceConfiguration, 'body')

/**
 * Configurations. Problems: not-found, deleted, name-taken, stale-version, dependents-exist, unknown-reference,
 * circular-dependency, invalid-schema, invalid-values.
 */
export function createConfigurationService ({ repository, revisions, schemaCheck, cycleCheck, extendCheck, bodyLimitBytes }: {
  repository: ConfigurationRepository
  revisions: RevisionRepository
  schemaCheck: SchemaCheck
  cycleCheck: CycleCheck
  extendCheck: ExtendCheck
  bodyLimitBytes: number
}): ConfigurationService {
  const turns = createTurns()

  async function read (target: ConfigurationTarget): Promise<Read<ConfigurationRecord>> {
    const { revision, value } = await repository.find(target)
    if (value !== undefined) return { revision, value }
    const deleted = 'id' in target && (await revisions.identify('configuration', target)).value?.deleted === true
    throw deleted
      ? new Problem('deleted', `The configuration ${describeTarget(target)} has been deleted.`)
      : new Problem('not-found', `There is no configuration ${describeTarget(target)}.`)
  }

  /** What may be committed of an input. */
  async function checked (target: ConfigurationTarget | undefined, input: ConfigurationInput, { only }: ChangeContext): Promise<ConfigurationInput> {
    await schemaCheck(input)
    if (input.parents.length === 0) return input
    const found = await extendCheck({ target, input, only })
    // Nothing extends what does not exist yet.
    if (target !== undefined) await cycleCheck(target, found.parents, only)
    return found
  }

  return {
    read,

    async create (input, context) {
      const { id, name } = input.application
      if (id === undefined && name === undefined) throw malformed([{ in: 'body', path: '/application', message: 'is missing (or application_id)' }])
      if (id !== undefined && name !== undefined) throw malformed([{ in: 'body', path: '/application_id', message: 'is one too many: name the application or give its id' }])
      const known = await replayed(revisions, context, 'create')
      if (known !== undefined) return known
      return await repository.insert(await checked(undefined, input, context), context)
    },

    async list (filter) {
      return await repository.list(filter)
    },

    async replace (target, input, precondition, context) {
      return await repository.update('put', target, await checked(target, input, context), precondition, context)
    },

    async patch (target, patch, precondition, context) {
      return await turns.take(describeTarget(target), async () => await untilSettled(async () => {
        const { value: current } = await read(target)
        checkPrecondition(precondition, current.version)
        const { body, document } = patched(configurationText(current), patch, checkReplace, bodyLimitBytes)
        const input = readConfiguration(body as ConfigurationBody, document)
        return await repository.update('update', { id: current.id }, await checked({ id: current.id }, input, context), precondition, context, current.version)
      }))
    },

    async rollback (target, version, precondition, context) {
      const known = await replayed(revisions, context, 'rollback')
      if (known !== undefined) return known
      return await turns.take(describeTarget(target), async () => await untilSettled(async () => {
        const { value: current } = await read(target)
        checkPrecondition(precondition, current.version)
        const content = await rollbackContent(revisions, { kind: 'configuration', id: current.id, version })
        const document = parse(content, { maxDepth: MAX_BODY_DEPTH }) as JsonObject
        document.delete('name')
        const input = readConfiguration(toPlain(document) as ConfigurationBody, document)
        return await repository.update('rollback', { id: current.id }, await checked({ id: current.id }, input, context), precondition, context, current.version)
      }))
    },

    async remove (target, precondition, context) {
      return await repository.delete(target, precondition, context)
    }
  }
}
