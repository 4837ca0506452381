import { isNull, isObject, type Json, type JsonObject } from './document.js'

/**
 * Applies a JSON merge patch (RFC 7396 section 2) and gives the result; the arguments stay as they
 * are and may share nodes with it. Keys that stay keep their place, new keys follow in the order of
 * the patch. A target that is not an object, or not there, is an empty object to an object patch,
 * so null members of the patch vanish also where there is nothing to remove.
 */
export function mergePatch (target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result: JsonObject = new Map(isObject(target) ? target : undefined)
  for (const [key, value] of patch) {
    if (isNull(value)) result.delete(key)
    else result.set(key, mergePatch(result.get(key), value))
  }
  return result
}
