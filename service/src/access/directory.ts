import type { TokenRecord } from './schema.js'
import type { TokenRepository } from './repository.js'

/** The tokens, in memory, at most POLL_MS behind the database. */
export interface Directory {
  find (id: string): TokenRecord | undefined
  /** Reads them now: what this replica has changed takes effect at once. @throws Problem database-unavailable */
  refresh (): Promise<void>
  /** Whether they have been read at all. */
  isLoaded (): boolean
  /** Whether there is one that is not over at this time (ms since the epoch). */
  hasAny (now: number): boolean
  close (): void
}

// Revoked everywhere within a second: two looks, and time for each.
const POLL_MS = 400

/** Looks for changes again and again. With the database away the tokens last known are good until it is back. */
export function createDirectory (repository: TokenRepository): Directory {
  let known: { version: number, tokens: Map<string, TokenRecord> } | undefined
  let asked = 0
  let answered = 0
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function refresh (): Promise<void> {
    const mine = ++asked
    const { version, tokens } = await repository.all()
    // An answer may be overtaken by that of a later question.
    if (mine < answered) return
    answered = mine
    known = { version, tokens: new Map(tokens.map((token) => [token.id, token])) }
  }

  async function look (): Promise<void> {
    try {
      if (known === undefined || await repository.version() !== known.version) await refresh()
    } catch {
      // It is asked again soon.
    }
    if (!closed) timer = setTimeout(() => { void look() }, POLL_MS).unref()
  }
  timer = setTimeout(() => { void look() }, 0).unref()

  return {
    find: (id) => known?.tokens.get(id),
    refresh,
    isLoaded: () => known !== undefined,
    hasAny: (now) => known?.tokens.values().some(({ expires_at: expiresAt }) => expiresAt === null || expiresAt.getTime() > now) === true,
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}
