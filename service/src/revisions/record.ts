import { object, scalar, stringify } from '../json/index.js'

/** What the database says of every object; `content` is the JSON text of what can be written. */
export interface ObjectRecord {
  id: string
  content: string
  version: number
  revision: number
  created_at: Date
  updated_at: Date
  updated_by: string
}

/**
 * The JSON text of an object, as every answer shows it: the members that name it (JSON without braces), its
 * content, and what the server sets.
 */
export function objectText (names: string, record: ObjectRecord): string {
  const { content, version, revision, created_at: createdAt, updated_at: updatedAt, updated_by: updatedBy } = record
  return `{"id":"${record.id}",${names}${content.slice(1, -1)},"version":${version},"revision":${revision},"created_at":"${createdAt.toISOString()}","updated_at":"${updatedAt.toISOString()}","updated_by":${JSON.stringify(updatedBy)}}`
}

/** JSON text of labels. They are a set: their order means nothing, so they are kept sorted. */
export function labelsText (labels: Record<string, string> = {}): string {
  const node = object({})
  for (const [key, value] of Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1)) node.set(key, scalar(value))
  return stringify(node)
}
