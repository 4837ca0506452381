import t from 'tap'
import { checkStored, type Stored, type StoredVersion } from '../../bench/faults/check-database.js'
import type { KnownVersion, Tracked } from '../../bench/faults/model.js'

const ID = '01890000-0000-7000-8000-000000000001'

// One configuration, made as revision 2 (1 is its application) and replaced as revision 3.
function known (): Tracked[] {
  const versions: KnownVersion[] = [
    { version: 1, revision: 2, operation: 'create', values: { n: 1 }, round: 1 },
    { version: 2, revision: 3, operation: 'put', values: { n: 2 }, round: 1 }
  ]
  return [{ reference: 'a:b', id: ID, versions }]
}

function stored (): Stored {
  const version = (version: number, revision: number, operation: string, n: number): StoredVersion =>
    ({ object_id: ID, version, revision, reference: 'a:b', operation, values: { n } })
  return { revisions: [1, 2, 3], head: 3, unpaired: 0, versions: [version(1, 2, 'create', 1), version(2, 3, 'update', 2)] }
}

function faults (there: Stored, objects: Tracked[]): string[] {
  const found: string[] = []
  checkStored(there, objects, (what) => { found.push(what) })
  return found
}

t.test('a store that has what was acknowledged is in order', async t => {
  t.same(faults(stored(), known()), [])
})

t.test('every way of not being in order is found', async t => {
  const store = (change: (there: Stored) => void): Stored => {
    const there = stored()
    change(there)
    return there
  }
  for (const [name, there, what] of [
    ['a lost write', store((there) => { there.versions.pop() }), 'an acknowledged write is not in the database, or another is'],
    ['another content', store((there) => { (there.versions[1] as StoredVersion).values = { n: 3 } }), 'an acknowledged write is not in the database, or another is'],
    ['another operation', store((there) => { (there.versions[1] as StoredVersion).operation = 'rollback' }), 'an acknowledged write is not in the database, or another is'],
    ['another revision', store((there) => { (there.versions[1] as StoredVersion).revision = 4 }), 'an acknowledged write is not in the database, or another is'],
    ['a gap', store((there) => { there.revisions = [1, 3, 4]; there.head = 3 }), 'revisions are not 1 to 3'],
    ['a head that is behind', store((there) => { there.head = 2 }), 'the head of the store is not the number of its revisions'],
    ['a revision without a version', store((there) => { there.unpaired = 1 }), 'revisions and versions do not belong together one by one'],
    ['a write that nobody made', store((there) => { there.versions.push({ ...there.versions[1] as StoredVersion, version: 3 }) }), 'the database has a version that nobody was told of']
  ] as const) {
    t.same(faults(there, known()), [what], name)
  }
})

t.test('two answers with one revision are found', async t => {
  const objects = known()
  const second = objects[0]?.versions[1] as KnownVersion
  second.revision = 2
  t.ok(faults(stored(), objects).includes('two answers carried the same revision'))
})

t.test('two objects of one request are found', async t => {
  const there = stored()
  const twin = '01890000-0000-7000-8000-000000000002'
  there.versions.push({ ...there.versions[0] as StoredVersion, object_id: twin })
  t.ok(faults(there, known()).includes('one request made several objects'))
})
