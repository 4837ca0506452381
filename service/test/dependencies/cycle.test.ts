import fc from 'fast-check'
import t from 'tap'
import { findCycle } from '../../src/dependencies/cycle.js'

t.test('a circle is found, is made of edges, and none is shorter', async (t) => {
  const node = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  fc.assert(fc.property(fc.array(fc.tuple(node, node), { maxLength: 14 }), (edges) => {
    const has = new Set(edges.map(([child, parent]) => `${child}${parent}`))
    // All that is reachable from "a" in n steps, one step at a time.
    let reached = new Set(['a'])
    let shortest: number | undefined
    for (let steps = 1; steps <= 7 && shortest === undefined; steps++) {
      reached = new Set(edges.filter(([child]) => reached.has(child)).map(([, parent]) => parent))
      if (reached.has('a')) shortest = steps
    }
    if (shortest === undefined) {
      t.equal(findCycle(edges, 'a'), undefined)
      return
    }
    const cycle = findCycle(edges, 'a') ?? []
    t.equal(cycle.length - 1, shortest)
    t.equal(cycle[0], 'a')
    t.equal(cycle.at(-1), 'a')
    t.ok(cycle.slice(1).every((parent, index) => has.has(`${cycle[index] ?? ''}${parent}`)))
  }))
})
