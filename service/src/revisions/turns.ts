/** Lets those who change the same thing go one after the other; others do not wait for them. */
export interface Turns {
  take<T> (key: string, act: () => Promise<T>): Promise<T>
}

/**
 * Within this process only: whoever reads, changes and commits would otherwise be overtaken by its neighbours
 * again and again. Between processes the commit tells, and the change is made anew.
 */
export function createTurns (): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    async take (key, act) {
      const mine = (last.get(key) ?? Promise.resolve()).then(act, act)
      last.set(key, mine)
      try {
        return await mine
      } finally {
        if (last.get(key) === mine) last.delete(key)
      }
    }
  }
}
