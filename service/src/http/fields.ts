import { Type, type TOptional, type TUnknown } from 'typebox'
import { NAME_PATTERN } from '../names.js'

/** Parts of request and answer schemas that several features share. `rule` is what a fault of it says. */

export const Name = Type.String({
  pattern: `(?!^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$)${NAME_PATTERN}`,
  rule: 'must be 1 to 63 of a-z 0-9 . _ - starting with a letter or digit, and not of the form of a UUID',
  examples: ['billing']
})

const LABEL_KEY = '^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$'

export const Labels = Type.Record(Type.String({ pattern: LABEL_KEY }), Type.String({ maxLength: 256 }), {
  additionalProperties: false,
  maxProperties: 64,
  default: {},
  description: 'Up to 64 labels; keys have 1 to 128 of A-Z a-z 0-9 . _ / -, values up to 256 characters'
})

export const NextCursor = Type.Union([Type.String(), Type.Null()], { description: 'Pass as cursor for the next page; null on the last one' })

/** What every object carries. */
export const objectFields = {
  version: Type.Integer({ minimum: 1 }),
  revision: Type.Integer({ minimum: 1, description: 'Of the change that made this version' }),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
  updated_by: Type.String()
}

/** Fields that a body may carry, because a GET shows them, and that are ignored in it. */
export function ServerSet<N extends string> (...names: N[]): Record<N, TOptional<TUnknown>> {
  return Object.fromEntries(names.map((name) => [name, Type.Optional(Type.Unknown({ description: 'Set by the server; ignored here' }))])) as Record<N, TOptional<TUnknown>>
}

export const IdParams = Type.Object({ id: Type.String({ description: 'An id, or the name: an application\'s, or application:configuration' }) })

export const ListQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
  cursor: Type.Optional(Type.String({ maxLength: 1000, description: 'next_cursor of the page before' }))
}

export const LabelQuery = Type.Optional(Type.Array(Type.String({ maxLength: 400, pattern: '^[^\\u0000]+$', rule: 'must be k=v or k, without null characters' }), { maxItems: 20, description: 'k=v or k; repeatable, all must hold' }))

export const NamePrefix = Type.Optional(Type.String({ pattern: '^[a-z0-9._-]{0,63}$', rule: 'must be the beginning of a name', description: 'Only names that begin so' }))
