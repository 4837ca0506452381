/** The ways of writing that are compared. */
export const WAYS = ['batched', 'single', 'naive'] as const
export type Way = typeof WAYS[number]

export const ABOUT: Record<Way, string> = {
  batched: 'the service as it is: what waits is committed together',
  single: 'the same with batches of one: one call of commit_changes() and one transaction a request',
  naive: 'one transaction a request on a pool of connections, a statement and a round trip for each step'
}

/** How the service under measurement is told its way. */
export const WAY_VARIABLE = 'BENCH_WAY'
