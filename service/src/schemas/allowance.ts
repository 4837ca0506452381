import { longestPointer, shortenMiddle } from './json.js'
import type { SchemaFault } from './prepare.js'

/** The room that the faults of one answer have: so many, and so many bytes for their paths together. */
export class Allowance {
  #faults: number
  #bytes: number

  constructor ({ faults = 100, bytes = 64 * 1024 }: { faults?: number, bytes?: number } = {}) {
    this.#faults = faults
    this.#bytes = bytes
  }

  get spent (): boolean {
    return this.#faults <= 0 || this.#bytes <= 0
  }

  /** The fault with its paths shortened, or undefined when there is no room for it, nor for any after it. */
  admit <F extends SchemaFault>(fault: F): F | undefined {
    if (this.spent) return undefined
    const admitted = { ...fault, path: shortenMiddle(fault.path, longestPointer) }
    if (fault.schema_path !== undefined) admitted.schema_path = shortenMiddle(fault.schema_path, longestPointer)
    this.#faults--
    this.#bytes -= Buffer.byteLength(admitted.path) + Buffer.byteLength(admitted.schema_path ?? '')
    if (this.#bytes < 0) return undefined
    return admitted
  }

  admitAll <F extends SchemaFault>(faults: Iterable<F>): F[] {
    const admitted: F[] = []
    for (const fault of faults) {
      const next = this.admit(fault)
      if (next === undefined) break
      admitted.push(next)
    }
    return admitted
  }
}
