/**
 * What was made of texts, the least recently used forgotten first when there are more than `maxEntries` or their
 * keys come to more than `maxLength` characters together.
 */
export class TextCache<V> {
  #values = new Map<string, V>()
  #length = 0
  readonly #maxEntries: number
  readonly #maxLength: number

  constructor ({ maxEntries, maxLength }: { maxEntries: number, maxLength: number }) {
    this.#maxEntries = maxEntries
    this.#maxLength = maxLength
  }

  get (text: string): V | undefined {
    const value = this.#values.get(text)
    if (value === undefined) return undefined
    // A Map keeps the order of insertion: the last is the most recently used.
    this.#values.delete(text)
    this.#values.set(text, value)
    return value
  }

  set (text: string, value: V): void {
    if (this.#values.delete(text)) this.#length -= text.length
    this.#values.set(text, value)
    this.#length += text.length
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#maxEntries && this.#length <= this.#maxLength) return
      this.#values.delete(oldest)
      this.#length -= oldest.length
    }
  }
}
