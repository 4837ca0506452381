import { Problem, type Fault } from '../errors.js'
import type { ConfigurationTarget } from '../names.js'
import type { ConfigurationRepository } from './repository.js'
import type { ConfigurationInput } from './schema.js'

export interface Extension {
  /** What is to extend; nothing when it is new. */
  target: ConfigurationTarget | undefined
  input: ConfigurationInput
  /** Ids of the only applications that the author may see; all where it is undefined. */
  only: readonly string[] | undefined
}

/**
 * Makes sure that the author may see what is to be extended, and that another application shares it; what is
 * extended already stays. What the author may not see is as if it were not there. The ids that were found are
 * what is committed: a name that comes to stand for something else meanwhile gets nobody anywhere.
 * @throws Problem unknown-reference, invalid-values
 */
export type ExtendCheck = (extension: Extension) => Promise<ConfigurationInput>

export function createExtendCheck (repository: Pick<ConfigurationRepository, 'parents'>): ExtendCheck {
  return async ({ target, input, only }) => {
    const { value } = await repository.parents(target, input.application, input.parents)
    const seen = new Map(value.filter((parent) => parent.extended || only?.includes(parent.application_id) !== false).map((parent) => [parent.index, parent]))
    const unseen = input.parents.flatMap((_parent, index): Fault[] => seen.has(index) ? [] : [fault(index, 'there is no such configuration')])
    if (unseen.length > 0) throw refused('unknown-reference', unseen)
    const unshared = [...seen.values()].filter(({ own, shared, extended }) => !own && !shared && !extended)
      .map(({ index, application }) => fault(index, `belongs to the application ${application}, which is not shared (visibility)`))
    if (unshared.length > 0) throw refused('invalid-values', unshared)
    return { ...input, parents: input.parents.map((parent, index) => ({ id: seen.get(index)?.id ?? String(parent) })) }
  }
}

function fault (index: number, message: string): Fault {
  return { in: 'body', path: `/extends/${index}`, message }
}

function refused (slug: 'unknown-reference' | 'invalid-values', faults: Fault[]): Problem {
  return new Problem(slug, `body ${faults[0]?.path ?? ''}: ${faults[0]?.message ?? ''}`, { faults })
}
