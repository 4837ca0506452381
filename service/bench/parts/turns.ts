/** Tells those who send when it is their turn. */
export interface Turns {
  /** @returns when the request was due, on the clock; undefined once it is over */
  next (): Promise<number | undefined>
  end (): void
}

const TICK_MS = 1

/**
 * With a rate, as many turns a second, whether or not those before have come to an end: what takes too long makes
 * others wait, and they count from the moment they were due. Without (0), everyone's turn is at once.
 *
 * A request is due at the tick that finds it due: timers are no finer, and what this process is late with is not the
 * service's fault.
 */
export function createTurns (rate: number, clockMs: () => number): Turns {
  const due: number[] = []
  const waiting: Array<(due: number | undefined) => void> = []
  const begun = clockMs()
  let given = 0
  let over = false
  const timer = rate === 0 ? undefined : setInterval(tick, TICK_MS)

  function tick (): void {
    const now = clockMs()
    for (; given < Math.floor((now - begun) / 1000 * rate); given++) {
      const first = waiting.shift()
      if (first === undefined) due.push(now)
      else first(now)
    }
  }
  return {
    async next () {
      if (over) return undefined
      if (rate === 0) return clockMs()
      const first = due.shift()
      return first ?? await new Promise((resolve) => { waiting.push(resolve) })
    },
    end () {
      over = true
      clearInterval(timer)
      for (const resolve of waiting.splice(0)) resolve(undefined)
    }
  }
}
