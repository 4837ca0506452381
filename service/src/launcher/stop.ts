/** The wish to stop, from a signal. */
export interface StopRequest {
  /** Resolves at the first signal. */
  requested: Promise<NodeJS.Signals>
  /** Resolves at the second: stop without waiting for anyone. */
  hurried: Promise<NodeJS.Signals>
  isRequested (): boolean
  isHurried (): boolean
  /** Aborted at the first signal. */
  aborted: AbortSignal
  /** The first signal's number, as a shell adds it to 128. */
  exitCode (): number
  /** Leaves the signals to the system again. */
  end (): void
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
// A terminal and the program between it and this one may both pass on a single Ctrl-C.
const sameWishMs = 500
type Name = keyof typeof numbers

export function listenForStop (): StopRequest {
  const first = Promise.withResolvers<NodeJS.Signals>()
  const second = Promise.withResolvers<NodeJS.Signals>()
  const abort = new AbortController()
  let received: Name | undefined
  let receivedAt = 0
  let again = false
  const receive = (name: Name) => {
    if (received === undefined) {
      received = name
      receivedAt = Date.now()
      first.resolve(name)
    } else if (Date.now() - receivedAt > sameWishMs) {
      again = true
      second.resolve(name)
    }
    abort.abort()
  }
  const listeners = (Object.keys(numbers) as Name[]).map((name) => ({ name, listener: () => { receive(name) } }))
  for (const { name, listener } of listeners) process.on(name, listener)
  return {
    requested: first.promise,
    hurried: second.promise,
    isRequested: () => received !== undefined,
    isHurried: () => again,
    aborted: abort.signal,
    exitCode: () => 128 + (received === undefined ? 0 : numbers[received]),
    end () { for (const { name, listener } of listeners) process.off(name, listener) }
  }
}
