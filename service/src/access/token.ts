import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

// cfg_<id>_<secret>: the id finds the row, the secret has 256 bits.
const TOKEN = /^cfg_([a-z0-9]{16})_([A-Za-z0-9_-]{43})$/

export interface NewToken { id: string, token: string, hash: Buffer }

export function makeToken (): NewToken {
  const id = randomBytes(8).toString('hex')
  const secret = randomBytes(32).toString('base64url')
  return { id, token: `cfg_${id}_${secret}`, hash: hashOf(secret) }
}

/** The parts of a token of ours; nothing when it is none. */
export function parseToken (token: string): { id: string, hash: Buffer } | undefined {
  const [, id, secret] = TOKEN.exec(token) ?? []
  return id === undefined || secret === undefined ? undefined : { id, hash: hashOf(secret) }
}

export function hashOf (secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** In a time that does not tell how much of it is right. */
export function sameHash (one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
