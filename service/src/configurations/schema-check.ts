import { Problem, summary, type Fault } from '../errors.js'
import { isNull, stringify, type Json } from '../json/index.js'
import { SchemaBudgetError, SchemaBusyError, type SchemaEngine } from '../schemas/engine.js'
import type { ConfigurationInput } from './schema.js'

/**
 * Refuses a configuration whose schema cannot be used or whose values do not satisfy it.
 * @throws Problem invalid-schema, invalid-values with all faults; overloaded when too many checks wait
 */
export type SchemaCheck = (input: Pick<ConfigurationInput, 'schema' | 'values' | 'parents' | 'abstract'>) => Promise<void>

export function createSchemaCheck (engine: SchemaEngine): SchemaCheck {
  return async ({ schema, values, parents, abstract }) => {
    if (schema === null) return
    try {
      const unusable = await engine.inspect(schema)
      if (unusable.length > 0) throw refused('invalid-schema', unusable.map(({ path, message }) => ({ in: 'body', path: `/schema${path}`, message })))
      // The schema speaks of the resolved values: those of a configuration that extends others are not known here.
      if (abstract || parents.length > 0) return
      const faults = await engine.check(stringify(withoutTombstones(values)), [schema])
      if (faults.length > 0) {
        throw refused('invalid-values', faults.map(({ path, message, schema_path: schemaPath }) => ({
          in: 'body', path: `/values${path}`, message, ...(schemaPath === undefined ? {} : { schema_path: schemaPath })
        })))
      }
    } catch (error) {
      if (error instanceof SchemaBusyError) throw new Problem('overloaded', 'Too many schema checks are waiting. Nothing was stored.', { cause: error })
      if (error instanceof SchemaBudgetError) throw overrun(error)
      throw error
    }
  }
}

function overrun (error: SchemaBudgetError): Problem {
  // No schema is to blame when the values alone were too much.
  return error.phase === 'check' && error.schema === undefined
    ? refused('invalid-values', [{ in: 'body', path: '/values', message: error.message }])
    : refused('invalid-schema', [{ in: 'body', path: '/schema', message: `${error.message}; make it simpler` }])
}

function refused (slug: 'invalid-schema' | 'invalid-values', faults: Fault[]): Problem {
  return new Problem(slug, summary(faults), { faults })
}

// A null member removes an inherited key; where nothing is inherited there is nothing to remove.
function withoutTombstones (node: Json): Json {
  if (!(node instanceof Map)) return node
  const kept = new Map<string, Json>()
  for (const [key, value] of node) {
    if (!isNull(value)) kept.set(key, withoutTombstones(value))
  }
  return kept
}
