import type { Dialect } from './dialects.js'
import { append, canonicalText, isObject, pointerKeys, shorten, type Json, type JsonObject } from './json.js'
import { compilePattern } from './patterns.js'

export interface SchemaFault {
  /** RFC 6901 pointer into the schema or the values. */
  path: string
  message: string
  /** RFC 6901 pointer to the keyword that is not satisfied. */
  schema_path?: string
}

/**
 * Longest way from a schema to another through references and in-place keywords that look at the same value.
 * It bounds the call stack: this many levels for each level of the values.
 */
const longestChain = 64

/** How many subschemas may look at one value because of one schema, each counted as often as there are ways to it. */
const mostApplications = 10_000

/**
 * Looks at every subschema of a schema. Gives the faults the meta-schema cannot see (references, patterns, `$id`), and
 * the schema as the validator gets it: only keywords it knows, each reference resolved to the pointer of its target, and
 * `const` and `enum` as canonical texts, so that nothing inside a constant is taken for a schema.
 */
export function prepareSchema ({ root, dialect }: { root: Json, dialect: Dialect }): { faults: SchemaFault[], schema: Json } {
  const faults: SchemaFault[] = []
  const anchors = new Map<string, string>()
  const schemas = new Map<string, { edges: Edge[] }>()
  const references: Reference[] = []

  const schema = visit(root, '')
  for (const reference of references) resolve(reference)
  if (faults.length === 0) faults.push(...circles(schemas))
  if (faults.length === 0) faults.push(...multiplied(schemas))
  return { faults, schema }

  function visit (value: Json, pointer: string): Json {
    const edges: Edge[] = []
    schemas.set(pointer, { edges })
    if (!isObject(value)) return value

    if (pointer !== '') refuseBase(value, pointer)
    for (const keyword of dialect.anchors) name(value[keyword], pointer, append(pointer, keyword))
    const alone = dialect.referenceStandsAlone && typeof value.$ref === 'string'
    const kept: Array<[string, Json]> = []
    for (const [keyword, content] of Object.entries(value)) {
      if (!Object.hasOwn(dialect.keywords, keyword)) continue
      if (alone && keyword !== '$ref' && keyword !== 'definitions' && keyword !== '$defs') continue
      kept.push([keyword, keep(keyword, content, append(pointer, keyword), edges)])
    }
    // Own members even for a name such as __proto__.
    const result = Object.fromEntries(kept)
    for (const keyword of dialect.references) {
      const text = value[keyword]
      if (typeof text === 'string') references.push({ text, pointer: append(pointer, keyword), keyword, edges, owner: result })
    }
    return result
  }

  function keep (keyword: string, content: Json, pointer: string, edges: Edge[]): Json {
    const into = (value: Json, target: string): Json => {
      if (dialect.inPlace.has(keyword)) edges.push({ target })
      return visit(value, target)
    }
    const shape = dialect.holders.get(keyword)
    if (Array.isArray(content) && (shape === 'list' || shape === 'parts')) return content.map((item, index) => into(item, append(pointer, index)))
    if (shape === 'schema' || shape === 'parts') return into(content, pointer)
    if (shape === 'members' && isObject(content)) {
      return Object.fromEntries(Object.entries(content).map(([key, member]) => {
        const target = append(pointer, key)
        if (!key.isWellFormed()) fault(pointer, 'has a member whose name is not well-formed Unicode')
        if (keyword === 'patternProperties') pattern(key, target)
        // A list of names under the `dependencies` of draft-07 is no schema.
        return [key, Array.isArray(member) ? member : into(member, target)]
      }))
    }
    if (keyword === 'pattern' && typeof content === 'string') pattern(content, pointer)
    if (keyword === 'const') return canonicalText(content)
    if (keyword === 'enum' && Array.isArray(content)) return content.map(canonicalText)
    return content
  }

  // A base of its own would change what the references below it mean.
  function refuseBase (value: JsonObject, pointer: string): void {
    for (const keyword of ['$id', '$schema']) {
      if (typeof value[keyword] === 'string') fault(append(pointer, keyword), `${keyword} is accepted at the root of the schema only`)
    }
  }

  function name (anchor: Json | undefined, target: string, pointer: string): void {
    if (typeof anchor !== 'string') return
    if (anchors.has(anchor) && anchors.get(anchor) !== target) fault(pointer, 'the same name is given to another part of the schema already')
    else anchors.set(anchor, target)
  }

  function pattern (source: string, pointer: string): void {
    try {
      compilePattern(source)
    } catch (error) {
      fault(pointer, `this pattern cannot be used (RE2 syntax): ${(error as Error).message}`)
    }
  }

  function resolve ({ text, pointer, keyword, edges, owner }: Reference): void {
    if (!text.startsWith('#')) return fault(pointer, 'only a reference inside this schema (#…) is accepted')
    const fragment = decode(text.slice(1))
    const keys = fragment === undefined ? undefined : pointerKeys(fragment)
    const target = keys === undefined ? anchors.get(fragment ?? '') : keys.reduce(append, '')
    if (target === undefined || !schemas.has(target)) {
      return fault(pointer, keys !== undefined && exists(root, keys)
        ? 'this reference leads to a place that is not a schema'
        : 'this reference leads to nothing in this schema')
    }
    owner[keyword] = target
    edges.push({ target, reference: pointer })
  }

  function fault (path: string, message: string): void {
    faults.push({ path, message: shorten(message, 300) })
  }
}

