import { RE2JS } from 're2js'
import { shorten } from './json.js'

export interface Pattern { test (text: string): boolean }

/** A regular expression outside the RE2 syntax; the message says what is not supported. */
export class PatternError extends Error {}

/**
 * A pattern that runs in time linear in the text (RE2 syntax, Unicode, not anchored).
 * The ECMAScript spellings \uXXXX, \cX, (?<name>…) and [^] are understood as well.
 * Throws PatternError.
 */
export function compilePattern (source: string): Pattern {
  // The translation would turn a named backreference into plain letters.
  if (/^(?:[^\\]|\\[^k])*\\k</s.test(source)) throw new PatternError('backreferences (\\k<…>) are not supported')
  try {
    const pattern = RE2JS.compile(RE2JS.translateRegExp(source))
    return { test: text => pattern.test(text) }
  } catch (error) {
    throw new PatternError(reason(error instanceof Error ? error.message : ''))
  }
}

function reason (message: string): string {
  const detail = /^error parsing regexp: (.*?)(?:: `(.*)`)?$/s.exec(message)
  const [, what = 'it is not a regular expression', where = ''] = detail ?? []
  if (/^\(\?<?[=!]/.test(where)) return 'lookahead and lookbehind are not supported'
  if (what === 'invalid escape sequence' && /^\\[1-9]/.test(where)) return `backreferences (${where}) are not supported`
  if (what === 'invalid repeat count') return `the repetition ${where} is too large: at most 1000, nested ones multiplied`
  return where === '' ? shorten(what, 100) : `${what}: ${shorten(where, 60)}`
}
