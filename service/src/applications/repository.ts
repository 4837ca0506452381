import { createFilter, filterObjects } from '../database/filter.js'
import type { Reader } from '../database/read.js'
import type { ApplicationTarget } from '../names.js'
import { changeRequest, type ChangeContext, type Operation, type Precondition } from '../revisions/change.js'
import type { Read } from '../database/head.js'
import type { ObjectRecord } from '../revisions/record.js'
import { erase, write, type Deleted, type Store, type Written } from '../revisions/written.js'
import { applicationFields, type ApplicationBody } from './schema.js'

export interface ApplicationFilter { /** Ids: no others are listed. */ only?: readonly string[], name?: string, label?: readonly string[], limit: number, after?: string }

export interface ApplicationRepository {
  find (target: ApplicationTarget): Promise<Read<ObjectRecord | undefined>>
  /** Up to limit + 1 applications, sorted by name: the one too many tells that there are more. */
  list (filter: ApplicationFilter): Promise<Read<ObjectRecord[]>>
  insert (body: ApplicationBody, context: ChangeContext): Promise<Written>
  update (operation: 'put' | 'update' | 'rollback', target: ApplicationTarget, body: ApplicationBody, precondition: Precondition, context: ChangeContext, baseVersion?: number): Promise<Written>
  delete (target: ApplicationTarget, precondition: Precondition, context: ChangeContext): Promise<Deleted>
}

const COLUMNS = 'a.id, application_content(a)::text as content, a.version, a.revision, a.created_at, a.updated_at, a.updated_by'

export function createApplicationRepository ({ reader, store }: { reader: Reader, store: Store }): ApplicationRepository {
  return {
    async find (target) {
      const [by, value] = 'id' in target ? ['id', target.id] : ['name', target.application]
      const { revision, value: rows } = await reader.rows<ObjectRecord>(`application-by-${by}`, `select ${COLUMNS} from applications a where a.${by} = $1`, [value])
      return { revision, value: rows[0] }
    },

    async list ({ limit, after, only, ...query }) {
      const filter = createFilter()
      if (only !== undefined) filter.add('only', 'a.id = any($::uuid[])', only)
      filterObjects(filter, 'a', query)
      if (after !== undefined) filter.add('after', 'a.name > $', after)
      return await reader.rows<ObjectRecord>(
        `application-list${filter.name}`,
        `select ${COLUMNS} from applications a${filter.clause} order by a.name limit $${filter.values.length + 1}`,
        [...filter.values, limit + 1])
    },

    async insert (body, context) {
      return await write(store, { ...changeRequest('application', 'create', context), ...applicationFields(body) }, context)
    },

    async update (operation: Operation, target, body, precondition, context, baseVersion) {
      return await write(store, {
        ...changeRequest('application', operation, context, target, precondition),
        ...applicationFields(body),
        ...(baseVersion === undefined ? {} : { base_version: baseVersion })
      }, context)
    },

    async delete (target, precondition, context) {
      return await erase(store, changeRequest('application', 'delete', context, target, precondition), context)
    }
  }
}
