import { createFilter, filterObjects } from '../database/filter.js'
import type { Reader } from '../database/read.js'
import type { ApplicationTarget, ConfigurationTarget } from '../names.js'
import { changeRequest, type ChangeContext, type Operation, type Precondition } from '../revisions/change.js'
import type { Read } from '../database/head.js'
import { erase, write, type Deleted, type Store, type Written } from '../revisions/written.js'
import { configurationFields, type ConfigurationInput, type ConfigurationRecord } from './schema.js'

export interface ConfigurationFilter {
  application?: ApplicationTarget
  name?: string
  label?: readonly string[]
  /** With values and schema. */
  whole: boolean
  limit: number
  /** Names of the application and of the configuration after which to go on. */
  after?: readonly [string, string]
}

export interface ConfigurationRepository {
  find (target: ConfigurationTarget): Promise<Read<ConfigurationRecord | undefined>>
  /** Up to limit + 1 configurations, sorted by application and name: the one too many tells that there are more. */
  list (filter: ConfigurationFilter): Promise<Read<ConfigurationRecord[]>>
  insert (input: ConfigurationInput, context: ChangeContext): Promise<Written>
  update (operation: 'put' | 'update' | 'rollback', target: ConfigurationTarget, input: ConfigurationInput, precondition: Precondition, context: ChangeContext, baseVersion?: number): Promise<Written>
  delete (target: ConfigurationTarget, precondition: Precondition, context: ChangeContext): Promise<Deleted>
}

const COLUMNS = "c.id, a.name || ':' || c.name as reference, c.application_id, c.version, c.revision, c.created_at, c.updated_at, c.updated_by"
const WHOLE = 'configuration_content(c, parents_of(c.id))::text as content'
const SUMMARY = 'configuration_summary(c, parents_of(c.id))::text as content'
const FROM = 'from configurations c join applications a on a.id = c.application_id'

export function createConfigurationRepository ({ reader, store }: { reader: Reader, store: Store }): ConfigurationRepository {
  return {
    async find (target) {
      const { revision, value: rows } = 'id' in target
        ? await reader.rows<ConfigurationRecord>('configuration-by-id', `select ${COLUMNS}, ${WHOLE} ${FROM} where c.id = $1`, [target.id])
        : await reader.rows<ConfigurationRecord>('configuration-by-name', `select ${COLUMNS}, ${WHOLE} ${FROM} where a.name = $1 and c.name = $2`, [target.application, target.name])
      return { revision, value: rows[0] }
    },

    async list ({ application, whole, limit, after, ...query }) {
      const filter = createFilter()
      if (application !== undefined) {
        if ('id' in application) filter.add('application-id', 'a.id = $', application.id)
        else filter.add('application', 'a.name = $', application.application)
      }
      filterObjects(filter, 'c', query)
      if (after !== undefined) {
        filter.add('after', '(a.name, c.name) > (split_part($, \':\', 1), split_part($, \':\', 2))', after.join(':'))
      }
      return await reader.rows<ConfigurationRecord>(
        `configuration-list${whole ? '-whole' : ''}${filter.name}`,
        `select ${COLUMNS}, ${whole ? WHOLE : SUMMARY} ${FROM}${filter.clause} order by a.name, c.name limit $${filter.values.length + 1}`,
        [...filter.values, limit + 1])
    },

    async insert (input, context) {
      const { application } = input
      return await write(store, {
        ...changeRequest('configuration', 'create', context),
        ...(application === undefined ? {} : 'id' in application ? { target_id: application.id } : { target_application: application.name }),
        ...configurationFields(input)
      })
    },

    async update (operation: Operation, target, input, precondition, context, baseVersion) {
      const { application } = input
      return await write(store, {
        ...changeRequest('configuration', operation, context, target, precondition),
        ...configurationFields(input),
        ...(application === undefined ? {} : 'id' in application ? { application_id: application.id } : { application_name: application.name }),
        ...(baseVersion === undefined ? {} : { base_version: baseVersion })
      })
    },

    async delete (target, precondition, context) {
      return await erase(store, changeRequest('configuration', 'delete', context, target, precondition))
    }
  }
}
