/** Remembers keys for some time, the oldest forgotten first when there are more than `max`. */
export class Overruns {
  #until = new Map<string, number>()
  readonly #forMs: number
  readonly #max: number

  constructor ({ forMs, max = 1000 }: { forMs: number, max?: number }) {
    this.#forMs = forMs
    this.#max = max
  }

  add (key: string): void {
    this.#until.delete(key)
    this.#until.set(key, Date.now() + this.#forMs)
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= this.#max && until > Date.now()) return
      this.#until.delete(oldest)
    }
  }

  has (key: string): boolean {
    return (this.#until.get(key) ?? 0) > Date.now()
  }

  /** False when there is nothing to look for. */
  get any (): boolean {
    return this.#until.size > 0
  }
}
