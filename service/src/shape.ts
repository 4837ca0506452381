import { Ajv, type ErrorObject } from 'ajv'
import type { TSchema } from 'typebox'
import { MAX_FAULTS, type Fault } from './errors.js'

/** Every fault of a value against a schema, first ones first; [] when it has the shape. */
export type ShapeCheck = (value: unknown) => Fault[]

// Query and path parameters arrive as text and are converted; bodies say what they mean.
const strict = new Ajv({ allErrors: true, strict: false, verbose: true, validateFormats: false })
const coercing = new Ajv({ allErrors: true, strict: false, verbose: true, validateFormats: false, coerceTypes: 'array', useDefaults: true })

/** Compiles the check of one part of a request. Converts and fills in defaults in place, except in bodies. */
export function shapeCheck (schema: TSchema, part: Fault['in']): ShapeCheck {
  const validate = (part === 'body' ? strict : coercing).compile(schema)
  return (value) => validate(value) ? [] : faultsOf(validate.errors ?? [], part)
}

function faultsOf (errors: readonly ErrorObject[], part: Fault['in']): Fault[] {
  // Below a failed anyOf the branches each complain; the one sentence above them says it all.
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf').map(({ schemaPath }) => schemaPath)
  return errors
    .filter(({ schemaPath }) => !unions.some((union) => schemaPath.startsWith(`${union}/`)))
    .slice(0, MAX_FAULTS)
    .map((error) => ({ in: part, path: pathOf(error, part), message: messageOf(error) }))
}

function pathOf (error: ErrorObject, part: Fault['in']): string {
  const member = error.params.missingProperty ?? error.params.additionalProperty ?? error.params.propertyName
  const pointer = error.instancePath + (typeof member === 'string' ? `/${member.slice(0, 200).replaceAll('~', '~0').replaceAll('/', '~1')}` : '')
  return part === 'body' ? pointer : pointer.slice(1)
}

function messageOf (error: ErrorObject): string {
  const rule = (error.parentSchema as { rule?: string } | undefined)?.rule
  switch (error.keyword) {
    case 'required': return 'is missing'
    case 'additionalProperties': return 'is not a field that is known here'
    case 'enum': return `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`
    case 'const': return `must be ${JSON.stringify(error.params.allowedValue)}`
    case 'propertyNames': return 'is not a name that is possible here'
    case 'pattern':
    case 'anyOf': return rule ?? 'does not have a form that is known here'
    default: return error.message ?? 'is not valid'
  }
}
