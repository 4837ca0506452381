import { randomUUID } from 'node:crypto'
import { ConnectionLost, openConnection, requestText, type Answer, type Connection } from '../connection.js'
import type { History } from './history.js'
import { isAlive, type Attempt, type ConfigurationValues, type KnownVersion, type Operation, type Tracked, type Writer } from './model.js'

export const APPLICATION = 'faults'

export interface WriterCounts { acknowledged: number, unknown: number, refused: number }

/**
 * Writes, one request after the other, until told to stop or until the outcome of a request is not known. Every answer
 * and every unknown outcome goes to the model and to the history.
 */
export async function write (writer: Writer, options: { port: number, round: number, history: History, stopped: () => boolean }): Promise<WriterCounts> {
  const { port, round, history, stopped } = options
  const counts = { acknowledged: 0, unknown: 0, refused: 0 }
  let connection: Connection
  try {
    connection = await openConnection(port)
  } catch {
    return counts
  }
  while (!stopped()) {
    const { object, attempt } = nextAttempt(writer)
    const outcome = await send(connection, attempt)
    const line = { writer: writer.number, reference: object.reference, id: object.id, operation: attempt.operation, key: attempt.key, values: attempt.values }
    if (outcome.what === 'stored') {
      counts.acknowledged += 1
      if (outcome.id !== undefined) object.id = outcome.id
      if (attempt.key !== undefined) object.creation = { request: attempt.request, round }
      const known: KnownVersion = { version: outcome.version ?? lastVersion(object) + 1, revision: outcome.revision, operation: attempt.operation, values: attempt.values, round }
      history.record(round, { type: 'acknowledged', ...line, id: object.id, version: known.version, revision: known.revision })
      if (known.version !== lastVersion(object) + 1) history.violation(round, 'an answer with a version that is not the next', object, known)
      if (outcome.header !== outcome.revision) history.violation(round, 'an answer whose header has another revision than its body', known, outcome)
      object.versions.push(known)
    } else if (outcome.what === 'refused') {
      counts.refused += 1
      history.record(round, { type: 'refused', ...line, status: outcome.status, body: outcome.body })
      // Nothing was stored, the service says: it is held to that. Anything but a 503 nobody has asked for.
      if (outcome.status !== 503) history.violation(round, 'an answer that should not be', line, outcome)
      if (attempt.operation === 'create') writer.objects.pop()
    } else {
      counts.unknown += 1
      object.unknown = attempt
      history.record(round, { type: 'unknown', ...line, reason: outcome.reason })
      break
    }
  }
  connection.close()
  return counts
}

type Outcome =
  | { what: 'stored', id?: string, version?: number, revision: number, header: number }
  | { what: 'refused', status: number, body: string }
  | { what: 'unknown', reason: string }

async function send (connection: Connection, { request }: Attempt): Promise<Outcome> {
  let answer: Answer
  try {
    answer = await connection.send(request)
  } catch (error) {
    if (error instanceof ConnectionLost) return { what: 'unknown', reason: error.message }
    throw error
  }
  const body = answer.body.toString()
  if (answer.status !== 200 && answer.status !== 201) {
    const unknown = body.includes('/problems/outcome-unknown')
    return unknown ? { what: 'unknown', reason: body } : { what: 'refused', status: answer.status, body }
  }
  const { id, version, revision } = JSON.parse(body) as { id?: string, version?: number, revision: number }
  return { what: 'stored', revision, header: answer.revision, ...(id === undefined ? {} : { id }), ...(version === undefined ? {} : { version }) }
}

const OPERATIONS: ReadonlyArray<[Operation, number]> = [['create', 30], ['put', 25], ['patch', 25], ['rollback', 12], ['delete', 8]]

function nextAttempt (writer: Writer): { object: Tracked, attempt: Attempt } {
  const alive = writer.objects.filter(isAlive)
  const object = alive[Math.floor(Math.random() * alive.length)]
  const operation = pick(OPERATIONS)
  if (object === undefined || operation === 'create') return create(writer)
  return { object, attempt: change(writer, object, operation) }
}

function create (writer: Writer): { object: Tracked, attempt: Attempt } {
  const values = freshValues(writer)
  const name = `w${writer.number}-${writer.counter}`
  const object: Tracked = { reference: `${APPLICATION}:${name}`, versions: [] }
  writer.objects.push(object)
  const body = JSON.stringify({ application: APPLICATION, name, values })
  const key = Math.random() < 0.5 ? randomUUID() : undefined
  const request = requestText('POST', '/api/v1/configurations', body, key === undefined ? [] : [`idempotency-key: ${key}`])
  return { object, attempt: { operation: 'create', values, request, ...(key === undefined ? {} : { key }) } }
}

function change (writer: Writer, object: Tracked, operation: Operation): Attempt {
  const path = `/api/v1/configurations/${Math.random() < 0.5 ? object.id : object.reference}`
  const current = object.versions.at(-1)?.values ?? {}
  switch (operation) {
    case 'delete':
      return { operation, values: null, request: requestText('DELETE', path) }
    case 'rollback': {
      // Going back to what is there already would change nothing and make no version.
      const earlier = object.versions.filter(({ values }) => values !== null && values.n !== current.n)
      const target = earlier[Math.floor(Math.random() * earlier.length)]
      if (target === undefined) return change(writer, object, 'put')
      return { operation, values: target.values, request: requestText('POST', `${path}/rollback`, JSON.stringify({ version: target.version })) }
    }
    case 'patch': {
      const merge = { n: ++writer.counter, patched: { by: writer.number } }
      return { operation, values: { ...current, ...merge }, request: requestText('PATCH', path, JSON.stringify({ values: merge })) }
    }
    default: {
      const values = freshValues(writer)
      return { operation: 'put', values, request: requestText('PUT', path, JSON.stringify({ values })) }
    }
  }
}

function freshValues (writer: Writer): ConfigurationValues {
  return { n: ++writer.counter, writer: writer.number, text: randomUUID() }
}

function lastVersion ({ versions }: Tracked): number {
  return versions.at(-1)?.version ?? 0
}

function pick<T> (weighted: ReadonlyArray<[T, number]>): T {
  let rest = Math.random() * weighted.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [one, weight] of weighted) {
    rest -= weight
    if (rest < 0) return one
  }
  return (weighted[0] as [T, number])[0]
}
