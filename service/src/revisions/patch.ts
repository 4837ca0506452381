import { Problem, malformed, type Fault } from '../errors.js'
import { applyPatch, byteLength, JsonPatchError, mergePatch, parse, toPlain, type Json, type JsonObject } from '../json/index.js'
import type { ShapeCheck } from '../shape.js'

/** A patch as it was sent: RFC 7396 or RFC 6902. */
export interface Patch { kind: 'merge' | 'json', document: Json }

/** How deep a body may be nested around values of the greatest depth. */
export const MAX_BODY_DEPTH = 40

// What a GET shows is longer than what was sent: an object that was accepted can also be patched.
const SLACK_BYTES = 64 * 1024

/**
 * What a patch makes of an object, given as the JSON text that a GET shows: the body of a PUT that would
 * do the same, as plain data and as exact document.
 * @throws Problem malformed-request when the patch or its result has the wrong shape, invalid-values when it cannot be applied
 */
export function patched (text: string, patch: Patch, check: ShapeCheck, maxBytes: number): { body: unknown, document: JsonObject } {
  const current = parse(text, { maxDepth: MAX_BODY_DEPTH })
  const document = patch.kind === 'merge' ? mergePatch(current, patch.document) : applyJsonPatch(current, patch.document, maxBytes + SLACK_BYTES)
  if (byteLength(document, maxBytes + SLACK_BYTES) > maxBytes + SLACK_BYTES) throw new Problem('body-too-large', `With the patch the object would be larger than ${maxBytes} bytes.`)
  const body = toPlain(document)
  const faults = check(body)
  if (faults.length > 0) throw malformed(faults)
  return { body, document: document as JsonObject }
}

function applyJsonPatch (current: Json, patch: Json, maxBytes: number): Json {
  try {
    return applyPatch(current, patch, { maxBytes, maxDepth: MAX_BODY_DEPTH })
  } catch (error) {
    if (!(error instanceof JsonPatchError)) throw error
    const faults: Fault[] = error.faults.map(({ path, message }) => ({ in: 'body', path, message }))
    if (error.kind === 'shape') throw malformed(faults)
    throw new Problem('invalid-values', `The patch cannot be applied: ${faults[0]?.message ?? ''}`, { faults })
  }
}
