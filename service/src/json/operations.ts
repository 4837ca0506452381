import { stringOf, type Json, type JsonObject } from './document.js'
import { JsonPatchError, type Fault } from './errors.js'
import { join, split } from './pointer.js'

/** One operation of a JSON Patch with its pointers taken apart. */
export type Operation =
  | { op: 'add' | 'replace' | 'test', path: string[], value: Json }
  | { op: 'remove', path: string[] }
  | { op: 'move' | 'copy', path: string[], from: string[] }

/**
 * Reads a JSON Patch document (RFC 6902 sections 3 and 4). Members it does not know are ignored, as
 * the RFC wants it. Throws a JsonPatchError of kind `shape` with all faults, up to 100.
 */
export function readOperations (patch: Json, maxOperations: number): Operation[] {
  if (!Array.isArray(patch)) refuse([{ path: '', message: 'a JSON Patch is an array of operations' }])
  if (patch.length > maxOperations) {
    refuse([{ path: '', message: `the patch has more than ${maxOperations} operations; send fewer` }])
  }
  const faults: Fault[] = []
  const operations = patch.map((item, index) => readOperation(item, join('', index), faults))
  if (faults.length > 0) refuse(faults.slice(0, MAX_FAULTS))
  return operations.filter(operation => operation !== undefined)
}

const MAX_FAULTS = 100

const NAMES = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const

/** The operation, or undefined when there are faults. */
function readOperation (item: Json, at: string, faults: Fault[]): Operation | undefined {
  if (!(item instanceof Map)) {
    faults.push({ path: at, message: 'an operation is an object' })
    return undefined
  }
  const op = readName(item, at, faults)
  const path = readPointer(item, 'path', at, faults)
  if (op === undefined) return undefined
  if (op === 'remove') return path && { op, path }
  if (op === 'move' || op === 'copy') {
    const from = readPointer(item, 'from', at, faults)
    return path && from && { op, path, from }
  }
  const value = item.get('value')
  if (value === undefined) faults.push({ path: join(at, 'value'), message: `value is missing; ${op} needs it` })
  return path && value !== undefined ? { op, path, value } : undefined
}

function readName (item: JsonObject, at: string, faults: Fault[]): Operation['op'] | undefined {
  const sent = stringOf(item.get('op'))
  const name = NAMES.find(known => known === sent)
  if (name === undefined) faults.push({ path: join(at, 'op'), message: `op must be one of ${NAMES.join(', ')}` })
  return name
}

function readPointer (item: JsonObject, name: 'path' | 'from', at: string, faults: Fault[]): string[] | undefined {
  const pointer = stringOf(item.get(name))
  const tokens = pointer === undefined ? undefined : split(pointer)
  if (tokens !== undefined && !tokens.includes('__proto__')) return tokens
  faults.push({ path: join(at, name), message: pointerFault(name, item.get(name), tokens) })
  return undefined
}

function pointerFault (name: string, sent: Json | undefined, tokens: string[] | undefined): string {
  if (sent === undefined) return `${name} is missing; send a JSON Pointer`
  if (tokens === undefined) return `${name} must be a JSON Pointer: empty or starting with /, with ~0 for ~ and ~1 for /`
  return 'the key __proto__ is not allowed; choose another name'
}

function refuse (faults: Fault[]): never {
  throw new JsonPatchError('shape', faults)
}
