import { Client } from 'pg'

/** A write that was answered with 201. */
export interface Acknowledged { name: string, revision: number }

export interface Verdict {
  revisions: number
  acknowledged: number
  /** What is wrong, a line each; the first few of many. */
  faults: string[]
}

const MOST_FAULTS = 20

/**
 * Whether every acknowledged write is in the database under its revision, nothing else is, and revisions are 1..N.
 * @param others revisions that were made beside (the application that all belong to)
 */
export async function verify (databaseUrl: string, acknowledged: readonly Acknowledged[], others: number): Promise<Verdict> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows: [head] } = await client.query<{ revision: string, first: string, last: string, count: string }>(
      'select (select revision from store), min(revision) as first, max(revision) as last, count(*) from revisions')
    const { rows } = await client.query<{ name: string, revision: string }>({
      // Of a configuration without its version or its revision the revision reads as null: it counts as another one.
      text: "select c.name, r.revision from configurations c left join versions v on v.object_id = c.id and v.version = 1 and v.operation = 'create' left join revisions r on r.revision = v.revision"
    })
    const faults = [
      ...faultsOfRevisions({ head: Number(head?.revision), first: Number(head?.first), last: Number(head?.last), count: Number(head?.count) }),
      ...faultsOfWrites(new Map(rows.map(({ name, revision }) => [name, Number(revision)])), acknowledged)
    ]
    const expected = acknowledged.length + others
    if (Number(head?.count) !== expected) faults.push(`${head?.count} revisions, where ${expected} writes were acknowledged`)
    return { revisions: Number(head?.count), acknowledged: acknowledged.length, faults: faults.slice(0, MOST_FAULTS) }
  } finally {
    await client.end()
  }
}

export function faultsOfRevisions ({ head, first, last, count }: { head: number, first: number, last: number, count: number }): string[] {
  const whole = first === 1 && last === count && head === last
  return whole ? [] : [`revisions have gaps: ${count} of them from ${first} to ${last}, and the head is ${head}`]
}

export function faultsOfWrites (stored: ReadonlyMap<string, number>, acknowledged: readonly Acknowledged[]): string[] {
  const faults: string[] = []
  const seen = new Map<number, string>()
  for (const { name, revision } of acknowledged) {
    const found = stored.get(name)
    if (found !== revision) faults.push(`${name} was acknowledged with revision ${revision} and is ${found === undefined ? 'not there' : `there with ${found}`}`)
    const other = seen.get(revision)
    if (other !== undefined) faults.push(`${name} and ${other} were acknowledged with the same revision ${revision}`)
    seen.set(revision, name)
  }
  return faults
}
