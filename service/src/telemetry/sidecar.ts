import type { Signals } from './degradation.js'

export interface Sidecar {
  /** How it was when it was last asked; `down` before. */
  state (): Signals['sidecar']
  /** Asks it; takes no longer than `timeoutMs` and never rejects. */
  ask (): Promise<void>
  close (): void
}

/** Asks a sidecar for its health: a 2xx within `timeoutMs` is up, whatever it says; all else is down. Without an address it is absent. */
export function createSidecar ({ url, timeoutMs }: { url: string | undefined, timeoutMs: number }): Sidecar {
  const closing = new AbortController()
  let state: Signals['sidecar'] = url === undefined ? 'absent' : 'down'
  return {
    state: () => state,
    async ask () {
      if (url === undefined) return
      try {
        const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]) })
        state = answer.ok ? 'up' : 'down'
        // Nobody knows how long it is.
        await answer.body?.cancel()
      } catch {
        state = 'down'
      }
    },
    close () { closing.abort() }
  }
}
