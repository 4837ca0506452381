import { createFilter, filterObjects } from '../database/filter.js'
import type { Reader } from '../database/read.js'
import type { ApplicationTarget, ConfigurationTarget } from '../names.js'
import { changeRequest, type ChangeContext, type Operation, type Precondition } from '../revisions/change.js'
import type { Read } from '../database/head.js'
import { erase, write, type Deleted, type Store, type Written } from '../revisions/written.js'
import { whenGiven } from '../optional.js'
import { configurationFields, type ConfigurationInput, type ConfigurationRecord } from './schema.js'

export interface ConfigurationFilter {
  /** Ids of applications: nothing of others is listed. */
  only?: readonly string[]
  application?: ApplicationTarget
  name?: string
  label?: readonly string[]
  /** With values and schema. */
  whole: boolean
  limit: number
  /** Names of the application and of the configuration after which to go on. */
  after?: readonly [string, string]
}

export interface ParentFacts {
  /** Its place among those that were asked for. */
  index: number
  id: string
  application_id: string
  application: string
  shared: boolean
  /** Of the application of what is to extend it. */
  own: boolean
  extended: boolean
}

export interface ConfigurationRepository {
  find (target: ConfigurationTarget): Promise<Read<ConfigurationRecord | undefined>>
  /** Up to limit configurations, sorted by application and name; whole ones up to MAX_PAGE_BYTES, but at least one. */
  list (filter: ConfigurationFilter): Promise<Read<{ items: ConfigurationRecord[], more: boolean }>>
  /** What a configuration would inherit from if it extended these: pairs [child, parent] of references, its own included. */
  ancestors (target: ConfigurationTarget, parents: readonly ConfigurationTarget[]): Promise<Read<{ self: string | undefined, edges: Array<[string, string]> }>>
  /** Of what is to be extended, where it is there: whose it is, whether that is shared, and whether it is extended already. */
  parents (target: ConfigurationTarget | undefined, application: ConfigurationInput['application'], parents: readonly ConfigurationTarget[]): Promise<Read<ParentFacts[]>>
  insert (input: ConfigurationInput, context: ChangeContext): Promise<Written>
  update (operation: 'put' | 'update' | 'rollback', target: ConfigurationTarget, input: ConfigurationInput, precondition: Precondition, context: ChangeContext, baseVersion?: number): Promise<Written>
  delete (target: ConfigurationTarget, precondition: Precondition, context: ChangeContext): Promise<Deleted>
}

const COLUMNS = "c.id, a.name || ':' || c.name as reference, c.application_id, c.version, c.revision, c.created_at, c.updated_at, c.updated_by"
const WHOLE = 'configuration_content(c, parents_of(c.id))::text as content'
const SUMMARY = 'configuration_summary(c, parents_of(c.id))::text as content'
const FROM = 'from configurations c join applications a on a.id = c.application_id'

const JOIN_PAGE = 'join configurations c on c.id = page.id join applications a on a.id = c.application_id order by page.position'

