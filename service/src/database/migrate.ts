import path from 'node:path'
import type pg from 'pg'
import Postgrator from 'postgrator'
import { packageRoot } from '../package.js'

const MIGRATIONS = path.join(packageRoot, 'migrations')

// Any constant that no other program uses on this database: "config" in ASCII.
const ADVISORY_LOCK = 0x636f6e666967

/** The oldest PostgreSQL whose features are used. */
const OLDEST_SERVER = 140000

/**
 * Brings the schema up to date: every file of migrations/ that has not run, all in one transaction, under an
 * advisory lock, so that replicas that start together take turns. A file that ran and was changed afterwards
 * is refused. A store that a newer release has migrated further is left as it is.
 * @returns the files that ran now
 */
export async function migrate (client: pg.ClientBase): Promise<string[]> {
  const { rows: [server] } = await client.query<{ version: string }>("select current_setting('server_version_num') as version")
  if (Number(server?.version) < OLDEST_SERVER) {
    throw new Error(`PostgreSQL 14 or newer is needed; the server says ${server?.version ?? 'nothing'}`)
  }
  await client.query('begin')
  try {
    // How long another replica migrates is no fault of this one.
    await client.query('set local statement_timeout = 0')
    await client.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK])
    const postgrator = new Postgrator({
      migrationPattern: `${escapeGlob(MIGRATIONS)}/*.sql`,
      driver: 'pg',
      schemaTable: 'schema_migrations',
      execQuery: async (query) => await client.query(query) as unknown as { rows: unknown[] }
    })
    const target = await postgrator.getMaxVersion()
    const current = await postgrator.getDatabaseVersion()
    const ran = current > target ? [] : await postgrator.migrate()
    await client.query('commit')
    return ran.map((migration) => path.basename(migration.filename))
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

function escapeGlob (folder: string): string {
  return folder.replace(/[[\]{}()*?!\\]/g, '\\$&')
}
