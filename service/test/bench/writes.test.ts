import t from 'tap'
import { percentile, median } from '../../bench/figures.js'
import { number, numbers, readOptions, words } from '../../bench/options.js'
import { costs, functionNames, partNames, timesByNode, type Profile } from '../../bench/profile.js'
import { summarize } from '../../bench/writes/report.js'
import type { Slice } from '../../bench/writes/slice.js'
import { faultsOfRevisions, faultsOfWrites } from '../../bench/writes/verify.js'

t.test('medians and percentiles', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.equal(percentile([1, 2, 3, 4], 0.5), 2)
  t.equal(percentile([1, 2, 3, 4], 0.99), 4)
  t.equal(percentile([1], 0.5), 1)
})

t.test('options are read, and refused with their name', async t => {
  const options = { rounds: number(2, { min: 1, max: 9 }, ''), connections: numbers([1, 8], { min: 1, max: 64 }, ''), ways: words(['a', 'b'], '') }
  t.same(readOptions(options, []), { rounds: 2, connections: [1, 8], ways: ['a', 'b'] })
  t.same(readOptions(options, ['--rounds', '3', '--connections=64', '--ways', 'b']), { rounds: 3, connections: [64], ways: ['b'] })
  for (const args of [['--rounds', '0'], ['--rounds', 'x'], ['--connections', '1,'], ['--ways', 'c'], ['--what', '1'], ['rest']]) {
    t.throws(() => readOptions(options, args), { name: 'OptionFault' }, args.join(' '))
  }
})

t.test('ratios are those of the same round', async t => {
  const slice = (round: number, way: Slice['way'], writesPerSecond: number): Slice =>
    ({ round, way, connections: 8, writesPerSecond, p50Ms: 1, p99Ms: 2, writesPerCommit: 4, cpu: { service: 1, database: 1, client: 1 } })
  const [batched] = summarize([slice(1, 'batched', 1000), slice(1, 'naive', 100), slice(2, 'batched', 400), slice(2, 'naive', 20)])
  t.match(batched, { way: 'batched', timesNaive: 15, writesPerSecond: { median: 700, min: 400, max: 1000 } })
})

t.test('writes that are missing and revisions with gaps are found', async t => {
  t.same(faultsOfWrites(new Map([['a', 2], ['b', 3]]), [{ name: 'a', revision: 2 }, { name: 'b', revision: 3 }]), [])
  t.equal(faultsOfWrites(new Map([['a', 2]]), [{ name: 'a', revision: 3 }]).length, 1)
  t.equal(faultsOfWrites(new Map(), [{ name: 'a', revision: 3 }]).length, 1)
  t.equal(faultsOfWrites(new Map([['a', 2], ['b', 2]]), [{ name: 'a', revision: 2 }, { name: 'b', revision: 2 }]).length, 1)
  t.same(faultsOfRevisions({ head: 3, first: 1, last: 3, count: 3 }), [])
  t.equal(faultsOfRevisions({ head: 3, first: 1, last: 4, count: 3 }).length, 1)
  t.equal(faultsOfRevisions({ head: 2, first: 1, last: 3, count: 3 }).length, 1)
})

t.test('a profile is summed up by function and by part', async t => {
  const node = (id: number, functionName: string, url: string, children: number[] = []): Profile['nodes'][number] =>
    ({ id, callFrame: { functionName, url, lineNumber: 0 }, children })
  const profile: Profile = {
    nodes: [
      node(1, '(root)', '', [2, 5]),
      node(2, 'own', 'file:///repo/src/a.js', [3]),
      node(3, 'send', 'file:///repo/node_modules/@scope/pack/index.js', [4]),
      node(4, 'writev', ''),
      node(5, '(idle)', '')
    ],
    samples: [2, 3, 4, 5],
    timeDeltas: [0, 1000, 2000, 3000],
    startTime: 10_000
  }
  const times = timesByNode(profile)
  t.same(costs(times, functionNames(profile, '/repo')).map(({ name, ms }) => [name, ms]), [
    ['writev', 3], ['send node_modules/@scope/pack/index.js:1', 2], ['own src/a.js:1', 1], ['(idle)', 0]
  ])
  t.same(costs(times, partNames(profile, '/repo')).map(({ name, ms }) => [name, ms]), [['@scope/pack', 5], ['src/a.js', 1], ['(idle)', 0]])
  t.same([...timesByNode(profile, 11_000, 13_000).keys()], [3], 'only what lies between two moments')
})
