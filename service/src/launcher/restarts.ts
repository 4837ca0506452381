/**
 * How long to wait before starting again what has crashed: 1 s, 2 s, 4 s … 30 s, from the beginning
 * after a quiet minute.
 */
interface Restarts {
  /** Milliseconds, or nothing when five restarts within a minute were in vain. */
  next (): number | undefined
}

const perMinute = 5
const longestMs = 30_000

export function createRestarts (now: () => number = Date.now): Restarts {
  let recent: number[] = []
  let inARow = 0
  return {
    next () {
      const time = now()
      if (time - (recent.at(-1) ?? -Infinity) > 60_000) inARow = 0
      recent = [...recent.filter((restart) => time - restart < 60_000), time]
      if (recent.length > perMinute) return undefined
      return Math.min(1_000 * 2 ** inARow++, longestMs)
    }
  }
}
