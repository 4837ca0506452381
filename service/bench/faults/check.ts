import { isDeepStrictEqual } from 'node:util'
import { openConnection, requestText, type Connection } from '../connection.js'
import type { History } from './history.js'
import { STORED_AS, type Attempt, type ConfigurationValues, type KnownVersion, type Tracked, type Writer } from './model.js'

/** A version of a configuration as the service tells it. */
interface ToldVersion { version: number, revision: number, operation: string, content?: { values: ConfigurationValues } | null }
interface ToldConfiguration { id: string, version: number, revision: number, values: ConfigurationValues }

export interface Checked {
  /** Requests of unknown outcome that turned out to be stored, and not. */
  found: number
  lost: number
  /** Versions that were read back. */
  versions: number
}

/**
 * Settles through the interface what became of a writer's unknown request, and reads back what it was told this round.
 * Afterwards the model is what the service has to have.
 */
export async function checkWriter (writer: Writer, { port, round, history }: { port: number, round: number, history: History }): Promise<Checked> {
  const connection = await openConnection(port)
  const checked = { found: 0, lost: 0, versions: 0 }
  const read = async <T>(path: string): Promise<{ status: number, value: T }> => await receive(connection, requestText('GET', path))

  async function settle (object: Tracked, attempt: Attempt): Promise<boolean> {
    if (attempt.operation === 'create' && attempt.key !== undefined) return await sendAgain(object, attempt)
    const stored = attempt.operation === 'create' ? await adoptCreation(object) : await adoptChange(object, attempt)
    checked[stored ? 'found' : 'lost'] += 1
    return stored
  }

  /** The promise of the key: whether or not the first was stored, there is one object, and all answers are the same. */
  async function sendAgain (object: Tracked, attempt: Attempt): Promise<boolean> {
    const first = await receive<ToldConfiguration>(connection, attempt.request)
    const second = await receive<ToldConfiguration>(connection, attempt.request)
    if (first.status !== 201 || !isDeepStrictEqual(first, second)) {
      history.violation(round, 'a request with Idempotency-Key that was sent again was not answered the same way twice', object.reference, attempt, first, second)
    }
    if (first.status !== 201) return false
    object.creation = { request: attempt.request, round }
    adopt(object, first.value.id, { version: first.value.version, revision: first.value.revision, operation: 'create', values: attempt.values, round })
    return true
  }

  async function adoptCreation (object: Tracked): Promise<boolean> {
    const { status, value } = await read<ToldConfiguration>(`/api/v1/configurations/${object.reference}`)
    if (status !== 200) return false
    adopt(object, value.id, { version: 1, revision: value.revision, operation: 'create', values: object.unknown?.values ?? null, round })
    return true
  }

  async function adoptChange (object: Tracked, attempt: Attempt): Promise<boolean> {
    const version = (object.versions.at(-1)?.version ?? 0) + 1
    const { status, value } = await read<ToldVersion>(`/api/v1/configurations/${object.id}/versions/${version}`)
    if (status !== 200) return false
    adopt(object, object.id ?? '', { version, revision: value.revision, operation: attempt.operation, values: attempt.values, round })
    return true
  }

  function adopt (object: Tracked, id: string, version: KnownVersion): void {
    object.id = id
    object.versions.push(version)
    history.record(round, { type: 'found', reference: object.reference, id, ...version })
  }

  async function readBack (object: Tracked): Promise<void> {
    const path = `/api/v1/configurations/${object.id}`
    const told = await versionsOf(path)
    const known = object.versions.toReversed().map(({ version, revision, operation }) => ({ version, revision, operation: STORED_AS[operation] }))
    if (!isDeepStrictEqual(told.map(({ version, revision, operation }) => ({ version, revision, operation })), known)) {
      history.violation(round, 'the versions of a configuration are not those that were acknowledged', object.reference, { acknowledged: known }, { told })
    }
    for (const version of object.versions.filter((one) => one.round === round)) {
      checked.versions += 1
      const { status, value } = await read<ToldVersion>(`${path}/versions/${version.version}`)
      const values = value.content === null ? null : value.content?.values
      if (status !== 200 || value.revision !== version.revision || !isDeepStrictEqual(values, version.values)) {
        history.violation(round, 'an acknowledged version is not there, or is another', object.reference, { acknowledged: version }, { status, value })
      }
    }
    const last = object.versions.at(-1)
    const { status, value } = await read<ToldConfiguration>(path)
    const asDeleted = last?.values === null && status === 410
    const asStored = status === 200 && value.version === last?.version && value.revision === last.revision && isDeepStrictEqual(value.values, last.values)
    if (!asDeleted && !asStored) history.violation(round, 'the state of a configuration is not that of its last acknowledged version', object.reference, { acknowledged: last }, { status, value })
  }

  async function versionsOf (path: string): Promise<ToldVersion[]> {
    const all: ToldVersion[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { status, value }: { status: number, value: { items: ToldVersion[], next_cursor: string | null } } =
        await read(`${path}/versions?limit=100${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      if (status !== 200) break
      all.push(...value.items)
      cursor = value.next_cursor
    }
    return all
  }

  /** An acknowledged creation that is sent again after the restart answers as it did before. */
  async function repeat (object: Tracked, request: string): Promise<void> {
    const { status, value } = await receive<ToldConfiguration>(connection, request)
    const [first] = object.versions
    if (status !== 201 || value.id !== object.id || value.version !== 1 || value.revision !== first?.revision) {
      history.violation(round, 'a creation with Idempotency-Key that was sent again was answered otherwise', object.reference, first, { status, value })
    }
  }

  try {
    for (const object of [...writer.objects]) {
      const attempt = object.unknown
      if (attempt === undefined) continue
      const stored = await settle(object, attempt)
      if (!stored) history.record(round, { type: 'not stored', reference: object.reference, operation: attempt.operation })
      delete object.unknown
      if (object.versions.length === 0) writer.objects.splice(writer.objects.indexOf(object), 1)
    }
    const touched = writer.objects.filter(({ versions }) => versions.at(-1)?.round === round)
    for (const object of touched) await readBack(object)
    const repeatable = touched.filter(({ creation }) => creation?.round === round).slice(-MOST_REPEATED)
    for (const object of repeatable) await repeat(object, object.creation?.request ?? '')
    return checked
  } finally {
    connection.close()
  }
}

const MOST_REPEATED = 5

async function receive<T> (connection: Connection, request: string): Promise<{ status: number, value: T }> {
  const { status, body } = await connection.send(request)
  return { status, value: JSON.parse(body.toString()) as T }
}
