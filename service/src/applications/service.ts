import { Problem } from '../errors.js'
import { parse, toPlain } from '../json/index.js'
import { describeTarget, type ApplicationTarget } from '../names.js'
import type { ChangeContext, Precondition } from '../revisions/change.js'
import type { Read } from '../database/head.js'
import { MAX_BODY_DEPTH, patched, type Patch } from '../revisions/patch.js'
import type { ObjectRecord } from '../revisions/record.js'
import type { RevisionRepository } from '../revisions/repository.js'
import { rollbackContent } from '../revisions/rollback.js'
import { createTurns } from '../revisions/turns.js'
import { checkPrecondition, replayed, untilSettled, type Deleted, type Written } from '../revisions/written.js'
import { shapeCheck } from '../shape.js'
import type { ApplicationFilter, ApplicationRepository } from './repository.js'
import { applicationText, ReplaceApplication, type ApplicationBody } from './schema.js'

export interface ApplicationService {
  create (body: ApplicationBody, context: ChangeContext): Promise<Written>
  read (target: ApplicationTarget): Promise<Read<ObjectRecord>>
  list (filter: ApplicationFilter): Promise<Read<{ items: ObjectRecord[], more: boolean }>>
  replace (target: ApplicationTarget, body: ApplicationBody, precondition: Precondition, context: ChangeContext): Promise<Written>
  patch (target: ApplicationTarget, patch: Patch, precondition: Precondition, context: ChangeContext): Promise<Written>
  rollback (target: ApplicationTarget, version: number, precondition: Precondition, context: ChangeContext): Promise<Written>
  remove (target: ApplicationTarget, precondition: Precondition, context: ChangeContext): Promise<Deleted>
}

const checkReplace = shapeCheck(ReplaceApplication, 'body')

/** Applications. Problems: not-found, deleted, name-taken, stale-version, application-not-empty. */
export function createApplicationService ({ repository, revisions, bodyLimitBytes }: {
  repository: ApplicationRepository
  revisions: RevisionRepository
  bodyLimitBytes: number
}): ApplicationService {
  const turns = createTurns()

  async function read (target: ApplicationTarget): Promise<Read<ObjectRecord>> {
    const { revision, value } = await repository.find(target)
    if (value !== undefined) return { revision, value }
    const deleted = 'id' in target && (await revisions.identify('application', target)).value?.deleted === true
    throw deleted
      ? new Problem('deleted', `The application ${describeTarget(target)} has been deleted.`)
      : new Problem('not-found', `There is no application ${describeTarget(target)}.`)
  }

  return {
    read,

    async create (body, context) {
      const known = await replayed(revisions, context, 'create')
      if (known !== undefined) return known
      return await repository.insert(body, context)
    },

    async list (filter) {
      const { revision, value } = await repository.list(filter)
      return { revision, value: { items: value.slice(0, filter.limit), more: value.length > filter.limit } }
    },

    async replace (target, body, precondition, context) {
      return await repository.update('put', target, body, precondition, context)
    },

    async patch (target, patch, precondition, context) {
      return await turns.take(describeTarget(target), async () => await untilSettled(async () => {
        const { value: current } = await read(target)
        checkPrecondition(precondition, current.version)
        const { body } = patched(applicationText(current), patch, checkReplace, bodyLimitBytes)
        return await repository.update('update', { id: current.id }, body as ApplicationBody, precondition, context, current.version)
      }))
    },

    async rollback (target, version, precondition, context) {
      const known = await replayed(revisions, context, 'rollback')
      if (known !== undefined) return known
      return await turns.take(describeTarget(target), async () => await untilSettled(async () => {
        const { value: current } = await read(target)
        checkPrecondition(precondition, current.version)
        const content = await rollbackContent(revisions, { kind: 'application', id: current.id, version })
        const { name, ...body } = toPlain(parse(content, { maxDepth: MAX_BODY_DEPTH })) as ApplicationBody
        return await repository.update('rollback', { id: current.id }, body, precondition, context, current.version)
      }))
    },

    async remove (target, precondition, context) {
      return await repository.delete(target, precondition, context)
    }
  }
}
