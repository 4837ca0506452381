import { createHash } from 'node:crypto'

/** Remembers texts by their hash for some time, the oldest forgotten first when there are more than `max`. */
export class Overruns {
  #until = new Map<string, number>()
  readonly #forMs: number
  readonly #max: number

  constructor ({ forMs, max = 1000 }: { forMs: number, max?: number }) {
    this.#forMs = forMs
    this.#max = max
  }

  add (text: string): void {
    const hash = hashOf(text)
    this.#until.delete(hash)
    this.#until.set(hash, Date.now() + this.#forMs)
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= this.#max && until > Date.now()) return
      this.#until.delete(oldest)
    }
  }

  has (text: string): boolean {
    // Hashing costs; most of the time there is nothing to look for.
    return this.#until.size > 0 && (this.#until.get(hashOf(text)) ?? 0) > Date.now()
  }
}

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