interface Edge { target: string, reference?: string }
interface Reference { text: string, pointer: string, keyword: string, edges: Edge[], owner: JsonObject }

/** References that come back to where they were without having looked into the value, and chains that are too long. */
function circles (schemas: ReadonlyMap<string, { edges: Edge[] }>): SchemaFault[] {
  const faults: SchemaFault[] = []
  const lengths = new Map<string, number>()
  const open = new Set<string>()

  for (const pointer of schemas.keys()) {
    if (length(pointer, []) > longestChain) {
      return [{ path: pointer, message: `more than ${longestChain} references and nested keywords in a row look at the same value` }]
    }
    if (faults.length > 0) return faults
  }
  return faults

  function length (pointer: string, trail: string[]): number {
    const known = lengths.get(pointer)
    if (known !== undefined) return known
    if (open.has(pointer)) {
      faults.push({ path: trail.at(-1) ?? pointer, message: 'this reference leads back to itself without looking at any part of the value' })
      return 0
    }
    open.add(pointer)
    let longest = 0
    for (const { target, reference } of schemas.get(pointer)?.edges ?? []) {
      if (faults.length > 0) break
      longest = Math.max(longest, 1 + length(target, reference === undefined ? trail : [...trail.slice(-1), reference]))
    }
    open.delete(pointer)
    lengths.set(pointer, longest)
    return longest
  }
}

/** The first schema that makes too many others look at the same value. There are no circles any more. */
function multiplied (schemas: ReadonlyMap<string, { edges: Edge[] }>): SchemaFault[] {
  const counts = new Map<string, number>()
  let found: string | undefined
  for (const pointer of schemas.keys()) {
    count(pointer)
    if (found !== undefined) return [{ path: found, message: `one value would be checked more than ${mostApplications} times here, because references and nested keywords multiply each other` }]
  }
  return []

  function count (pointer: string): number {
    const known = counts.get(pointer)
    if (known !== undefined) return known
    let total = 1
    for (const { target } of schemas.get(pointer)?.edges ?? []) total += count(target)
    // The innermost place of all that are too much.
    if (total > mostApplications) found ??= pointer
    counts.set(pointer, total)
    return total
  }
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function exists (root: Json, keys: string[]): boolean {
  let value: Json | undefined = root
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false
    value = (value as JsonObject)[key]
  }
  return true
}
