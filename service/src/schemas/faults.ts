import type { EvaluationPlugin, ValidationContext } from '@hyperjump/json-schema/experimental'
import type { JsonNode } from '@hyperjump/json-schema/instance/experimental'
import type { Allowance } from './allowance.js'
import { ContainerNode } from './instance.js'
import { messagesFor } from './messages.js'
import type { SchemaFault } from './prepare.js'

/** A keyword that a value does not satisfy, kept raw: the text is made only for those that are reported. */
export interface Leaf {
  keyword: string
  /** Address of the keyword: base, `#`, percent-encoded pointer. */
  address: string
  /** What the keyword was compiled to. */
  value: unknown
  instance: JsonNode
  /** For anyOf and oneOf: what each alternative that failed found. */
  branches?: Leaf[][]
}

interface Context extends ValidationContext {
  /** In the context of a schema: what it found so far. */
  leaves?: Leaf[]
  /** In the context of a keyword: what each of its subschemas that failed found. */
  branches?: Leaf[][]
}

/** More than is ever reported is not kept, whatever a schema multiplies. */
const kept = 200

/** One object or array is looked at by no more schemas than this: whatever asks for more is doubling its work. */
const mostVisits = 10_000

/** The schema looks at one part of the values again and again. */
export class RepetitionError extends Error {}

/** Keywords that report themselves, not what their subschemas found. */
const opaque = new Set(['not', 'contains'])

/**
 * Collects the causes of a failed evaluation: the keywords that look at the value themselves, not those that only pass
 * it on. A failed anyOf or oneOf counts as its own cause unless one of its alternatives was clearly meant.
 */
export class FaultCollector implements EvaluationPlugin<Context> {
  #last: Context | undefined

  beforeSchema (_url: string, instance: JsonNode): void {
    // The visits of other values are those of what contains them, times what prepare.ts bounds.
    if (!(instance instanceof ContainerNode)) return
    if (instance.visitor !== this) {
      instance.visitor = this
      instance.visits = 0
    }
    if (++instance.visits > mostVisits) throw new RepetitionError()
  }

  afterKeyword ([, address, value]: [string, string, unknown], instance: JsonNode, context: Context, valid: boolean, schemaContext: Context, { simpleApplicator = false }: { simpleApplicator?: boolean }): void {
    if (valid) return
    const found = schemaContext.leaves ??= []
    const keyword = address.slice(address.lastIndexOf('/') + 1)
    const branches = context.branches ?? []
    if (keyword === 'anyOf' || keyword === 'oneOf') {
      const meant = branches.length === (value as unknown[]).length ? meantBranch(branches, instance) : undefined
      if (meant === undefined) add(found, [{ keyword, address, value, instance, branches }])
      else add(found, meant)
      return
    }
    if (!simpleApplicator) add(found, [{ keyword, address, value, instance }])
    if (!opaque.has(keyword)) for (const branch of branches) add(found, branch)
  }

  afterSchema (url: string, instance: JsonNode, context: Context, valid: boolean): void {
    this.#last = context
    if (valid) return
    const leaves = context.leaves ?? []
    delete context.leaves
    // The schema `false` has no keywords.
    if (context.ast[url] === false) leaves.push({ keyword: 'false', address: url, value: false, instance })
    const branches = context.branches ??= []
    if (branches.length < kept) branches.push(leaves)
  }

  /** The faults of the evaluation that ended last, as far as they are allowed, no two the same. */
  faults (allowance: Allowance): SchemaFault[] {
    return allowance.admitAll(this.#distinct())
  }

  * #distinct (): Generator<SchemaFault> {
    // By the node and not its path, of which a long one is shortened.
    const known = new Map<JsonNode, Set<string>>()
    for (const leaf of this.#last?.branches?.flat() ?? []) {
      const { path, texts } = describe(leaf)
      const schemaPath = decodeURI(leaf.address.slice(leaf.address.indexOf('#') + 1))
      const here = known.get(leaf.instance) ?? new Set()
      known.set(leaf.instance, here)
      for (const message of texts) {
        const cause = `${schemaPath}\n${message}`
        if (here.has(cause)) continue
        here.add(cause)
        yield { path, message, schema_path: schemaPath }
      }
    }
  }
}

function add (to: Leaf[], more: Leaf[]): void {
  for (const leaf of more) {
    if (to.length >= kept) return
    to.push(leaf)
  }
}

function describe (leaf: Leaf): { path: string, texts: string[] } {
  const texts = messagesFor(leaf)
  // The library marks the pointer of a member's name with an asterisk.
  if (!leaf.instance.pointer.startsWith('*')) return { path: leaf.instance.pointer, texts }
  return { path: leaf.instance.pointer.slice(1), texts: texts.map(text => `the name of this member ${text}`) }
}

/** The one alternative that was clearly meant: the only one of the right type, or with the right constants. */
function meantBranch (branches: Leaf[][], instance: JsonNode): Leaf[] | undefined {
  const foreign: Array<(leaf: Leaf) => boolean> = [
    leaf => leaf.instance === instance && (leaf.keyword === 'type' || leaf.keyword === 'false'),
    leaf => leaf.instance === instance && (leaf.keyword === 'const' || leaf.keyword === 'enum'),
    leaf => leaf.instance.parent?.parent === instance && (leaf.keyword === 'const' || leaf.keyword === 'enum')
  ]
  let left = branches
  for (const isForeign of foreign) {
    left = left.filter(branch => !branch.some(isForeign))
    if (left.length === 1) return left[0]
  }
  return undefined
}
