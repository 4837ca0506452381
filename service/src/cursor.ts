import { malformed } from './errors.js'

/** An opaque cursor that holds the sort key of the last item of a page. */
export function encodeCursor (key: ReadonlyArray<string | number>): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** The sort key in a cursor; 400 when the text is none of ours. */
export function decodeCursor<K extends ReadonlyArray<'string' | 'number'>> (cursor: string, types: K): Array<string | number> {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(key) && key.length === types.length && key.every((part, index) => (types[index] === 'string' ? typeof part === 'string' : Number.isSafeInteger(part)))) return key
  } catch {}
  throw malformed([{ in: 'query', path: 'cursor', message: 'is not a next_cursor of this list; start again without one' }])
}
