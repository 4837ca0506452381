import { Ajv, type ErrorObject } from 'ajv'
import type { TSchema } from 'typebox'
import { MAX_FAULTS, type Fault } from './errors.js'

/** Every fault of a value against a schema, first ones first; [] when it has the shape. */
export type ShapeCheck = (value: unknown) => Fault[]

// Query and path parameters arrive as text and are converted; bodies say what they mean.
const strict = new Ajv({ allErrors: true, strict: false, verbose: true, validateFormats: false })
const brief = new Ajv({ strict: false, verbose: true, validateFormats: false })
const coercing = new Ajv({ allErrors: true, strict: false, verbose: true, validateFormats: false, coerceTypes: 'array', useDefaults: true })

// Beyond this many places only the first fault is looked for: a list of all would be larger than the request.
const MAX_PLACES = 5000

/** Compiles the check of one part of a request. Converts and fills in defaults in place, except in bodies. */
export function shapeCheck (schema: TSchema, part: Fault['in']): ShapeCheck {
  if (part !== 'body') {
    const validate = coercing.compile(schema)
    return (value) => validate(value) ? [] : faultsOf(validate.errors ?? [], part)
  }
  const first = brief.compile(schema)
  const all = strict.compile(schema)
  return (value) => {
    if (first(value)) return []
    const validate = countPlaces(schema as Shape, value, MAX_PLACES) > MAX_PLACES ? first : all
    validate(value)
    return faultsOf(validate.errors ?? [], part)
  }
}

interface Shape { properties?: Record<string, Shape>, items?: Shape, patternProperties?: Record<string, Shape> }

/** How many members and items a schema looks at in a value; stops counting above a limit. */
function countPlaces (schema: Shape, value: unknown, limit: number): number {
  if (typeof value !== 'object' || value === null) return 1
  if (Array.isArray(value)) {
    if (value.length > limit) return value.length
    return value.reduce<number>((sum, item) => sum > limit ? sum : sum + countPlaces(schema.items ?? {}, item, limit - sum), 1)
  }
  // What has neither known members nor patterns is taken whole.
  if (schema.properties === undefined && schema.patternProperties === undefined) return 1
  let sum = 1
  for (const key in value) {
    if (sum > limit) break
    const member = schema.properties?.[key]
    sum += member === undefined ? 1 : countPlaces(member, (value as Record<string, unknown>)[key], limit - sum)
  }
  return sum
}

function faultsOf (errors: readonly ErrorObject[], part: Fault['in']): Fault[] {
  // Below a failed anyOf the branches each complain; the one sentence above them says it all.
  const unions = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').map(({ schemaPath }) => schemaPath))
  return errors
    .filter(({ schemaPath }) => !belowUnion(schemaPath, unions))
    .slice(0, MAX_FAULTS)
    .map((error) => ({ in: part, path: pathOf(error, part), message: messageOf(error) }))
}

function belowUnion (schemaPath: string, unions: ReadonlySet<string>): boolean {
  for (let at = schemaPath.lastIndexOf('/'); at > 0; at = schemaPath.lastIndexOf('/', at - 1)) {
    if (unions.has(schemaPath.slice(0, at))) return true
  }
  return false
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
    case 'maxItems': return `has more than ${String(error.params.limit)} entries`
    case 'maxProperties': return `has more than ${String(error.params.limit)} members`
    case 'maxLength': return `is longer than ${String(error.params.limit)} characters`
    case 'type': return `must be ${/^[aeio]/.test(String(error.params.type)) ? 'an' : 'a'} ${String(error.params.type)}`
    default: return error.message ?? 'is not valid'
  }
}
