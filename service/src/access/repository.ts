import type pg from 'pg'
import { databaseError } from '../database/pool.js'
import type { TokenRecord } from './schema.js'

export interface TokenRepository {
  /** Grows with every change of the tokens. */
  version (): Promise<number>
  /** All that have not been revoked, with the version they were read at. */
  all (): Promise<{ version: number, tokens: TokenRecord[] }>
  /** False when the name has been given before. */
  insert (token: Omit<TokenRecord, 'created_at'>): Promise<TokenRecord | undefined>
  /** False when there is none, or none any more. */
  revoke (id: string): Promise<boolean>
}

const COLUMNS = 'id, name, role, application_id, secret_hash, created_at, created_by, expires_at'

export function createTokenRepository ({ query }: { query: <T extends pg.QueryResultRow>(statement: pg.QueryConfig) => Promise<pg.QueryResult<T>> }): TokenRepository {
  async function rows<T extends pg.QueryResultRow> (name: string, text: string, values: unknown[] = []): Promise<T[]> {
    try {
      return (await query<T>({ name, text, values })).rows
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async version () {
      const [row] = await rows<{ version: number }>('access-version', 'select version from access_state')
      return row?.version ?? 0
    },

    async all () {
      // One statement, so one snapshot: no change can lie between the version and the tokens.
      const found = await rows<TokenRecord & { version: number }>('token-all', `select s.version, ${COLUMNS.replace(/\w+/g, 't.$&')} from access_state s left join tokens t on t.revoked_at is null`)
      return { version: found[0]?.version ?? 0, tokens: found.filter(({ id }) => id !== null) }
    },

    async insert (token) {
      const [row] = await rows<TokenRecord>('token-insert', `
        with added as (
          insert into tokens (id, name, role, application_id, secret_hash, created_by, expires_at) values ($1, $2, $3, $4, $5, $6, $7)
          on conflict (name) do nothing returning ${COLUMNS}),
        bump as (update access_state set version = version + 1 where exists (select from added))
        select * from added`, [token.id, token.name, token.role, token.application_id, token.secret_hash, token.created_by, token.expires_at])
      return row
    },

    async revoke (id) {
      const revoked = await rows('token-revoke', `
        with gone as (update tokens set revoked_at = now() where id = $1 and revoked_at is null returning id),
        bump as (update access_state set version = version + 1 where exists (select from gone))
        select id from gone`, [id])
      return revoked.length > 0
    }
  }
}
