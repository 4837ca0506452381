import type { Reader } from '../database/read.js'
import type { ApplicationTarget, ConfigurationTarget } from '../names.js'
import type { ChangeResult, Kind } from './change.js'
import type { Read } from '../database/head.js'

/** A version of an object; `content` is the JSON text of what could be written, null for a deletion. */
export interface VersionRecord {
  version: number
  revision: number
  operation: 'create' | 'update' | 'rollback' | 'delete'
  author: string
  message: string | null
  created_at: Date
  trace_id: string | null
  content?: string | null
}

export interface RevisionRepository {
  /** The id of an object that exists, or of a deleted one when it is asked for by id. */
  identify (kind: Kind, target: ApplicationTarget | ConfigurationTarget): Promise<Read<{ id: string, version: number, deleted: boolean } | undefined>>
  /** Id of the application that something belongs to, also when it has been deleted. */
  applicationOf (kind: Kind, target: ApplicationTarget | ConfigurationTarget): Promise<string | undefined>
  /** Up to limit + 1 versions, newest first, without content. */
  list (objectId: string, filter: { limit: number, before?: number }): Promise<Read<VersionRecord[]>>
  find (objectId: string, version: number): Promise<Read<VersionRecord | undefined>>
  /** The stored result behind an idempotency key, or a refusal when it stands for another request. */
  replay (caller: string, idempotency: { key: string, requestHash: string }): Promise<ChangeResult | undefined>
  /** How many applications and configurations there are. */
  count (): Promise<{ application: number, configuration: number }>
  /** Drops idempotency keys and abandoned changes that are older than their time. */
  forgetExpired (): Promise<void>
}

const COLUMNS = 'v.version, v.revision, v.operation, r.author, r.message, r.committed_at as created_at, r.trace_id'
const FROM = 'from versions v join revisions r using (revision)'

const IDENTIFY: Record<Kind, string> = {
  application: 'select a.id, a.version, false as deleted from applications a where a.name = $1',
  configuration: 'select c.id, c.version, false as deleted from configurations c join applications a on a.id = c.application_id where a.name = $1 and c.name = $2'
}

export function createRevisionRepository ({ reader, query }: {
  reader: Reader
  query: (statement: { name: string, text: string }) => Promise<unknown>
}): RevisionRepository {
  return {
    async identify (kind, target) {
      const { revision, value: rows } = 'id' in target
        ? await reader.rows<{ id: string, version: number, deleted: boolean }>('object-by-id',
          "select v.object_id as id, v.version, v.operation = 'delete' as deleted from versions v where v.object_id = $1 and v.kind::text = $2 order by v.version desc limit 1",
          [target.id, kind])
        : await reader.rows<{ id: string, version: number, deleted: boolean }>(`${kind}-id-by-name`, IDENTIFY[kind],
          'name' in target ? [target.application, target.name] : [target.application])
      return { revision, value: rows[0] }
    },

    async applicationOf (kind, target) {
      if ('application' in target) {
        const { value: rows } = await reader.rows<{ id: string }>('application-id-by-name', IDENTIFY.application, [target.application])
        return rows[0]?.id
      }
      const { value: rows } = await reader.rows<{ id: string }>('application-of-object', 'select v.application_id as id from versions v where v.object_id = $1 and v.kind::text = $2 order by v.version desc limit 1', [target.id, kind])
      return rows[0]?.id
    },

    async list (objectId, { limit, before }) {
      return await reader.rows<VersionRecord>('version-list',
        `select ${COLUMNS} ${FROM} where v.object_id = $1 and v.version < $2 order by v.version desc limit $3`,
        [objectId, before ?? 2 ** 31 - 1, limit + 1])
    },

    async find (objectId, version) {
      const { revision, value: rows } = await reader.rows<VersionRecord>('version-by-number',
        `select ${COLUMNS}, v.content::text as content ${FROM} where v.object_id = $1 and v.version = $2`, [objectId, version])
      return { revision, value: rows[0] }
    },

    async replay (caller, { key, requestHash }) {
      const { value: rows } = await reader.rows<ChangeResult>('idempotency-replay', 'select * from replay($1, $2, $3)', [caller, key, requestHash])
      return rows[0]
    },

    async count () {
      const { value: [row] } = await reader.rows<{ application: number, configuration: number }>('resource-count',
        'select (select count(*) from applications) as application, (select count(*) from configurations) as configuration', [])
      return { application: row?.application ?? 0, configuration: row?.configuration ?? 0 }
    },

    async forgetExpired () {
      await query({ name: 'idempotency-keys-expire', text: "delete from idempotency_keys where created_at < now() - interval '24 hours'" })
      await query({ name: 'abandoned-changes-expire', text: "delete from abandoned_changes where abandoned_at < now() - interval '24 hours'" })
    }
  }
}
