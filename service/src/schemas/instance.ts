import type { JsonNode } from '@hyperjump/json-schema/instance/experimental'
import { append, longestPointer, shortenMiddle, type Json, type JsonObject } from './json.js'

type NodeType = JsonNode['type']

const noNodes: JsonNode[] = []

/**
 * A value as the validator walks it. The nodes below one are made when something first looks at them, so that a value
 * costs no more than the schema asks of it; they stay the same from then on.
 */
export class LazyNode implements JsonNode {
  declare readonly baseUri: string
  readonly value: Json | undefined
  declare readonly parent?: LazyNode
  /** Its place in `parent`: for the node of a member its name, for an item its index. */
  readonly #key: string | number | undefined

  constructor (value: Json | undefined, parent?: LazyNode, key?: string | number) {
    this.value = value
    if (parent !== undefined) this.parent = parent
    this.#key = key
  }

  /** Only the node of a member has no value. */
  get type (): NodeType {
    const { value } = this
    if (value === undefined) return 'property'
    if (value === null) return 'null'
    if (Array.isArray(value)) return 'array'
    return typeof value as 'string' | 'number' | 'boolean' | 'object'
  }

  get children (): JsonNode[] {
    return noNodes
  }

  /** Of a long pointer only its beginning and its end. An asterisk before it marks the name of a member. */
  get pointer (): string {
    const keys: Array<string | number> = []
    let node: LazyNode | undefined = this
    for (; node !== undefined; node = node.parent) {
      if (node.#key !== undefined) keys.push(typeof node.#key === 'string' ? shortenMiddle(node.#key, 2 * longestPointer) : node.#key)
    }
    const isName = this.parent?.type === 'property' && this.parent.children[0] === this
    return `${isName ? '*' : ''}${shortenMiddle(keys.reduceRight<string>(append, ''), longestPointer)}`
  }

  get root (): JsonNode {
    return this.parent?.root ?? this
  }

  get annotations (): JsonNode['annotations'] {
    return {}
  }
}
Object.defineProperty(LazyNode.prototype, 'baseUri', { value: '' })

class MemberNode extends LazyNode {
  readonly #children: JsonNode[]

  constructor (name: string, content: Json, parent: LazyNode) {
    super(undefined, parent, name)
    this.#children = [new LazyNode(name, this), toInstance(content, this)]
  }

  override get children (): JsonNode[] {
    return this.#children
  }
}

/** An object or an array. The others have no room of their own for what is needed here only: there may be half a million. */
export class ContainerNode extends LazyNode {
  /** How often `visitor` came by (faults.ts). */
  visits = 0
  visitor: object | undefined = undefined
  #children: JsonNode[] | undefined = undefined

  override get children (): JsonNode[] {
    this.#children ??= Array.isArray(this.value)
      ? this.value.map((item, index) => toInstance(item, this, index))
      : Object.entries(this.value as JsonObject).map(([name, content]) => new MemberNode(name, content, this))
    return this.#children
  }
}

/** A value in the form that the validator walks. */
export function toInstance (value: Json, parent?: LazyNode, key?: number): LazyNode {
  return typeof value === 'object' && value !== null ? new ContainerNode(value, parent, key) : new LazyNode(value, parent, key)
}
