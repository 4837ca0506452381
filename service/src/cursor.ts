import { malformed } from './errors.js'
import { isName } from './names.js'

/** An opaque cursor that holds the sort key of the last item of a page. */
export function encodeCursor (key: ReadonlyArray<string | number>): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** The sort key in a cursor, of names or of a version; 400 when the text is none of ours. */
export function decodeCursor (cursor: string, types: ReadonlyArray<'name' | 'version'>): Array<string | number> {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(key) && key.length === types.length && key.every((part, index) => types[index] === 'name' ? isNameText(part) : isVersion(part))) return key
  } catch {}
  throw malformed([{ in: 'query', path: 'cursor', message: 'is not a next_cursor of this list; start again without one' }])
}

function isNameText (part: unknown): boolean {
  return typeof part === 'string' && isName(part)
}

function isVersion (part: unknown): boolean {
  return Number.isInteger(part) && Number(part) > 0 && Number(part) <= 2147483647
}
