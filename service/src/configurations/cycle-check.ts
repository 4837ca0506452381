import { findCycle } from '../dependencies/cycle.js'
import type { ConfigurationTarget } from '../names.js'
import { circular } from '../revisions/refusals.js'
import type { ConfigurationRepository } from './repository.js'

/**
 * Makes sure that a configuration may extend others. It looks at what is there now; the commit looks again under
 * its lock, since others may close a circle meanwhile.
 * @throws Problem circular-dependency
 */
export type CycleCheck = (target: ConfigurationTarget, parents: readonly ConfigurationTarget[], only: readonly string[] | undefined) => Promise<void>

export function createCycleCheck (repository: Pick<ConfigurationRepository, 'ancestors'>): CycleCheck {
  return async (target, parents, only) => {
    const { value: { self, edges } } = await repository.ancestors(target, parents)
    const cycle = self === undefined ? undefined : findCycle(edges, self)
    if (cycle !== undefined) throw circular(cycle, only)
  }
}
