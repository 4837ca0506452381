import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { databaseError, isStatementError, isUnavailable } from '../database/pool.js'
import { Problem } from '../errors.js'
import { changeText, type ChangeRequest, type ChangeResult } from './change.js'

export interface Committer {
  /**
   * Puts a change into the store, together with whatever else is waiting: one transaction and one fsync for
   * all of them, a revision for each. Resolves once it is durable; refusals are results, not errors.
   * @throws Problem database-unavailable or overloaded (nothing stored), outcome-unknown (nobody can say)
   */
  commit (request: ChangeRequest): Promise<ChangeResult>
  /** How many changes went through how many transactions so far. */
  readonly stats: { changes: number, batches: number }
  /** Waits for what is under way. */
  close (): Promise<void>
}

/** What observes the batches: a batch belongs to those who wait for it. */
export interface BatchScope<Origin> {
  /** Asked for each change while its author's call is under way. */
  origin (): Origin
  /** Sends a batch on behalf of those who wait for it, the first of them first. */
  send<T> (origins: readonly Origin[], send: () => Promise<T>): Promise<T>
  /** Does something on behalf of one change, or of none. */
  as<T> (origin: Origin | undefined, act: () => T): T
}

export interface CommitterOptions<Origin = undefined> {
  /** A pool of one connection: batches go one after the other, two in flight would wait for the same lock. */
  pool: pg.Pool
  maxBatch?: number
  /** Changes that may wait; more are turned away. */
  maxWaiting?: number
  /** How long a change may wait for its turn, in ms. */
  maxWaitMs?: number
  /** How long to ask what became of a batch whose connection broke, in ms. */
  settleMs?: number
  scope?: BatchScope<Origin>
}

interface Waiting<Origin> {
  origin: Origin
  request: ChangeRequest
  text: string
  since: number
  resolve: (result: ChangeResult) => void
  reject: (error: unknown) => void
}

// A batch is one JSON text; a quarter of a gigabyte is where PostgreSQL and Node stop taking those.
const MAX_BATCH_CHARACTERS = 16 * 1024 * 1024
const MAX_WAITING_CHARACTERS = 128 * 1024 * 1024
const SETTLE_PAUSE_MS = 200

