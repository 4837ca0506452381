import { registerSchema, setMetaSchemaOutputFormat, setShouldValidateFormat, setShouldValidateSchema, unregisterSchema, type SchemaObject } from '@hyperjump/json-schema/draft-2020-12'
import '@hyperjump/json-schema/draft-07'
import { compile, getSchema, interpret, type CompiledSchema } from '@hyperjump/json-schema/experimental'
import { Allowance } from './allowance.js'
import { dialectOf, dialects, type Dialect } from './dialects.js'
import { FaultCollector } from './faults.js'
import { toInstance, type LazyNode } from './instance.js'
import { isObject, longestPointer, shortenMiddle, tooDeepAt, type Json } from './json.js'
import { registerDialects } from './keywords.js'
import { prepareSchema, type SchemaFault } from './prepare.js'

const largestSchema = 64 * 1024
const deepestSchema = 32
/** Faults by the meta-schema, whose parts repeat each other. */
const mostMetaFaults = 1000

/** A schema ready for use, or what keeps it from being so. */
export type Loaded = { faults: SchemaFault[], compiled?: undefined } | { faults: [], compiled: CompiledSchema }

registerDialects()
// The meta-schema is applied here, where its faults can be told one by one.
setShouldValidateSchema(false)
setShouldValidateFormat(false)
setMetaSchemaOutputFormat('FLAG')

const metaSchemas = new Map<Dialect, Promise<CompiledSchema>>()
let loads = 0

/**
 * Checks the text of a schema and compiles it. Faults carry pointers into the schema.
 * Text above 64 KiB and nesting above 32 are faults too, so that the work here is bounded.
 */
export async function loadSchema (text: string): Promise<Loaded> {
  if (Buffer.byteLength(text) > largestSchema) return refused('', `the schema is larger than ${largestSchema} bytes`)
  const root = parse(text)
  if (typeof root !== 'boolean' && !isObject(root)) return refused('', 'a schema must be a JSON object, true or false')
  const deep = tooDeepAt(root, deepestSchema)
  if (deep !== undefined) return refused(shortenMiddle(deep, longestPointer), `the schema nests deeper than ${deepestSchema} levels`)

  const address = isObject(root) && typeof root.$schema === 'string' ? root.$schema : undefined
  const dialect = dialectOf(address)
  if (dialect === undefined) return refused('/$schema', `must be one of ${dialects.map(dialect => dialect.address).join(', ')}`)

  const { faults: ownFaults, schema } = prepareSchema({ root, dialect })
  const faults = [...await metaFaults(root, dialect), ...ownFaults]
  if (faults.length > 0) return { faults: new Allowance().admitAll(faults) }
  return { faults: [], compiled: await compiledFrom(schema, dialect) }
}

/**
 * What keeps a value from satisfying a compiled schema: the first causes, with pointers into the value.
 * @throws RepetitionError when the schema looks at one part of the value again and again
 */
export function valueFaults ({ compiled, value, allowance }: { compiled: CompiledSchema, value: LazyNode, allowance: Allowance }): SchemaFault[] {
  const collector = new FaultCollector()
  const { valid } = interpret(compiled, value, { outputFormat: 'FLAG', plugins: [collector] })
  return valid ? [] : collector.faults(allowance)
}

function refused (path: string, message: string): Loaded {
  return { faults: [{ path, message }] }
}

function parse (text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

async function metaFaults (root: Json, dialect: Dialect): Promise<SchemaFault[]> {
  const known = metaSchemas.get(dialect) ?? getSchema(dialect.address).then(compile)
  metaSchemas.set(dialect, known)
  const faults = valueFaults({ compiled: await known, value: toInstance(root), allowance: new Allowance({ faults: mostMetaFaults, bytes: Infinity }) })
  // The parts of the meta-schema repeat each other; where they stand is of no use to the author of a schema.
  const distinct = new Map(faults.map(({ path, message }) => [`${path}\n${message}`, { path, message }]))
  return [...distinct.values()]
}

async function compiledFrom (schema: Json, dialect: Dialect): Promise<CompiledSchema> {
  loads++
  const address = `urn:config-service:schema:${loads}`
  registerSchema(schema as SchemaObject | boolean, address, dialect.id)
  try {
    return await compile(await getSchema(address))
  } finally {
    unregisterSchema(address)
  }
}
