import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { collectorFolder } from '../support/collector.js'

const read = (...parts: string[]): string => readFileSync(path.join(collectorFolder, ...parts), 'utf8')
const configs = ['config.yaml', ...readdirSync(path.join(collectorFolder, 'destinations')).map((name) => path.join('destinations', name))]

/** Variable → its defaults, as the configurations write them. */
function used (): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>()
  for (const config of configs) {
    for (const [, name = '', fallback = ''] of read(config).matchAll(/\$\{env:([A-Z0-9_]+)(?::-([^}]*))?}/g)) all.set(name, (all.get(name) ?? new Set()).add(fallback))
  }
  return all
}

/** Variable → its default, as the tables of the README have it; "none" is the empty one. */
function documented (): Map<string, string> {
  const rows = [...read('README.md').matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|none) \|/gm)]
  t.equal(new Set(rows.map(([, name]) => name)).size, rows.length, 'no variable has two rows')
  return new Map(rows.map(([, name = '', fallback = '']) => [name, fallback]))
}

t.test('every variable has a row in the README with its default, and every row has a variable', async (t) => {
  const variables = used()
  t.ok(variables.size > 30)
  t.strictSame(Object.fromEntries([...documented()].sort()), Object.fromEntries([...variables].map(([name, defaults]) => [name, [...defaults].join(' or ')]).sort()))
})

t.test('every variable has a default, so that the sidecar starts without any', async (t) => {
  for (const config of configs) t.notMatch(read(config), /\$\{env:[A-Z0-9_]+}|\$\{(?!env:)/, config)
})

t.test('every destination that has a queue has the same one', async (t) => {
  const queues = configs.flatMap((config) => [...read(config).matchAll(/ {4}sending_queue:[\s\S]*?max_elapsed_time: .*/g)].map(([queue]) => queue))
  t.equal(queues.length, 5)
  t.equal(new Set(queues).size, 1)
})
