import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'
import { startTemporaryDatabase } from '../../src/database/embedded.js'
import { migrate } from '../../src/database/migrate.js'

const TEMPLATE = 'config_template'

/**
 * A PostgreSQL for tests with a migrated template database. What is in it may be lost, so it need not
 * wait for the disk.
 * @returns its URL and what ends it
 */
export async function startTestServer (): Promise<{ url: string, stop: () => Promise<void> }> {
  const database = await startTemporaryDatabase({ max_connections: '200' })
  await administer(database.url, `create database ${TEMPLATE}`)
  const template = new pg.Client(withDatabase(database.url, TEMPLATE))
  await template.connect()
  await migrate(template)
  await template.end()
  return database
}

/** A database of its own for a test file, cloned from the migrated template; dropped at the end. */
export async function cloneDatabase (t: Test, options: { empty?: boolean } = {}): Promise<string> {
  const { TEST_DATABASE_URL: shared } = process.env
  const own = shared === undefined ? await startTestServer() : undefined
  const url = shared ?? own?.url ?? ''
  const name = `test_${randomBytes(8).toString('hex')}`
  await administer(url, `create database ${name} template ${options.empty === true ? 'template0' : TEMPLATE}`)
  t.teardown(async () => {
    await administer(url, `drop database if exists ${name} with (force)`)
    await own?.stop()
  })
  return withDatabase(url, name)
}

/** Runs statements as the owner of the server. */
export async function administer (url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function withDatabase (url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}
