import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'
import { startEmbeddedDatabase } from '../../src/database/embedded.js'
import { migrate } from '../../src/database/migrate.js'

const TEMPLATE = 'config_template'

/**
 * A PostgreSQL for tests with a migrated template database. What is in it may be lost, so it need not
 * wait for the disk.
 * @returns its URL and what ends it
 */
export async function startTestServer (): Promise<{ url: string, stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'config-service-test-'))
  const database = await startEmbeddedDatabase({ dataDir, settings: { fsync: 'off', synchronous_commit: 'off', max_connections: '200' } })
  const client = new pg.Client(database.url)
  await client.connect()
  await client.query(`create database ${TEMPLATE}`)
  await client.end()
  const template = new pg.Client(withDatabase(database.url, TEMPLATE))
  await template.connect()
  await migrate(template)
  await template.end()
  return {
    url: database.url,
    async stop () {
      await database.stop()
      await rm(dataDir, { recursive: true, force: true })
    }
  }
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
