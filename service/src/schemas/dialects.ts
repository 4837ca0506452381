/** Where a keyword's value holds subschemas. `parts`: a list of schemas, or one schema; `members`: a schema under each name. */
type Shape = 'schema' | 'list' | 'parts' | 'members'

export interface Dialect {
  /** The address that `$schema` gives, without a trailing `#`. */
  address: string
  /** Our own name for the set of keywords below. */
  id: string
  /** Keywords that hold subschemas. */
  holders: ReadonlyMap<string, Shape>
  /** Holders whose subschemas look at the same value as the schema itself, so that a reference there can go round in circles. */
  inPlace: ReadonlySet<string>
  /** Keywords that make references. */
  references: readonly string[]
  /** Keywords that give a schema a plain name for references. */
  anchors: readonly string[]
  /** In draft-07 a `$ref` makes the keywords beside it void. */
  referenceStandsAlone: boolean
  /** Every keyword the validator looks at, and the implementation it gets. */
  keywords: Readonly<Record<string, string>>
}

/** Keywords with an implementation of our own (keywords.ts): `our('pattern')`. */
export const our = (keyword: string): string => `urn:config-service:keyword:${keyword}`
const standard = (keyword: string): string => `https://json-schema.org/keyword/${keyword}`
const fromLibrary = (...names: string[]): Record<string, string> => Object.fromEntries(names.map(name => [name, standard(name)]))
const ownVersion = (...names: string[]): Record<string, string> => Object.fromEntries(names.map(name => [name, our(name)]))

const shared = {
  ...fromLibrary('allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'properties', 'propertyNames', 'definitions',
    'type', 'required', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength',
    'minItems', 'maxItems', 'minProperties', 'maxProperties', 'uniqueItems'),
  ...ownVersion('$ref', 'pattern', 'patternProperties', 'additionalProperties', 'const', 'enum', 'multipleOf', 'format'),
  $defs: standard('definitions')
}

const sharedHolders: Array<[string, Shape]> = [
  ['allOf', 'list'], ['anyOf', 'list'], ['oneOf', 'list'],
  ['not', 'schema'], ['if', 'schema'], ['then', 'schema'], ['else', 'schema'],
  ['properties', 'members'], ['patternProperties', 'members'], ['additionalProperties', 'schema'], ['propertyNames', 'schema'],
  ['contains', 'schema'], ['definitions', 'members'], ['$defs', 'members']
]
const sharedInPlace = ['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else']

const draft2020: Dialect = {
  address: 'https://json-schema.org/draft/2020-12/schema',
  id: 'urn:config-service:dialect:2020-12',
  holders: new Map([...sharedHolders, ['prefixItems', 'list'], ['items', 'schema'], ['dependentSchemas', 'members'],
    ['unevaluatedItems', 'schema'], ['unevaluatedProperties', 'schema']]),
  inPlace: new Set([...sharedInPlace, 'dependentSchemas']),
  references: ['$ref', '$dynamicRef'],
  anchors: ['$anchor', '$dynamicAnchor'],
  referenceStandsAlone: false,
  keywords: {
    ...shared,
    ...fromLibrary('prefixItems', 'items', 'contains', 'minContains', 'maxContains', 'dependentRequired', 'dependentSchemas',
      'unevaluatedItems', 'unevaluatedProperties'),
    // One schema is one resource here, so the dynamic scope always ends where the plain reference does.
    $dynamicRef: our('$ref')
  }
}

const draft07: Dialect = {
  address: 'http://json-schema.org/draft-07/schema',
  id: 'urn:config-service:dialect:draft-07',
  holders: new Map([...sharedHolders, ['items', 'parts'], ['additionalItems', 'schema'], ['dependencies', 'members']]),
  inPlace: new Set([...sharedInPlace, 'dependencies']),
  references: ['$ref'],
  anchors: [],
  referenceStandsAlone: true,
  keywords: {
    ...shared,
    items: standard('draft-04/items'),
    additionalItems: standard('draft-04/additionalItems'),
    dependencies: standard('draft-04/dependencies'),
    contains: standard('draft-06/contains')
  }
}

export const dialects: readonly Dialect[] = [draft2020, draft07]

/** The dialect that a `$schema` names; 2020-12 when there is none. */
export function dialectOf (address: string | undefined): Dialect | undefined {
  if (address === undefined) return draft2020
  return dialects.find(dialect => dialect.address === address.replace(/#$/, ''))
}
