import { Problem } from '../errors.js'
import { diff, parse, patchToJson, stringify } from '../json/index.js'
import { describeTarget, type ApplicationTarget, type ConfigurationTarget } from '../names.js'
import type { Kind } from './change.js'
import type { Read } from '../database/head.js'
import { MAX_BODY_DEPTH } from './patch.js'
import type { RevisionRepository, VersionRecord } from './repository.js'

type Target = ApplicationTarget | ConfigurationTarget

export interface RevisionService {
  /** Versions of an object, newest first; of a deleted one by its id. */
  list (kind: Kind, target: Target, page: { limit: number, before?: number }): Promise<Read<{ items: VersionRecord[], more: boolean }>>
  find (kind: Kind, target: Target, version: number): Promise<Read<VersionRecord>>
  /** What to do to the content of one version to get that of another, as JSON text of an RFC 6902 patch. */
  diff (kind: Kind, target: Target, span: { from?: number, to?: number }): Promise<Read<{ from: number, to: number, patch: string }>>
}

/** Reads the history of applications and configurations. Problems: not-found. */
export function createRevisionService ({ repository }: { repository: RevisionRepository }): RevisionService {
  async function identify (kind: Kind, target: Target): Promise<Read<{ id: string, version: number }>> {
    const { revision, value } = await repository.identify(kind, target)
    if (value === undefined) throw new Problem('not-found', `There is no ${kind} ${describeTarget(target)}.`)
    return { revision, value }
  }

  async function find (kind: Kind, target: Target, objectId: string, version: number): Promise<Read<VersionRecord>> {
    const { revision, value } = await repository.find(objectId, version)
    if (value === undefined) throw new Problem('not-found', `The ${kind} ${describeTarget(target)} has no version ${version}.`)
    return { revision, value }
  }

  return {
    async list (kind, target, page) {
      const { value: { id } } = await identify(kind, target)
      const { revision, value } = await repository.list(id, page)
      return { revision, value: { items: value.slice(0, page.limit), more: value.length > page.limit } }
    },

    async find (kind, target, version) {
      const { value: { id } } = await identify(kind, target)
      return await find(kind, target, id, version)
    },

    async diff (kind, target, span) {
      const { value: { id, version } } = await identify(kind, target)
      const to = span.to ?? version
      // Before its first version an object was nothing; so was it after it had been deleted.
      const from = span.from ?? to - 1
      const before = from === 0 ? 'null' : (await find(kind, target, id, from)).value.content ?? 'null'
      const { revision, value } = await find(kind, target, id, to)
      const [old, current] = [before, value.content ?? 'null'].map((text) => parse(text, { maxDepth: MAX_BODY_DEPTH }))
      return { revision, value: { from, to, patch: stringify(patchToJson(diff(old as never, current as never))) } }
    }
  }
}