export function createCommitter<Origin = undefined> (options: CommitterOptions<Origin>): Committer {
  const { pool, maxBatch = 64, maxWaiting = 10_000, maxWaitMs = 10_000, settleMs = 5000, scope } = options
  const waiting: Array<Waiting<Origin>> = []
  let waitingCharacters = 0
  const stats = { changes: 0, batches: 0 }
  let running: Promise<void> | undefined
  const as = <T>(origin: Origin | undefined, act: () => T): T => scope === undefined ? act() : scope.as(origin, act)

  async function run (): Promise<void> {
    while (waiting.length > 0) {
      let client: pg.PoolClient
      try {
        client = await as(waiting[0]?.origin, async () => await pool.connect())
      } catch (error) {
        // Whoever waits would find the same: tell them now instead of one time-out after the other.
        waitingCharacters = 0
        for (const one of waiting.splice(0)) one.reject(databaseError(error))
        continue
      }
      await commitOver(client)
    }
    running = undefined
  }

  /** Sends batch after batch over one connection, until nothing waits or something is wrong with it. */
  async function commitOver (client: pg.PoolClient): Promise<void> {
    let batch = takeBatch()
    let answer = batch.length > 0 ? send(client, batch) : undefined
    while (answer !== undefined) {
      let results: ChangeResult[]
      try {
        results = (await answer).rows
      } catch (error) {
        await recover(client, batch, error)
        return
      }
      const next = takeBatch()
      // The database gets to work again before this process writes its answers.
      answer = next.length > 0 ? send(client, next) : undefined
      acknowledge(batch, results)
      batch = next
    }
    client.release()
  }

  function takeBatch (): Array<Waiting<Origin>> {
    const batch: Array<Waiting<Origin>> = []
    let characters = 0
    while (batch.length < maxBatch && waiting.length > 0) {
      const next = waiting[0] as Waiting<Origin>
      if (batch.length > 0 && characters + next.text.length > MAX_BATCH_CHARACTERS) break
      waiting.shift()
      waitingCharacters -= next.text.length
      if (performance.now() - next.since > maxWaitMs) {
        next.reject(new Problem('overloaded', `The change waited ${maxWaitMs} ms for its turn. Nothing was stored.`))
        continue
      }
      batch.push(next)
      characters += next.text.length
    }
    return batch
  }

  async function send (client: pg.PoolClient, batch: Array<Waiting<Origin>>): Promise<pg.QueryResult<ChangeResult>> {
    const query = async (): Promise<pg.QueryResult<ChangeResult>> => await client.query<ChangeResult>({
      name: 'commit-changes',
      text: 'select * from commit_changes($1)',
      values: [`[${batch.map(({ text }) => text).join(',')}]`]
    })
    return scope === undefined ? await query() : await scope.send(batch.map(({ origin }) => origin), query)
  }

  function acknowledge (batch: Array<Waiting<Origin>>, results: ChangeResult[]): void {
    stats.batches += 1
    stats.changes += batch.length
    batch.forEach((one, index) => { one.resolve(results[index] as ChangeResult) })
  }

  async function recover (client: pg.PoolClient, batch: Array<Waiting<Origin>>, error: unknown): Promise<void> {
    if (!isStatementError(error)) {
      client.release(true)
      await settle(batch, error)
      return
    }
    // The server says that it rolled back.
    client.release()
    if (batch.length === 1 || isUnavailable(error)) {
      for (const one of batch) one.reject(databaseError(error))
    } else {
      for (const one of batch) await commitAlone(one)
    }
  }

  // One member of a batch made it fail: each is tried for itself.
  async function commitAlone (one: Waiting<Origin>): Promise<void> {
    let client: pg.PoolClient
    try {
      client = await as(one.origin, async () => await pool.connect())
    } catch (error) {
      one.reject(databaseError(error))
      return
    }
    try {
      acknowledge([one], (await send(client, [one])).rows)
      client.release()
    } catch (error) {
      await recover(client, [one], error)
    }
  }

  // The connection broke while the batch was on its way: ask a new one what happened.
  async function settle (batch: Array<Waiting<Origin>>, cause: unknown): Promise<void> {
    const until = performance.now() + settleMs
    let results: Map<string, ChangeResult> | undefined
    while (results === undefined) {
      try {
        const { rows } = await as(batch[0]?.origin, async () => await pool.query<ChangeResult>({
          name: 'settle-changes',
          text: 'select * from settle_changes($1)',
          values: [batch.map(({ request }) => request.change_id)]
        }))
        results = new Map(rows.map((row) => [row.change_id, row]))
      } catch {
        if (performance.now() > until) break
        await sleep(SETTLE_PAUSE_MS)
      }
    }
    for (const one of batch) {
      const result = results?.get(one.request.change_id)
      if (result === undefined) {
        const { change_id: changeId } = one.request
        one.reject(new Problem('outcome-unknown', 'The connection to the database broke during the commit. Whether the change was stored is not known.', { members: { change_id: changeId }, cause }))
      } else if (result.outcome === 'abandoned') {
        one.reject(new Problem('database-unavailable', 'The connection to the database broke before the commit. Nothing was stored.', { cause }))
      } else {
        one.resolve(result)
      }
    }
  }

  return {
    stats,
    async commit (request) {
      if (waiting.length >= maxWaiting || waitingCharacters > MAX_WAITING_CHARACTERS) {
        throw new Problem('overloaded', `${waiting.length} changes are waiting already. Nothing was stored.`)
      }
      const text = changeText(request)
      waitingCharacters += text.length
      return await new Promise<ChangeResult>((resolve, reject) => {
        waiting.push({ origin: scope?.origin() as Origin, request, text, since: performance.now(), resolve, reject })
        running ??= as(undefined, run)
      })
    },
    async close () {
      await running
    }
  }
}
