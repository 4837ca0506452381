import { createHash } from 'node:crypto'
import { malformed } from './errors.js'
import { isName } from './names.js'

/** What a list was asked for, beside its page: a cursor goes on with the same list only. */
export type Asked = Record<string, unknown>

/** An opaque cursor that holds the sort key of the last item of a page, and which list it is of. */
export function encodeCursor (key: ReadonlyArray<string | number>, asked: Asked = {}): string {
  return Buffer.from(JSON.stringify([...key, fingerprint(asked)])).toString('base64url')
}

/** The sort key in a cursor, of names or of a version; 400 when the text is none of ours. */
export function decodeCursor (cursor: string, types: ReadonlyArray<'name' | 'version'>, asked: Asked = {}): Array<string | number> {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const key = Array.isArray(parts) ? parts.slice(0, -1) : []
    if (Array.isArray(parts) && parts.at(-1) === fingerprint(asked) && key.length === types.length && key.every((part, index) => types[index] === 'name' ? isNameText(part) : isVersion(part))) return key
  } catch {}
  throw malformed([{ in: 'query', path: 'cursor', message: 'is not a next_cursor of this list with these filters; start again without one' }])
}

function fingerprint (asked: Asked): string {
  return createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, 8)
}

function isNameText (part: unknown): boolean {
  return typeof part === 'string' && isName(part)
}

function isVersion (part: unknown): boolean {
  return Number.isInteger(part) && Number(part) > 0 && Number(part) <= 2147483647
}
