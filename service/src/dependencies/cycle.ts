/** The shortest circle through `start`: `[start, …, start]`; nothing when there is none. `edges` are pairs [child, parent]. */
export function findCycle (edges: ReadonlyArray<readonly [string, string]>, start: string): string[] | undefined {
  const parents = new Map<string, string[]>()
  for (const [child, parent] of edges) {
    const known = parents.get(child)
    if (known === undefined) parents.set(child, [parent])
    else known.push(parent)
  }
  // Breadth first; `cameFrom` says how each configuration was first reached.
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let at = 0; at < queue.length; at++) {
    const child = queue[at] as string
    for (const parent of parents.get(child) ?? []) {
      if (parent === start) {
        const path = [start]
        for (let step: string | undefined = child; step !== undefined && step !== start; step = cameFrom.get(step)) path.push(step)
        return [...path, start].reverse()
      }
      if (!cameFrom.has(parent)) {
        cameFrom.set(parent, child)
        queue.push(parent)
      }
    }
  }
  return undefined
}
