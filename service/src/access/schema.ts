import { Type, type Static } from 'typebox'
import { Name, NextCursor } from '../http/fields.js'

export const Role = Type.Enum(['reader', 'editor', 'admin'], { description: 'reader: reads and reports; editor: also changes configurations; admin: everything' })

export const CreateToken = Type.Object({
  name: Name,
  role: Role,
  application: Type.Optional(Type.String({ minLength: 1, description: 'Name or id of the only application it is for; all without it' })),
  expires_at: Type.Optional(Type.String({ format: 'date-time', description: 'From when on it is refused; never without it' }))
}, { additionalProperties: false, examples: [{ name: 'billing-deploy', role: 'editor', application: 'billing' }] })

export const Token = Type.Object({
  id: Type.String(),
  name: Name,
  role: Role,
  application_id: Type.Union([Type.String({ format: 'uuid' }), Type.Null()]),
  created_at: Type.String({ format: 'date-time' }),
  created_by: Type.String(),
  expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()])
})

export const CreatedToken = Type.Interface([Token], { token: Type.String({ description: 'Shown this once', examples: ['cfg_9f86d081884c7d65_…'] }) }, { $id: 'CreatedToken' })
export const TokenList = Type.Object({ items: Type.Array(Token), next_cursor: NextCursor })

export type TokenBody = Static<typeof CreateToken>

/** A token as the database has it. */
export interface TokenRecord {
  id: string
  name: string
  role: 'reader' | 'editor' | 'admin'
  application_id: string | null
  secret_hash: Buffer
  created_at: Date
  created_by: string
  expires_at: Date | null
}

/** What everybody who may may see of it. */
export function tokenView ({ secret_hash: _, ...token }: TokenRecord): Omit<TokenRecord, 'secret_hash'> {
  return token
}
