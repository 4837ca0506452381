/** A JSON value as JSON.parse gives it. */
export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject { [name: string]: Json }

export function isObject (value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A pointer (RFC 6901) one step longer. */
export function append (pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The keys of a pointer (RFC 6901), or undefined when the text is not a pointer. */
export function pointerKeys (pointer: string): string[] | undefined {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  return pointer.slice(1).split('/').map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Text that is equal for two values exactly when they are the same JSON value (1.0 is 1; the order of members does not count). */
export function canonicalText (value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`
  // JSON.parse makes infinity of a number such as 1e400, and JSON.stringify would make null of that.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (!isObject(value)) return JSON.stringify(value)
  const members = Object.keys(value).sort().map(name => `${JSON.stringify(name)}:${canonicalText(value[name] as Json)}`)
  return `{${members.join(',')}}`
}

/** Where the value first nests deeper than `limit` objects and arrays, or undefined when it does not. */
export function tooDeepAt (value: Json, limit: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  // Own stack: the value may nest deeper than the call stack allows. It holds one entry for each level, not for each value.
  const open: Level[] = [levelOf(value)]
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    if (open.length > limit) return open.slice(0, -1).map(({ keys, next }) => keys === undefined ? next - 1 : keys[next - 1] as string).reduce<string>(append, '')
    const child = nextContainer(level)
    if (child === undefined) open.pop()
    else open.push(levelOf(child))
  }
  return undefined
}

/** An object (with its `keys`) or an array on the way down, and which of its values comes next. */
interface Level { container: Json[] | JsonObject, keys: string[] | undefined, next: number }

function levelOf (container: Json[] | JsonObject): Level {
  return { container, keys: Array.isArray(container) ? undefined : Object.keys(container), next: 0 }
}

function nextContainer (level: Level): Json[] | JsonObject | undefined {
  const { container, keys } = level
  const length = keys?.length ?? (container as Json[]).length
  while (level.next < length) {
    const child = keys === undefined ? (container as Json[])[level.next] : (container as JsonObject)[keys[level.next] as string]
    level.next++
    if (typeof child === 'object' && child !== null) return child
  }
  return undefined
}

/** Pointers in answers are not longer than this. */
export const longestPointer = 1000

/** Text bounded to `limit` characters: the beginning and the end of a longer one, with … between. */
export function shortenMiddle (text: string, limit: number): string {
  if (text.length <= limit) return text
  const end = (limit - 1) >> 1
  return `${text.slice(0, limit - 1 - end).toWellFormed()}…${text.slice(-end).toWellFormed()}`
}

/** Text bounded to `limit` characters, for messages. */
export function shorten (text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1).toWellFormed()}…`
}
