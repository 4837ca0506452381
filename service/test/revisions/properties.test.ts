import fc from 'fast-check'
import pg from 'pg'
import t from 'tap'
import { applyPatch, parse, stringify, type Json } from '../../src/json/index.js'
import { testApp } from '../support/app.js'

const RUNS = { numRuns: 40 }
const key = fc.oneof(fc.constantFrom('a', 'b', '10', '2', '~/', 'ü', 'toString'), fc.string({ unit: 'grapheme', maxLength: 6 })).filter((text) => text !== '__proto__' && !text.includes('\0') && text.isWellFormed())
const text = fc.string({ unit: 'grapheme', maxLength: 10 }).filter((value) => !value.includes('\0') && value.isWellFormed())
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).map((value) => Object.is(value, -0) ? '-0' : String(value))
const scalar = fc.oneof(text.map((value) => JSON.stringify(value)), number, fc.constantFrom('true', 'false', 'null', '1.0', '1e2'))
const { object } = fc.letrec<{ object: string, value: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, scalar, fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`), tie('object')),
  object: fc.uniqueArray(fc.tuple(key, tie('value')), { maxLength: 5, selector: ([name]) => name }).map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`)
}))
const exact = (source: string): string => stringify(parse(source, { maxDepth: 40 }))
const valuesOf = (body: string): string => stringify((parse(body, { maxDepth: 40 }) as Map<string, Json>).get('values') as Json)
const asSet = (node: Json): string => node instanceof Map ? `{${[...node].map(([name, value]) => `${JSON.stringify(name)}:${asSet(value)}`).sort().join(',')}}` : Array.isArray(node) ? `[${node.map(asSet).join(',')}]` : node

t.test('values are kept exactly: in the answer, when read, in lists and in history', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  await fc.assert(fc.asyncProperty(object, async (values) => {
    const put = await app.call('PUT', '/configurations/a:x', `{"values":${values}}`)
    t.match(put.statusCode, /^20[01]$/)
    const { version } = put.json()
    t.equal(valuesOf(put.body), exact(values))
    t.equal(valuesOf((await app.call('GET', '/configurations/a:x')).body), exact(values))
    const list = parse((await app.call('GET', '/configurations?include=values')).body, { maxDepth: 40 }) as Map<string, Json[]>
    t.equal(stringify((list.get('items')?.[0] as Map<string, Json>).get('values') as Json), exact(values))
    const history = parse((await app.call('GET', `/configurations/a:x/versions/${String(version)}`)).body, { maxDepth: 40 }) as Map<string, Map<string, Json>>
    t.equal(stringify(history.get('content')?.get('values') as Json), exact(values))
  }), RUNS)
})

t.test('the diff of any two versions, applied to the one, gives the other', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  await app.call('PUT', '/configurations/a:x', '{"values":{}}')
  await fc.assert(fc.asyncProperty(object, object, async (one, other) => {
    await app.call('PUT', '/configurations/a:x', `{"values":${one}}`)
    const { version } = (await app.call('PUT', '/configurations/a:x', `{"values":${other},"labels":{"x":"y"}}`)).json()
    for (const [from, to] of [[1, version], [version, 1], [Math.max(1, version - 1), version]]) {
      const contents = await Promise.all([from, to].map(async (n) => (parse((await app.call('GET', `/configurations/a:x/versions/${String(n)}`)).body, { maxDepth: 40 }) as Map<string, Json>).get('content') as Json))
      const diff = parse((await app.call('GET', `/configurations/a:x/diff?from=${String(from)}&to=${String(to)}`)).body, { maxDepth: 40 }) as Map<string, Json>
      t.equal(asSet(applyPatch(contents[0] as Json, diff.get('patch') as Json)), asSet(contents[1] as Json))
    }
  }), RUNS)
})

t.test('a rollback to any version restores its content, makes a new version and keeps the name', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  await app.call('PUT', '/configurations/a:x', '{}')
  let at = 1
  await fc.assert(fc.asyncProperty(object, fc.nat(), async (values, seed) => {
    const put = (await app.call('PUT', '/configurations/a:x', `{"values":${values},"description":${JSON.stringify(String(seed))}}`)).json()
    const to = 1 + seed % put.version
    const back = await app.call('POST', '/configurations/a:x/rollback', { version: to })
    t.equal(back.statusCode, 200)
    const target = parse((await app.call('GET', `/configurations/a:x/versions/${to}`)).body, { maxDepth: 40 }) as Map<string, Map<string, Json>>
    t.equal(valuesOf(back.body), stringify(target.get('content')?.get('values') as Json))
    t.ok(back.json().version >= put.version && put.version >= at)
    t.equal(back.json().name, 'x')
    at = back.json().version
  }), RUNS)
})

