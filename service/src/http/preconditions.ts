import type { IncomingHttpHeaders } from 'node:http'
import { malformed, type Fault } from '../errors.js'
import type { Precondition } from '../revisions/change.js'

/** ETag of a version of an application or a configuration. */
export function etag (version: number): string {
  return `"v${version}"`
}

/**
 * The preconditions of a write. Tags that are none of ours (another strong one, a weak one) match nothing.
 * @throws Problem malformed-request for headers that are not a list of entity tags (RFC 9110, section 8.8.3)
 */
export function precondition (headers: IncomingHttpHeaders): Precondition {
  const faults: Fault[] = []
  const match = readTags(headers['if-match'], 'if-match', faults)
  const noneMatch = readTags(headers['if-none-match'], 'if-none-match', faults)
  if (noneMatch !== undefined && noneMatch !== '*') {
    faults.push({ in: 'header', path: 'if-none-match', message: 'must be * in a request that writes' })
  }
  if (faults.length > 0) throw malformed(faults)
  return {
    ...(match === '*' ? { ifMatchAny: true } : match === undefined ? {} : { ifMatch: match.map(versionOf).filter((version) => version !== undefined) }),
    ...(noneMatch === '*' ? { ifNoneMatch: true } : {})
  }
}

/** Whether the caller of a GET already has this; compared weakly, as RFC 9110 wants it for If-None-Match. */
export function notModified (headers: IncomingHttpHeaders, current: string): boolean {
  const header = headers['if-none-match']
  if (header === undefined) return false
  const faults: Fault[] = []
  const tags = readTags(header, 'if-none-match', faults)
  if (faults.length > 0) throw malformed(faults)
  return tags === '*' || (tags ?? []).some((tag) => tag.replace(/^W\//, '') === current)
}

// A list may have empty elements, and a tag may contain commas.
const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g
const LIST = /^[\s,]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,[\s,]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*[\s,]*$/

function readTags (header: string | undefined, name: string, faults: Fault[]): '*' | string[] | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (text === '*') return '*'
  if (LIST.test(text)) return text.match(TAG) ?? []
  faults.push({ in: 'header', path: name, message: 'must be * or entity tags such as "v7", with their quotes' })
  return []
}

function versionOf (tag: string): number | undefined {
  const [, digits] = /^"v([1-9]\d{0,8})"$/.exec(tag) ?? []
  return digits === undefined ? undefined : Number(digits)
}
