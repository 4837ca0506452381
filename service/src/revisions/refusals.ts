import { Problem, type Fault } from '../errors.js'
import { findCycle } from '../dependencies/cycle.js'
import type { ChangeRequest, ChangeResult } from './change.js'

/** What a refused change tells its author: the reason of commit_changes() as a problem of the table. */
export function refusal (request: ChangeRequest, result: ChangeResult, only?: readonly string[]): Problem {
  const detail = result.detail === null ? undefined : JSON.parse(result.detail) as Record<string, unknown>
  const what = describe(request)
  switch (result.reason) {
    case 'not-found': return new Problem('not-found', `There is no ${what}.`)
    case 'no-application': return new Problem('not-found', `There is no application ${request.target_application ?? ''}.`)
    case 'deleted': return new Problem('deleted', `The ${what} has been deleted.`)
    case 'name-taken': return new Problem('name-taken', `The name ${request.name ?? request.target_name ?? request.target_application ?? ''} is taken.`)
    case 'stale-version': {
      const current = detail?.current_version ?? null
      return staleVersion(current as number | null)
    }
    case 'dependents-exist':
      return new Problem('dependents-exist', `The ${what} is extended by others: ${String(detail?.dependents_count)}.`, { members: { ...detail, dependents: seenBy(only, request.target_application, (detail?.dependents ?? []) as Dependent[]) } })
    case 'application-not-empty':
      return new Problem('application-not-empty', `The ${what} still owns configurations: ${String(detail?.configurations_count)}.`, { members: { ...detail } })
    case 'circular-dependency': {
      const { self, edges } = detail as unknown as { self: string, edges: Array<[string, string]> }
      return circular(findCycle(edges, self) ?? [self], only)
    }
    case 'unknown-application':
      return unknownReference([{ in: 'body', path: request.target_id === undefined ? '/application' : '/application_id', message: 'there is no such application' }])
    case 'unknown-parents':
      return unknownReference((detail as unknown as number[]).map((index) => ({ in: 'body', path: `/extends/${index}`, message: 'there is no such configuration' })))
    case 'repeated-parents': return invalid('/extends', 'names the same configuration more than once')
    case 'too-many-ancestors': return invalid('/extends', 'brings more than 1,000 ancestors')
    case 'name-differs': return invalid('/name', 'differs from the name in the path, where nothing exists that could be renamed')
    case 'application-differs': return invalid(request.application_name === undefined ? '/application_id' : '/application', 'names another application; a configuration cannot be moved')
    case 'idempotency-key-reused':
      return keyReused()
    default: throw new Error(`a change was refused for a reason without a problem: ${String(result.reason)}`)
  }
}

/** The precondition does not hold; `current` is the version there is, null when there is nothing. */
export function staleVersion (current: number | null): Problem {
  const detail = current === null ? 'It does not exist.' : `It has version ${current}.`
  return new Problem('stale-version', detail, { members: { current_version: current } })
}

interface Dependent { reference: string }

// Who is limited to some applications sees those of the application that the request names; the count says how many there are.
function seenBy (only: readonly string[] | undefined, application: string | undefined, dependents: Dependent[]): Dependent[] {
  return only === undefined ? dependents : dependents.filter(({ reference }) => application !== undefined && reference.startsWith(`${application}:`))
}

/** The circle spelled out; for who is limited to some applications, without the names of other applications. */
export function circular (whole: readonly string[], only?: readonly string[]): Problem {
  const [application] = whole[0]?.split(':') ?? []
  const cycle = only === undefined ? whole : whole.map((reference) => reference.startsWith(`${application ?? ''}:`) ? reference : '(of another application)')
  return new Problem('circular-dependency', `${cycle.join(' extends ')}.`, { members: { cycle } })
}

export function keyReused (): Problem {
  return new Problem('idempotency-key-reused', 'The Idempotency-Key was used for another request within 24 hours.', { faults: [{ in: 'header', path: 'idempotency-key', message: 'was used for another request' }] })
}

function invalid (path: string, message: string): Problem {
  return new Problem('invalid-values', `body ${path}: ${message}`, { faults: [{ in: 'body', path, message }] })
}

function unknownReference (faults: Fault[]): Problem {
  return new Problem('unknown-reference', `body ${faults[0]?.path ?? ''}: ${faults[0]?.message ?? ''}`, { faults })
}

function describe (request: ChangeRequest): string {
  const name = request.target_id ?? [request.target_application, request.target_name].filter((part) => part !== undefined).join(':')
  return `${request.kind} ${name}`
}
