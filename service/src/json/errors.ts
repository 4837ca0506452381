/** One thing that is wrong: where, as an RFC 6901 pointer, and what to do about it. */
export interface Fault {
  path: string
  message: string
}

/**
 * Where a text stopped being JSON. `path` is the place in the document that was being read;
 * `offset` counts UTF-8 bytes from 0, `line` and `column` (in characters) count from 1.
 */
export interface SyntaxFault extends Fault {
  offset: number
  line: number
  column: number
}

/** The text is not a JSON document that can be read: `reason` tells what it breaks. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly faults: readonly [SyntaxFault]

  constructor (readonly reason: 'encoding' | 'syntax' | 'depth', readonly fault: SyntaxFault) {
    super(`${fault.message} (line ${fault.line}, column ${fault.column})`)
    this.faults = [fault]
  }
}

/** The text is JSON but holds values that would not be kept as they were sent. */
export class JsonFaultsError extends Error {
  override readonly name = 'JsonFaultsError'

  constructor (readonly faults: readonly Fault[]) {
    super(faults[0]?.message)
  }
}

/**
 * A JSON Patch that is malformed (`shape`: all faults found) or that cannot be applied to this
 * document (`apply`: the first operation that failed). Paths lead into the patch document.
 */
export class JsonPatchError extends Error {
  override readonly name = 'JsonPatchError'

  constructor (readonly kind: 'shape' | 'apply', readonly faults: readonly Fault[]) {
    super(faults[0]?.message)
  }
}
