import { byteLength, depth, MAX_DEPTH, type Json, type JsonObject } from './document.js'
import { JsonPatchError } from './errors.js'
import { readOperations, type Operation } from './operations.js'
import { child, find, indexOf, join } from './pointer.js'

export interface PatchLimits {
  /** 1,000 unless told. */
  maxOperations?: number
  /**
   * Bytes of JSON text that the result may have, and also that all copy operations together may
   * copy (each copy can double a document); 1 MiB unless told.
   */
  maxBytes?: number
  /** Containers around a value of the result, counted as in `parse`; MAX_DEPTH unless told. */
  maxDepth?: number
}

/**
 * Applies a JSON Patch (RFC 6902) and gives the result; the arguments stay as they are and may
 * share nodes with it. Null is a value like any other. Takes time linear in the sizes of target and
 * patch and `maxBytes`, apart from moving the tails of arrays.
 *
 * Throws a JsonPatchError of kind `shape` for a malformed patch, with all faults, and of kind
 * `apply` for the first operation that fails (RFC 6902 section 5) or a limit that is passed.
 */
export function applyPatch (target: Json, patch: Json, limits: PatchLimits = {}): Json {
  const { maxOperations = 1000, maxBytes = 1_048_576, maxDepth = MAX_DEPTH } = limits
  const work: Work = { root: target, owned: new Set(), maxBytes, copied: 0 }
  readOperations(patch, maxOperations).forEach((operation, index) => applyOperation(work, operation, join('', index)))
  if (byteLength(work.root, maxBytes) > maxBytes) refuse('', `the result is longer than ${maxBytes} bytes; make it smaller`)
  if (depth(work.root) > maxDepth) refuse('', `the result is nested deeper than ${maxDepth} levels; make it flatter`)
  return work.root
}

type Container = Json[] | JsonObject

interface Work {
  root: Json
  /**
   * The containers that were made for this patch and are reachable in one way only, through owned
   * ones: they may be changed in place. All others are copied when they have to change.
   */
  readonly owned: Set<Container>
  readonly maxBytes: number
  copied: number
}

function applyOperation (work: Work, operation: Operation, at: string): void {
  const { path } = operation
  switch (operation.op) {
    case 'add': return add(work, path, operation.value, at)
    case 'remove': return remove(work, path, join(at, 'path'))
    case 'replace': return replace(work, path, operation.value, join(at, 'path'))
    case 'test': return test(work, path, operation.value, at)
    case 'copy': return copy(work, operation.from, path, at)
    case 'move': return move(work, operation.from, path, at)
  }
}

function add (work: Work, path: readonly string[], value: Json, at: string): void {
  const where = join(at, 'path')
  const last = path.at(-1)
  if (last === undefined) {
    work.root = value
    return
  }
  const parent = writableParent(work, path, where)
  if (parent instanceof Map) {
    parent.set(last, value)
    return
  }
  const index = last === '-' ? parent.length : indexOf(last)
  if (index === undefined) refuse(where, 'an array element is named by its index, or - to append')
  if (index > parent.length) refuse(where, 'the index is behind the end of the array; use - to append')
  parent.splice(index, 0, value)
}

function remove (work: Work, path: readonly string[], where: string): void {
  const last = path.at(-1)
  if (last === undefined) refuse(where, 'the whole document cannot be removed; replace it')
  const parent = writableParent(work, path, where)
  if (child(parent, last) === undefined) refuse(where, NOTHING)
  if (parent instanceof Map) parent.delete(last)
  else parent.splice(Number(last), 1)
}

function replace (work: Work, path: readonly string[], value: Json, where: string): void {
  const last = path.at(-1)
  if (last === undefined) {
    work.root = value
    return
  }
  const parent = writableParent(work, path, where)
  if (child(parent, last) === undefined) refuse(where, NOTHING)
  put(parent, last, value)
}

function test (work: Work, path: readonly string[], value: Json, at: string): void {
  const found = find(work.root, path)
  if (found === undefined) refuse(join(at, 'path'), NOTHING)
  if (!sameValue(found, value)) refuse(join(at, 'value'), 'the document has another value at this path')
}

function copy (work: Work, from: readonly string[], path: readonly string[], at: string): void {
  const value = find(work.root, from)
  if (value === undefined) refuse(join(at, 'from'), NOTHING)
  work.copied += byteLength(value, work.maxBytes)
  if (work.copied > work.maxBytes) refuse(at, `the patch copies more than ${work.maxBytes} bytes; copy less`)
  disown(work, value)
  add(work, path, value, at)
}

function move (work: Work, from: readonly string[], path: readonly string[], at: string): void {
  const value = find(work.root, from)
  if (value === undefined) refuse(join(at, 'from'), NOTHING)
  if (from.every((token, i) => token === path[i])) {
    if (from.length === path.length) return
    refuse(join(at, 'path'), 'a value cannot be moved into itself')
  }
  remove(work, from, join(at, 'from'))
  add(work, path, value, at)
}

const NOTHING = 'there is nothing at this path'

/** The container that the last token of the path is in, with all on the way to it made owned. */
function writableParent (work: Work, path: readonly string[], where: string): Container {
  let parent = own(work, work.root, where)
  work.root = parent
  for (const token of path.slice(0, -1)) {
    const next = own(work, child(parent, token), where)
    put(parent, token, next)
    parent = next
  }
  return parent
}

function own (work: Work, node: Json | undefined, where: string): Container {
  if (node === undefined || typeof node === 'string') refuse(where, 'there is no object or array to hold this path; add it first')
  if (work.owned.has(node)) return node
  const made = node instanceof Map ? new Map(node) : node.slice()
  work.owned.add(made)
  return made
}

/** A copied value is reachable in two ways from now on. */
function disown (work: Work, value: Json): void {
  const waiting = [value]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    // Below what is not owned nothing is.
    if (typeof node === 'string' || !work.owned.delete(node)) continue
    for (const inner of node.values()) waiting.push(inner)
  }
}

function put (parent: Container, token: string, value: Json): void {
  if (parent instanceof Map) parent.set(token, value)
  else parent[Number(token)] = value
}

/** Equality of RFC 6902 section 4.6: numbers by value, objects without order. */
function sameValue (a: Json, b: Json): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b || sameNumber(a, b)
  if (a instanceof Map) {
    if (!(b instanceof Map) || a.size !== b.size) return false
    for (const [key, value] of b) {
      const other = a.get(key)
      if (other === undefined || !sameValue(other, value)) return false
    }
    return true
  }
  return Array.isArray(b) && a.length === b.length && b.every((item, i) => sameValue(a[i] as Json, item))
}

function sameNumber (a: Json, b: Json): boolean {
  // Parsed numbers survive a double, so equal doubles are equal numbers.
  return isNumber(a) && isNumber(b) && Number(a) === Number(b)
}

function isNumber (node: Json): boolean {
  return typeof node === 'string' && /^[-0-9]/.test(node)
}

function refuse (path: string, message: string): never {
  throw new JsonPatchError('apply', [{ path, message }])
}
