import type pg from 'pg'
import type { Head, Read } from './head.js'
import { databaseError } from './pool.js'

/** Runs reads and says at which revision of the store they saw it. */
export interface Reader {
  /**
   * Rows of a SELECT, given without the head: the statement is wrapped so that both come from one snapshot.
   * @throws Problem database-unavailable
   */
  rows<T> (name: string, text: string, values: unknown[]): Promise<Read<T[]>>
}

const MAX_NAME_CHARACTERS = 63

type WithHead<T> = T & { found: boolean | null, store_revision: number, store_epoch: string }

export function createReader (pool: pg.Pool, head: Head): Reader {
  return {
    async rows<T> (name: string, text: string, values: unknown[]) {
      // PostgreSQL cuts longer names, and two that begin alike would be taken for one.
      if (name.length > MAX_NAME_CHARACTERS) throw new Error(`the statement name ${name} is too long`)
      try {
        const { rows } = await pool.query<WithHead<T>>({
          name,
          text: `select s.revision as store_revision, s.epoch as store_epoch, r.* from store s left join lateral (select true as found, q.* from (${text}) q) r on true`,
          values
        })
        const [{ store_revision: revision, store_epoch: epoch }] = rows as [WithHead<T>]
        head.seen(revision, epoch)
        return { revision, value: rows.filter(({ found }) => found === true) }
      } catch (error) {
        throw databaseError(error)
      }
    }
  }
}
