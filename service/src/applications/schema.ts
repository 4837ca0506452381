import { Type, type Static } from 'typebox'
import { Name, Labels, NextCursor, ServerSet, objectFields } from '../http/fields.js'
import { whenGiven } from '../optional.js'
import type { ChangeRequest } from '../revisions/change.js'
import { labelsText, objectText, type ObjectRecord } from '../revisions/record.js'

const fields = {
  description: Type.Optional(Type.String({ maxLength: 2000, default: '' })),
  owner: Type.Optional(Type.String({ maxLength: 200, default: '', description: 'Who answers for it: a team, an address' })),
  labels: Type.Optional(Labels),
  visibility: Type.Optional(Type.Enum(['private', 'shared'], { default: 'private', description: 'Whether configurations of other applications may extend those of this one' }))
}

export const CreateApplication = Type.Object({ name: Name, ...fields }, { additionalProperties: false, examples: [{ name: 'billing', owner: 'team-payments' }] })

/** PUT, and what a patch results in: the body of a GET fits, fields set by the server are ignored. */
export const ReplaceApplication = Type.Object({
  name: Type.Optional(Name),
  ...fields,
  ...ServerSet('id', 'version', 'revision', 'created_at', 'updated_at', 'updated_by')
}, { additionalProperties: false, examples: [{ description: 'Invoices and payments', owner: 'team-payments' }] })

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

/** The JSON text of an application, as every answer shows it. */
export function applicationText (record: ObjectRecord): string {
  return objectText('', record)
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
