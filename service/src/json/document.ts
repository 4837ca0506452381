declare const brand: unique symbol

/**
 * The JSON value as it was sent: key order and number lexemes are part of the data.
 *
 * A scalar is held as its JSON text (`"abc"` with its quotes, `1.0`, `true`, `null`), so that
 * writing a document is joining strings. Objects are Maps, because plain objects put keys such as
 * "2" and "1" in numeric order. Nodes are never changed after they are built; they may be shared.
 */
export type Json = Scalar | Json[] | Map<string, Json>

export type JsonObject = Map<string, Json>

/** Serialized text of one JSON value; made by `parse`, `scalar` or `raw`, never by a cast. */
export type Scalar = string & { readonly [brand]: true }

/**
 * The deepest nesting any function here accepts: the functions that walk two documents at once or
 * write one are recursive, and this keeps them far away from the end of the stack.
 */
export const MAX_DEPTH = 1000

/** The compact JSON text of a node, keys in their order and numbers as they were sent. */
export function stringify (node: Json): string {
  if (typeof node === 'string') return node
  if (node instanceof Map) return stringifyObject(node)
  return stringifyArray(node)
}

/**
 * Splices text that already is valid JSON into a document without parsing it. The text may be any
 * value, also an object; the other functions see it as one opaque scalar.
 */
export function raw (text: string): Scalar {
  return text as Scalar
}

/** The node of a JavaScript scalar. Throws a TypeError for NaN and infinities. */
export function scalar (value: string | number | boolean | null): Scalar {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number`)
  return raw(JSON.stringify(value))
}

/**
 * An object node from JavaScript members that are nodes, or numbers, booleans and nulls; undefined
 * members are left out. A JavaScript string has to go through `scalar`, because a node can be a
 * string too. Integer-like keys come in numeric order, as in any JavaScript object.
 */
export function object (members: Record<string, Json | number | boolean | null | undefined>): JsonObject {
  const node: JsonObject = new Map()
  for (const [key, value] of Object.entries(members)) {
    if (value === undefined) continue
    node.set(key, isPlainScalar(value) ? scalar(value) : value)
  }
  return node
}

/**
 * The node of plain JavaScript data, with the rules of JSON.stringify for undefined (left out of
 * objects, null in arrays). Strings are taken as strings, never as nodes. Throws a TypeError for
 * what is not plain data: NaN, functions, Maps, Dates and other class instances.
 */
export function fromPlain (value: unknown): Json {
  if (typeof value === 'string' || isPlainScalar(value)) return scalar(value)
  if (Array.isArray(value)) return value.map(item => item === undefined ? NULL : fromPlain(item))
  if (!isPlainObject(value)) throw new TypeError('not plain JSON data')
  const node: JsonObject = new Map()
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) node.set(key, fromPlain(member))
  }
  return node
}

/** The node as plain JavaScript data; key order and number lexemes are lost. */
export function toPlain (node: Json): unknown {
  if (typeof node === 'string') return toPlainScalar(node)
  if (Array.isArray(node)) return node.map(item => toPlain(item))
  // Not JSON.parse of the text: V8 14.6 can take a key with an escape for another one that starts
  // with a backslash (nodejs/node issue 63785).
  const plain: Record<string, unknown> = {}
  for (const [key, value] of node) {
    if (key === '__proto__') Object.defineProperty(plain, key, { value: toPlain(value), enumerable: true, writable: true, configurable: true })
    else plain[key] = toPlain(value)
  }
  return plain
}

/** The decoded string when the node is a JSON string, undefined for anything else. */
export function stringOf (node: Json | undefined): string | undefined {
  return typeof node === 'string' && node.startsWith('"') ? JSON.parse(node) as string : undefined
}

export function isNull (node: Json | undefined): boolean {
  return node === NULL
}

export function isObject (node: Json | undefined): node is JsonObject {
  return node instanceof Map
}

/**
 * Whether two nodes have the same text. Key order and number lexemes are data: objects with the
 * same members in another order are not equal, nor are 1 and 1.0.
 */
export function equal (a: Json, b: Json): boolean {
  return a === b || stringify(a) === stringify(b)
}

/** How many containers are around the innermost value, itself included: 0 for a scalar, 1 for {}. */
export function depth (node: Json): number {
  // Level by level and not recursive, so that it can be asked of any document.
  let level = 0
  let containers = containersOf([node])
  while (containers.length > 0) {
    level++
    const inner: Container[] = []
    for (const container of containers) containersOf(container.values(), inner)
    containers = inner
  }
  return level
}

/**
 * The length of the node's text in UTF-8 bytes. With a limit, counting stops as soon as it is
 * passed, and the answer is only known to be greater than the limit.
 */
export function byteLength (node: Json, limit: number = Infinity): number {
  const waiting: Json[] = [node]
  let bytes = 0
  for (let next = waiting.pop(); next !== undefined && bytes <= limit; next = waiting.pop()) {
    if (typeof next === 'string') {
      bytes += Buffer.byteLength(next)
    } else if (next instanceof Map) {
      bytes += 2 + Math.max(0, 2 * next.size - 1)
      for (const [key, value] of next) {
        bytes += Buffer.byteLength(JSON.stringify(key))
        waiting.push(value)
      }
    } else {
      bytes += 2 + Math.max(0, next.length - 1)
      for (const item of next) waiting.push(item)
    }
  }
  return bytes
}

type Container = Json[] | JsonObject

const NULL = raw('null')

/** What a JSON string cannot hold without an escape. */
// eslint-disable-next-line no-control-regex
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/

function stringifyObject (node: JsonObject): string {
  let text = ''
  for (const [key, value] of node) {
    text += text === '' ? '{' : ','
    // Most keys are plain words, and testing for that is quicker than JSON.stringify.
    text += NEEDS_ESCAPE.test(key) ? JSON.stringify(key) : '"' + key + '"'
    text += ':' + (typeof value === 'string' ? value : stringify(value))
  }
  return text === '' ? '{}' : text + '}'
}

function stringifyArray (node: Json[]): string {
  let text = ''
  for (const item of node) {
    text += text === '' ? '[' : ','
    text += typeof item === 'string' ? item : stringify(item)
  }
  return text === '' ? '[]' : text + ']'
}

function containersOf (nodes: Iterable<Json>, found: Container[] = []): Container[] {
  for (const node of nodes) {
    if (typeof node !== 'string') found.push(node)
  }
  return found
}

function toPlainScalar (node: Scalar): unknown {
  const simple = node.startsWith('"') && !node.includes('\\')
  return simple ? node.slice(1, -1) : JSON.parse(node)
}

function isPlainScalar (value: unknown): value is number | boolean | null {
  return value === null || typeof value === 'number' || typeof value === 'boolean'
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
