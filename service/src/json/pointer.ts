import { type Json } from './document.js'

/** The node a JSON Pointer (RFC 6901) leads to, undefined when there is none or the pointer is malformed. */
export function get (node: Json, pointer: string): Json | undefined {
  const tokens = split(pointer)
  return tokens && find(node, tokens)
}

/** The pointer one step below `path`; the token is a key or an index, not yet escaped. */
export function join (path: string, token: string | number): string {
  return path + '/' + (typeof token === 'number' ? token : escape(token))
}

/** A key as it is written in a pointer (RFC 6901 section 3): ~ becomes ~0 and / becomes ~1. */
export function escape (token: string): string {
  if (!token.includes('~') && !token.includes('/')) return token
  return token.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The decoded tokens of a pointer, undefined when it does not follow RFC 6901 section 3. */
export function split (pointer: string): string[] | undefined {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  const tokens = pointer.slice(1).split('/')
  // ~1 first: ~01 stands for ~1 and not for a slash (RFC 6901 section 4).
  return pointer.includes('~') ? tokens.map(token => token.replaceAll('~1', '/').replaceAll('~0', '~')) : tokens
}

/** The node at the end of decoded tokens, undefined when there is none. */
export function find (node: Json, tokens: readonly string[]): Json | undefined {
  let found: Json | undefined = node
  for (const token of tokens) {
    if (found === undefined) return undefined
    found = child(found, token)
  }
  return found
}

/** The member or element of a node that one decoded token names, undefined when there is none. */
export function child (node: Json, token: string): Json | undefined {
  if (typeof node === 'string') return undefined
  if (node instanceof Map) return node.get(token)
  const index = indexOf(token)
  return index === undefined ? undefined : node[index]
}

/** The array index a token stands for (RFC 6901 section 4: no sign, no leading zero), or undefined. */
export function indexOf (token: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,9})$/.test(token) ? Number(token) : undefined
}
