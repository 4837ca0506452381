import { Type, type Static } from 'typebox'
import { Problem, malformed, type Fault } from '../errors.js'
import { Name, Labels, NextCursor, ServerSet, objectFields } from '../http/fields.js'
import { whenGiven } from '../optional.js'
import { depth, isNull, raw, stringify, type Json, type JsonObject } from '../json/index.js'
import { parseConfigurationTarget, type ConfigurationTarget } from '../names.js'
import type { ChangeRequest } from '../revisions/change.js'
import { labelsText, objectText, type ObjectRecord } from '../revisions/record.js'

export const MAX_VALUES_DEPTH = 32
const MAX_SCHEMA_BYTES = 64 * 1024

const Reference = Type.Object({ id: Type.Optional(Type.String()), reference: Type.Optional(Type.String()) }, { minProperties: 1 })

const Link = Type.Object({
  kind: Type.Enum(['document', 'image', 'video']),
  url: Type.String({ pattern: '^https?://[^\\s]+$', maxLength: 2048, rule: 'must be an http or https address' }),
  title: Type.Optional(Type.String({ maxLength: 200, default: '' }))
}, { additionalProperties: false })

const fields = {
  description: Type.Optional(Type.String({ maxLength: 2000, default: '' })),
  values: Type.Optional(Type.Object({}, { default: {}, description: `Any JSON object up to ${MAX_VALUES_DEPTH} levels deep, kept exactly as sent; a null removes an inherited key` })),
  schema: Type.Optional(Type.Union([Type.Object({}), Type.Boolean(), Type.Null()], { default: null, rule: 'must be a JSON Schema: an object, true, false or null', description: 'JSON Schema for the resolved values, up to 64 KiB' })),
  extends: Type.Optional(Type.Array(Type.Union([Type.String(), Reference], { rule: 'must be application:configuration, an id, or an object with id or reference' }), { maxItems: 32, default: [], description: 'What it inherits from: references or ids' })),
  links: Type.Optional(Type.Array(Link, { maxItems: 100, default: [] })),
  labels: Type.Optional(Labels),
  abstract: Type.Optional(Type.Boolean({ default: false, description: 'Only there to be extended: its own values are not checked against schemas' }))
}

const owner = {
  application: Type.Optional(Name),
  application_id: Type.Optional(Type.String({ pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$', rule: 'must be a UUID' }))
}

export const CreateConfiguration = Type.Object({ ...owner, name: Name, ...fields }, {
  additionalProperties: false,
  examples: [{ application: 'billing', name: 'prod', values: { db: { host: 'db.internal', port: 5432 } }, labels: { stage: 'prod' } }]
})

/** PUT, and what a patch results in: the body of a GET fits, fields set by the server are ignored. */
export const ReplaceConfiguration = Type.Object({
  ...owner,
  name: Type.Optional(Name),
  ...fields,
  ...ServerSet('id', 'reference', 'version', 'revision', 'created_at', 'updated_at', 'updated_by')
}, { additionalProperties: false, examples: [{ values: { db: { host: 'db.internal', port: 5432 } }, labels: { stage: 'prod' } }] })

export const Configuration = Type.Object({
  id: Type.String({ format: 'uuid' }),
  reference: Type.String({ examples: ['billing:prod'] }),
  application_id: Type.String({ format: 'uuid' }),
  name: Name,
  description: Type.String(),
  values: Type.Object({}),
  schema: Type.Union([Type.Object({}), Type.Boolean(), Type.Null()]),
  extends: Type.Array(Type.Object({ id: Type.String({ format: 'uuid' }), reference: Type.String() })),
  links: Type.Array(Link),
  labels: Labels,
  abstract: Type.Boolean(),
  ...objectFields
}, { $id: 'Configuration' })

export const ConfigurationList = Type.Object({
  items: Type.Array(Type.Interface([Type.Omit(Configuration, ['values', 'schema'])], { values: Type.Optional(Type.Object({})), schema: Type.Optional(Type.Union([Type.Object({}), Type.Boolean(), Type.Null()])) })),
  next_cursor: NextCursor
})

export type ConfigurationBody = Static<typeof CreateConfiguration> | Static<typeof ReplaceConfiguration>

/** A configuration as the database has it. */
export interface ConfigurationRecord extends ObjectRecord {
  reference: string
  application_id: string
}

/** What a body says of a configuration, every optional field filled in. JSON is held as text. */
export interface ConfigurationInput {
  /** What the body says of the application: its name, its id, both or nothing. */
  application: { name?: string, id?: string }
  name?: string
  description: string
  values: Json
  schema: string | null
  parents: ConfigurationTarget[]
  links: string
  labels: string
  abstract: boolean
}

/** The JSON text of a configuration, as every answer shows it. */
export function configurationText (record: ConfigurationRecord): string {
  return objectText(`"reference":"${record.reference}","application_id":"${record.application_id}",`, record)
}

/**
 * Reads a body that has passed the shape check. `document` is the same body with key order and numbers as
 * they were sent: values and schema are taken from there.
 * @throws Problem malformed-request, invalid-schema (too long) with all faults
 */
export function readConfiguration (body: ConfigurationBody, document: JsonObject): ConfigurationInput {
  const faults: Fault[] = []
  const values = document.get('values') ?? new Map<string, Json>()
  if (depth(values) > MAX_VALUES_DEPTH) faults.push({ in: 'body', path: '/values', message: `is nested deeper than ${MAX_VALUES_DEPTH} levels` })

  const parents = (body.extends ?? []).map((entry, index) => {
    const text = typeof entry === 'string' ? entry : entry.id ?? entry.reference ?? ''
    const target = parseConfigurationTarget(text)
    if (target === undefined) faults.push({ in: 'body', path: `/extends/${index}`, message: 'must be application:configuration or an id' })
    return target
  })
  if (faults.length > 0) throw malformed(faults)

  const schema = document.get('schema')
  const schemaText = schema === undefined || isNull(schema) ? null : stringify(schema)
  if (schemaText !== null && Buffer.byteLength(schemaText) > MAX_SCHEMA_BYTES) {
    const fault: Fault = { in: 'body', path: '/schema', message: `is longer than ${MAX_SCHEMA_BYTES} bytes` }
    throw new Problem('invalid-schema', 'body /schema: is longer than 64 KiB', { faults: [fault] })
  }
  return {
    application: { ...whenGiven('id', body.application_id?.toLowerCase()), ...whenGiven('name', body.application) },
    ...whenGiven('name', body.name),
    description: body.description ?? '',
    values,
    schema: schemaText,
    parents: parents as ConfigurationTarget[],
    links: linksText(body.links),
    labels: labelsText(body.labels),
    abstract: body.abstract ?? false
  }
}

/** The fields of a change that say what a configuration is to be. */
export function configurationFields (input: ConfigurationInput): Partial<ChangeRequest> {
  return {
    ...whenGiven('name', input.name),
    description: input.description,
    values: stringify(input.values),
    schema: input.schema,
    links: input.links,
    labels: input.labels,
    abstract: input.abstract,
    parent_ids: input.parents.map((parent) => 'id' in parent ? parent.id : null),
    parent_applications: input.parents.map((parent) => 'id' in parent ? null : parent.application),
    parent_names: input.parents.map((parent) => 'id' in parent ? null : parent.name)
  }
}

function linksText (links: ConfigurationBody['links'] = []): string {
  return stringify(links.map(({ kind, url, title = '' }) => raw(JSON.stringify({ kind, url, title }))))
}
