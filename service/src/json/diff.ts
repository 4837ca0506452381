import { byteLength, object, scalar, type Json, type JsonObject } from './document.js'
import { escape, join } from './pointer.js'

export type PatchOperation =
  | { op: 'add' | 'replace', path: string, value: Json }
  | { op: 'remove', path: string }

/**
 * The JSON Patch (RFC 6902; add, remove and replace only) that makes `to` out of `from`, sorted by
 * path: paths compare as strings of UTF-16 units, except that two indexes of one array compare as
 * numbers. Operations with different paths do not depend on each other, so every order that keeps
 * those with the same path in sequence gives the same result.
 *
 * A number written in another way (1.0 and 1) is replaced. The order of an object's members cannot
 * be expressed in a patch: another order alone gives no operation, and new members come last.
 *
 * Arrays are compared without what they have in common at both ends: elements in the rest are
 * compared one by one, and what one array has more is added or removed at one index, again and
 * again. A container whose operations would be many times longer than itself is replaced as a
 * whole, so a diff never is much longer than the document it makes.
 */
export function diff (from: Json, to: Json): PatchOperation[] {
  return compare(from, to, '', labels()).operations.slice()
}

/** The operations as a JSON Patch document. */
export function patchToJson (operations: readonly PatchOperation[]): Json[] {
  return operations.map(operation => object({
    op: scalar(operation.op),
    path: scalar(operation.path),
    value: operation.op === 'remove' ? undefined : operation.value
  }))
}

interface Changes {
  operations: readonly PatchOperation[]
  /** About how many bytes they have when written. */
  size: number
}

/** Equal for two nodes exactly when nothing is to be changed between them. */
type Label = (node: Json) => number

const NO_CHANGES: Changes = { operations: [], size: 0 }

/** Bytes of an operation without its path and value. */
const OPERATION_SIZE = 30

/** How many times its own length, and how many bytes beside, a container's operations may have. */
const MOST_TIMES = 4
const MOST_BESIDE = 2048

function compare (from: Json, to: Json, path: string, label: Label): Changes {
  if (from === to) return NO_CHANGES
  if (from instanceof Map && to instanceof Map) return orWhole(compareObjects(from, to, path, label), to, path)
  if (Array.isArray(from) && Array.isArray(to)) return orWhole(compareArrays(from, to, path, label), to, path)
  return change('replace', path, to)
}

function compareObjects (from: JsonObject, to: JsonObject, path: string, label: Label): Changes {
  const members: Array<{ order: string, changes: Changes }> = []
  const note = (key: string, keyPath: string, changes: Changes): void => {
    const first = changes.operations[0]
    if (first === undefined) return
    // Operations below the key start with it and a slash, which counts when paths are sorted.
    const order = first.path.length > keyPath.length ? escape(key) + '/' : escape(key)
    members.push({ order, changes })
  }
  for (const [key, value] of from) {
    const keyPath = join(path, key)
    const other = to.get(key)
    note(key, keyPath, other === undefined ? removal(keyPath) : compare(value, other, keyPath, label))
  }
  for (const [key, value] of to) {
    const keyPath = join(path, key)
    if (!from.has(key)) note(key, keyPath, change('add', keyPath, value))
  }
  members.sort((a, b) => a.order < b.order ? -1 : 1)
  return together(members.map(member => member.changes))
}

function compareArrays (from: Json[], to: Json[], path: string, label: Label): Changes {
  const [start, fromEnd, toEnd] = from.length === to.length
    ? [0, from.length, to.length]
    : differingRange(from, to, label)
  const changes: Changes[] = []
  let index = start
  for (; index < fromEnd && index < toEnd; index++) {
    changes.push(compare(from[index] as Json, to[index] as Json, join(path, index), label))
  }
  // From here on all is at one index, behind all others: no index changes under another operation.
  const indexPath = join(path, index)
  for (let extra = index; extra < fromEnd; extra++) changes.push(removal(indexPath))
  for (let extra = toEnd - 1; extra >= index; extra--) changes.push(change('add', indexPath, to[extra] as Json))
  return together(changes)
}

/** Where two arrays start to differ, and where what they have in common at the end starts in each. */
function differingRange (from: Json[], to: Json[], label: Label): [start: number, fromEnd: number, toEnd: number] {
  let start = 0
  let fromEnd = from.length
  let toEnd = to.length
  const shorter = Math.min(fromEnd, toEnd)
  while (start < shorter && label(from[start] as Json) === label(to[start] as Json)) start++
  while (fromEnd > start && toEnd > start && label(from[fromEnd - 1] as Json) === label(to[toEnd - 1] as Json)) {
    fromEnd--
    toEnd--
  }
  return [start, fromEnd, toEnd]
}

/**
 * Numbers nodes so that equal ones, apart from the order of members, get equal numbers. Every node
 * is looked at once only, however often it is asked for.
 */
function labels (): Label {
  const byShape = new Map<string, number>()
  const byNode = new Map<Json, number>()
  const label = (node: Json): number => {
    const known = byNode.get(node)
    if (known !== undefined) return known
    const shape = shapeOf(node, label)
    const found = byShape.get(shape) ?? byShape.size
    byShape.set(shape, found)
    byNode.set(node, found)
    return found
  }
  return label
}

function shapeOf (node: Json, label: Label): string {
  if (typeof node === 'string') return node
  if (Array.isArray(node)) return '[' + node.map(label).join()
  const members = Array.from(node, ([key, value]) => JSON.stringify(key) + label(value))
  return '{' + members.sort().join()
}

function removal (path: string): Changes {
  return { operations: [{ op: 'remove', path }], size: OPERATION_SIZE + path.length }
}

function change (op: 'add' | 'replace', path: string, value: Json): Changes {
  return { operations: [{ op, path, value }], size: OPERATION_SIZE + path.length + byteLength(value) }
}

function together (changes: Changes[]): Changes {
  if (changes.length === 1) return changes[0] as Changes
  return {
    operations: changes.flatMap(part => part.operations),
    size: changes.reduce((sum, part) => sum + part.size, 0)
  }
}

/** The changes, or the replacement of the container they are in when that is much shorter. */
function orWhole (changes: Changes, to: Json, path: string): Changes {
  const most = (changes.size - MOST_BESIDE) / MOST_TIMES
  if (most <= 0 || path.length + byteLength(to, most) > most) return changes
  return change('replace', path, to)
}
