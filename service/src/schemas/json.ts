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
  // Own stack: the value may nest deeper than the call stack allows.
  const rest: Array<{ value: Json, depth: number, pointer: string }> = [{ value, depth: 1, pointer: '' }]
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue
    if (next.depth > limit) return next.pointer
    for (const [key, child] of Object.entries(next.value)) {
      if (typeof child === 'object') rest.push({ value: child, depth: next.depth + 1, pointer: append(next.pointer, key) })
    }
  }
  return undefined
}

/** Text bounded to `limit` characters, for messages. */
export function shorten (text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1).toWellFormed()}…`
}
