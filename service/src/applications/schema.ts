import { Type, type Static } from 'typebox'
import { Name, Labels, NextCursor, ServerSet, objectFields, whenGiven } from '../http/fields.js'
import type { ChangeRequest } from '../revisions/change.js'
import { object, scalar, stringify } from '../json/index.js'

const fields = {
  description: Type.Optional(Type.String({ maxLength: 2000, default: '' })),
  owner: Type.Optional(Type.String({ maxLength: 200, default: '', description: 'Who answers for it: a team, an address' })),
  labels: Type.Optional(Labels),
  visibility: Type.Optional(Type.Enum(['private', 'shared'], { default: 'private', description: 'Whether configurations of other applications may extend those of this one' }))
}

export const CreateApplication = Type.Object({ name: Name, ...fields }, { additionalProperties: false })

/** PUT, and what a patch results in: the body of a GET fits, fields set by the server are ignored. */
export const ReplaceApplication = Type.Object({
  name: Type.Optional(Name),
  ...fields,
  ...ServerSet('id', 'version', 'revision', 'created_at', 'updated_at', 'updated_by')
}, { additionalProperties: false })

export const Application = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Name,
  description: Type.String(),
  owner: Type.String(),
  labels: Labels,
  visibility: Type.Enum(['private', 'shared']),
  ...objectFields
}, { $id: 'Application' })

export const ApplicationList = Type.Object({ items: Type.Array(Application), next_cursor: NextCursor })

export type ApplicationBody = Static<typeof CreateApplication> | Static<typeof ReplaceApplication>

/** An application as the database has it; `content` is the JSON text of what can be written. */
export interface ApplicationRecord {
  id: string
  content: string
  version: number
  revision: number
  created_at: Date
  updated_at: Date
  updated_by: string
}

/** The JSON text of an application, as every answer shows it. */
export function applicationText (record: ApplicationRecord): string {
  return `{"id":"${record.id}",${record.content.slice(1, -1)},${serverFields(record)}}`
}

/** The members of an object that the server sets, without braces. */
export function serverFields (record: Pick<ApplicationRecord, 'version' | 'revision' | 'created_at' | 'updated_at' | 'updated_by'>): string {
  return `"version":${record.version},"revision":${record.revision},"created_at":"${record.created_at.toISOString()}","updated_at":"${record.updated_at.toISOString()}","updated_by":${JSON.stringify(record.updated_by)}`
}

/** What a body says of an application, every optional field filled in. */
export function applicationFields (body: ApplicationBody): Pick<ChangeRequest, 'name' | 'description' | 'owner' | 'labels' | 'visibility'> {
  return {
    ...whenGiven('name', body.name),
    description: body.description ?? '',
    owner: body.owner ?? '',
    labels: labelsText(body.labels),
    visibility: body.visibility ?? 'private'
  }
}

/** Labels are a set: their order means nothing, so they are kept sorted. */
export function labelsText (labels: Record<string, string> = {}): string {
  const node = object({})
  for (const [key, value] of Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1)) node.set(key, scalar(value))
  return stringify(node)
}