/** A page of whole configurations ends before it is larger than this, in bytes of values and schemas. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

function wholePage (page: string): string {
  return `select ${COLUMNS}, ${WHOLE}, page.total
    from (select p.*, sum(p.size_bytes) over (order by p.position) - p.size_bytes as bytes_before, count(*) over () as total
            from (select c.id, c.size_bytes, row_number() over (order by a.name, c.name) as position ${page}) p) page
    ${JOIN_PAGE.replace('order by', `where page.bytes_before < ${MAX_PAGE_BYTES} order by`)}`
}

// The configuration itself comes as a row without parent. Its present parents are not looked at: the new ones
// take their place.
const PARENTS = `
  with own as (
    select c.id, c.application_id from configurations c where c.id = $4::uuid
    union all
    select c.id, c.application_id ${FROM} where a.name = $5::text and c.name = $6::text),
  owner as (
    select application_id as id from own
    union
    select a.id from applications a where not exists (select from own) and (a.id = $7::uuid or a.name = coalesce($8::text, $5::text))),
  wanted as (
    select w.n, c.id, c.application_id from unnest($1::uuid[]) with ordinality w(id, n) join configurations c using (id)
    union all
    select w.n, c.id, c.application_id from unnest($2::text[], $3::text[]) with ordinality w(application, name, n)
      join applications a on a.name = w.application join configurations c on c.application_id = a.id and c.name = w.name)
  select (wanted.n - 1)::integer as index, wanted.id, wanted.application_id, a.name as application, a.visibility = 'shared' as shared,
         wanted.application_id in (select id from owner) as own,
         exists (select from configuration_parents e where e.parent_id = wanted.id and e.configuration_id in (select id from own)) as extended
    from wanted join applications a on a.id = wanted.application_id`

const REFERENCE = "select a.name || ':' || c.name as reference"
const ANCESTORS = `
  with recursive self as (
    ${REFERENCE}, c.id ${FROM} where c.id = $1::uuid
    union all
    ${REFERENCE}, c.id ${FROM} where a.name = $2::text and c.name = $3::text),
  new_parent as (
    select c.id from unnest($4::uuid[]) w(id) join configurations c using (id)
    union
    select c.id from unnest($5::text[], $6::text[]) w(application, name) join applications a on a.name = w.application join configurations c on c.application_id = a.id and c.name = w.name),
  up(id) as (
    select id from new_parent
    union
    select e.parent_id from up join configuration_parents e on e.configuration_id = up.id where up.id not in (select id from self)),
  edge(child, parent) as (
    select self.id, p.id from self, new_parent p
    union all
    select e.configuration_id, e.parent_id from (select id from up limit 1002) up join configuration_parents e on e.configuration_id = up.id where up.id not in (select id from self)),
  named as (${REFERENCE}, c.id ${FROM} where c.id in (select child from edge union select parent from edge))
  select reference as child, null as parent from self
  union all
  select child.reference, parent.reference from edge join named child on child.id = edge.child join named parent on parent.id = edge.parent`

export function createConfigurationRepository ({ reader, store }: { reader: Reader, store: Store }): ConfigurationRepository {
  return {
    async find (target) {
      const { revision, value: rows } = 'id' in target
        ? await reader.rows<ConfigurationRecord>('configuration-by-id', `select ${COLUMNS}, ${WHOLE} ${FROM} where c.id = $1`, [target.id])
        : await reader.rows<ConfigurationRecord>('configuration-by-name', `select ${COLUMNS}, ${WHOLE} ${FROM} where a.name = $1 and c.name = $2`, [target.application, target.name])
      return { revision, value: rows[0] }
    },

    async list ({ application, whole, limit, after, only, ...query }) {
      const filter = createFilter()
      if (only !== undefined) filter.add('only', 'a.id = any($::uuid[])', only)
      if (application !== undefined) {
        if ('id' in application) filter.add('app-id', 'a.id = $', application.id)
        else filter.add('app', 'a.name = $', application.application)
      }
      filterObjects(filter, 'c', query)
      if (after !== undefined) {
        filter.add('after', '(a.name, c.name) > (split_part($, \':\', 1), split_part($, \':\', 2))', after.join(':'))
      }
      const page = `${FROM}${filter.clause} order by a.name, c.name limit $${filter.values.length + 1}`
      const { revision, value: rows } = await reader.rows<ConfigurationRecord & { total: number }>(
        `configuration-list${whole ? '-whole' : ''}${filter.name}`,
        whole ? wholePage(page) : `select ${COLUMNS}, ${SUMMARY}, count(*) over () as total from (select c.id, row_number() over (order by a.name, c.name) as position ${page}) page ${JOIN_PAGE}`,
        [...filter.values, limit + 1])
      const items = rows.slice(0, limit)
      return { revision, value: { items, more: (rows[0]?.total ?? 0) > items.length } }
    },

    async ancestors (target, parents) {
      const [self, ...others] = [target, ...parents].map((one) => 'id' in one ? [one.id, null, null] : [null, one.application, one.name])
      const column = (index: number): Array<string | null | undefined> => others.map((other) => other[index])
      const { revision, value } = await reader.rows<{ child: string, parent: string | null }>('configuration-ancestors', ANCESTORS, [...self ?? [], column(0), column(1), column(2)])
      return { revision, value: { self: value.find(({ parent }) => parent === null)?.child, edges: value.filter(({ parent }) => parent !== null).map(({ child, parent }) => [child, parent as string]) } }
    },

    async parents (target, application, parents) {
      const rows = parents.map((one) => 'id' in one ? [one.id, null, null] : [null, one.application, one.name])
      const column = (index: number): Array<string | null | undefined> => rows.map((row) => row[index])
      const [id, owner, name] = target === undefined ? [null, null, null] : 'id' in target ? [target.id, null, null] : [null, target.application, target.name]
      return await reader.rows('configuration-parents', PARENTS, [column(0), column(1), column(2), id, owner, name, application.id ?? null, application.name ?? null])
    },

    async insert (input, context) {
      const { application } = input
      return await write(store, {
        ...changeRequest('configuration', 'create', context),
        ...(application.id === undefined ? whenGiven('target_application', application.name) : { target_id: application.id }),
        ...configurationFields(input)
      }, context)
    },

    async update (operation: Operation, target, input, precondition, context, baseVersion) {
      const { application } = input
      return await write(store, {
        ...changeRequest('configuration', operation, context, target, precondition),
        ...configurationFields(input),
        ...whenGiven('application_id', application.id),
        ...whenGiven('application_name', application.name),
        ...(baseVersion === undefined ? {} : { base_version: baseVersion })
      }, context)
    },

    async delete (target, precondition, context) {
      return await erase(store, changeRequest('configuration', 'delete', context, target, precondition), context)
    }
  }
}
