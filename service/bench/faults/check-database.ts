import { isDeepStrictEqual } from 'node:util'
import { Client } from 'pg'
import { STORED_AS, type ConfigurationValues, type KnownVersion, type Tracked } from './model.js'

/** A version of a configuration as the database has it. */
export interface StoredVersion {
  object_id: string
  version: number
  revision: number
  reference: string
  operation: string
  values: ConfigurationValues | null
}

export interface Stored {
  /** All revisions, ascending, of configurations and of whatever else. */
  revisions: number[]
  head: number
  versions: StoredVersion[]
  /** Revisions that have no version, or several; versions without a revision. */
  unpaired: number
}

export type Report = (what: string, ...entries: unknown[]) => void

export async function readStored (databaseUrl: string): Promise<Stored> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    const { rows: revisions } = await client.query<{ revision: string }>('select revision from revisions order by revision')
    const { rows: [head] } = await client.query<{ revision: string }>('select revision from store')
    const { rows: [unpaired] } = await client.query<{ count: string }>(
      'select count(*) from (select count(r.revision) as r, count(v.revision) as v from revisions r full join versions v on v.revision = r.revision group by coalesce(r.revision, v.revision)) p where r <> 1 or v <> 1')
    const { rows: versions } = await client.query<StoredVersion & { revision: string }>(
      "select object_id, version, revision, reference, operation, content -> 'values' as values from versions where kind = 'configuration'")
    return {
      revisions: revisions.map(({ revision }) => Number(revision)),
      head: Number(head?.revision),
      unpaired: Number(unpaired?.count),
      versions: versions.map((version) => ({ ...version, revision: Number(version.revision) }))
    }
  } finally {
    await client.end()
  }
}

/** Compares everything that was ever acknowledged with everything that is there. */
export function checkStored (stored: Stored, objects: readonly Tracked[], report: Report): void {
  const gap = stored.revisions.findIndex((revision, n) => revision !== n + 1)
  if (gap !== -1) report(`revisions are not 1 to ${stored.revisions.length}`, { at: gap, there: stored.revisions.slice(Math.max(0, gap - 3), gap + 3) })
  if (stored.head !== stored.revisions.length) report('the head of the store is not the number of its revisions', { head: stored.head, revisions: stored.revisions.length })
  if (stored.unpaired > 0) report('revisions and versions do not belong together one by one', { unpaired: stored.unpaired })

  const rest = new Map(stored.versions.map((version) => [`${version.object_id} ${version.version}`, version]))
  const byRevision = new Map<number, unknown>()
  for (const object of objects) {
    for (const known of object.versions) {
      const key = `${object.id} ${known.version}`
      const there = rest.get(key)
      rest.delete(key)
      if (there === undefined || !isSame(object, known, there)) report('an acknowledged write is not in the database, or another is', { reference: object.reference, id: object.id, ...known }, { there })
      const other = byRevision.get(known.revision)
      if (other !== undefined) report('two answers carried the same revision', other, { reference: object.reference, ...known })
      byRevision.set(known.revision, { reference: object.reference, ...known })
    }
  }
  for (const version of rest.values()) report('the database has a version that nobody was told of', version)

  const creations = Map.groupBy(stored.versions.filter(({ operation }) => operation === 'create'), ({ reference }) => reference)
  for (const [reference, made] of creations) {
    if (made.length > 1) report('one request made several objects', { reference }, ...made)
  }
}

function isSame (object: Tracked, known: KnownVersion, there: StoredVersion): boolean {
  return there.revision === known.revision && there.reference === object.reference && there.operation === STORED_AS[known.operation] &&
    isDeepStrictEqual(there.values, known.values)
}
