import { randomUUIDv7 } from 'node:crypto'
import type { ApplicationTarget, ConfigurationTarget } from '../names.js'

export type Kind = 'application' | 'configuration'

/** Who changes something, why, and under which trace. */
export interface ChangeContext {
  author: string
  /** Ids of the only applications that the author may see; all where it is undefined. */
  only?: readonly string[]
  message: string | null
  traceId: string
  traceparent: string
  idempotency?: { key: string, requestHash: string }
}

/** What must hold of the current version for a change to be made; versions are those of the ETags sent. */
export interface Precondition {
  ifMatch?: readonly number[]
  /** `If-Match: *`: it must exist. */
  ifMatchAny?: boolean
  /** `If-None-Match: *`: it must not exist. */
  ifNoneMatch?: boolean
}

export type Operation = 'create' | 'put' | 'update' | 'rollback' | 'delete'

/**
 * A change as commit_changes() takes it (see migrations/): names are those of the SQL type change_request.
 * `values`, `schema`, `links` and `labels` are JSON texts.
 */
export interface ChangeRequest {
  change_id: string
  author: string
  message: string | null
  trace_id: string
  traceparent: string
  idempotency_caller?: string
  idempotency_key?: string
  request_hash?: string
  kind: Kind
  operation: Operation
  new_id?: string
  target_id?: string
  target_application?: string
  target_name?: string
  application_id?: string
  application_name?: string
  base_version?: number
  if_match?: readonly number[]
  if_match_any?: boolean
  if_none_match?: boolean
  name?: string
  description?: string
  owner?: string
  visibility?: string
  labels?: string
  values?: string
  schema?: string | null
  links?: string
  abstract?: boolean
  parent_ids?: ReadonlyArray<string | null>
  parent_applications?: ReadonlyArray<string | null>
  parent_names?: ReadonlyArray<string | null>
}

/** What became of a change: the SQL type change_result. `content` and `detail` are JSON texts. */
export interface ChangeResult {
  change_id: string
  outcome: 'committed' | 'unchanged' | 'replayed' | 'refused' | 'abandoned'
  reason: string | null
  detail: string | null
  kind: Kind
  operation: 'create' | 'update' | 'rollback' | 'delete' | null
  id: string
  reference: string
  application_id: string
  content: string | null
  version: number
  revision: number
  created_at: Date
  updated_at: Date
  updated_by: string
  head: number
  epoch: string
}

/** What every change says, whatever it changes. */
export function changeRequest (
  kind: Kind,
  operation: Operation,
  context: ChangeContext,
  target?: ApplicationTarget | ConfigurationTarget,
  precondition: Precondition = {}
): ChangeRequest {
  return {
    // Version 7: ids made one after the other lie beside one another in the index.
    change_id: randomUUIDv7(),
    author: context.author,
    message: context.message,
    trace_id: context.traceId,
    traceparent: context.traceparent,
    ...(context.idempotency === undefined
      ? {}
      : { idempotency_caller: context.author, idempotency_key: context.idempotency.key, request_hash: context.idempotency.requestHash }),
    kind,
    operation,
    ...(operation === 'create' || operation === 'put' ? { new_id: randomUUIDv7() } : {}),
    ...(target === undefined
      ? {}
      : 'id' in target
        ? { target_id: target.id }
        : { target_application: target.application, ...('name' in target ? { target_name: target.name } : {}) }),
    ...(precondition.ifMatch === undefined ? {} : { if_match: precondition.ifMatch }),
    ...(precondition.ifMatchAny === true ? { if_match_any: true } : {}),
    ...(precondition.ifNoneMatch === true ? { if_none_match: true } : {})
  }
}

const RAW = ['labels', 'values', 'schema', 'links'] as const

/** JSON of a change; the texts in it are spliced in as they are. */
export function changeText (request: ChangeRequest): string {
  const { labels, values, schema, links, ...plain } = request
  let text = JSON.stringify(plain).slice(0, -1)
  const raw = { labels, values, schema, links }
  for (const name of RAW) {
    if (raw[name] !== undefined) text += `,"${name}":${raw[name] ?? 'null'}`
  }
  return text + '}'
}