t.test('cursors visit each configuration once while others come and go', async (t) => {
  const app = await testApp(t)
  for (const name of ['a', 'b', 'c']) await app.call('POST', '/applications', { name })
  const fixed: string[] = []
  for (let n = 0; n < 60; n++) {
    const reference = `${'abc'[n % 3] ?? 'a'}:fixed-${String(n).padStart(2, '0')}`
    await app.call('PUT', `/configurations/${reference}`, {})
    fixed.push(reference)
  }
  let walking = true
  const writers = Promise.all([1, 2, 3].map(async (writer) => {
    for (let n = 0; walking; n++) {
      const path = `/configurations/${'abc'[n % 3] ?? 'a'}:${n % 2 === 0 ? 'aa' : 'zz'}-${writer}-${n % 10}`
      await app.call('PUT', path, { description: String(n) })
      if (n % 3 === 0) await app.call('DELETE', path)
    }
  }))
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 25 }), async (limit) => {
    const seen: string[] = []
    let cursor = ''
    do {
      const page: { items: Array<{ reference: string }>, next_cursor: string | null } = (await app.call('GET', `/configurations?limit=${limit}${cursor}`)).json()
      seen.push(...page.items.map(({ reference }) => reference))
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
    } while (cursor !== '')
    t.same(seen.filter((reference) => reference.includes('fixed')), [...fixed].sort())
    t.equal(new Set(seen).size, seen.length, 'none twice')
  }), { numRuns: 15 })
  walking = false
  await writers
})

t.test('revisions have no gap and no two changes share one, with many writers in several processes\' place', async (t) => {
  const first = await testApp(t)
  const second = await testApp(t, { databaseUrl: first.databaseUrl })
  await first.call('POST', '/applications', { name: 'a' })
  const revisions: number[] = []
  const versions = new Map<string, number[]>()
  await Promise.all(Array.from({ length: 24 }, async (_, writer) => {
    const app = writer % 2 === 0 ? first : second
    for (let n = 0; n < 25; n++) {
      const name = `c${(writer * 7 + n) % 5}`
      const [method, path, body] = n % 5 === 0
        ? ['POST', '/configurations', { application: 'a', name: `own-${writer}-${n}` }]
        : n % 5 === 1
          ? ['POST', '/configurations', { application: 'nobody', name: 'refused' }]
          : ['PATCH', `/configurations/a:${name}`, { values: { [`w${writer}`]: n } }]
      if (n === 0) await app.call('PUT', `/configurations/a:${name}`, {})
      const answer = await app.call(method as string, path as string, body)
      if (answer.statusCode >= 300) continue
      const { reference, version, revision } = answer.json()
      revisions.push(revision)
      versions.set(reference, [...versions.get(reference) ?? [], version])
    }
  }))
  t.ok(revisions.length > 300, `${revisions.length} changes`)
  t.equal(new Set(revisions).size, revisions.length, 'each change has a revision of its own')
  for (const [reference, numbers] of versions) t.equal(new Set(numbers).size, numbers.length, `each change of ${reference} has a version of its own`)
  const client = new pg.Client(first.databaseUrl)
  await client.connect()
  const { rows } = await client.query<{ revision: string }>('select revision from revisions order by revision')
  t.same(rows.map(({ revision }) => Number(revision)), rows.map((_, index) => index + 1))
  const { rows: orphans } = await client.query('select from versions full join revisions using (revision) where versions.revision is null or change_id is null')
  t.same(orphans, [])
  await client.end()
  t.ok(first.committer.stats.changes > first.committer.stats.batches, 'several changes shared a commit')
})

t.test('concurrent merge patches of one configuration all take effect', async (t) => {
  const app = await testApp(t)
  await app.call('POST', '/applications', { name: 'a' })
  await app.call('PUT', '/configurations/a:x', {})
  const answers = await Promise.all(Array.from({ length: 60 }, async (_, n) => await app.call('PATCH', '/configurations/a:x', { values: { [`k${n}`]: n } })))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const { values, version } = (await app.call('GET', '/configurations/a:x')).json()
  t.same(values, Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`k${n}`, n])))
  t.equal(version, 61)
})
