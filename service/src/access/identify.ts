import { Problem } from '../errors.js'
import { unauthenticated } from '../http/access.js'
import type { Caller } from '../http/caller.js'
import type { Directory } from './directory.js'
import type { JwtCheck } from './jwt.js'
import { hashOf, parseToken, sameHash } from './token.js'

// So that a token with an unknown id takes as long to refuse as one with a wrong secret.
const NO_HASH = hashOf('')

/**
 * Who makes a request, by its Authorization header: a token of ours, the bootstrap token, or a JWT. Nothing
 * without the header.
 * @throws Problem unauthenticated; database-unavailable while the tokens have not been read yet
 */
export function createIdentify ({ directory, adminToken, jwt, now = Date.now }: {
  directory: Directory
  adminToken: string | undefined
  jwt: JwtCheck | undefined
  now?: () => number
}): (authorization: string | undefined) => Promise<Caller> | Caller | undefined {
  const adminHash = adminToken === undefined ? undefined : hashOf(adminToken)

  return (authorization) => {
    if (authorization === undefined) return undefined
    const [, credential] = /^bearer +(\S+) *$/i.exec(authorization) ?? []
    if (credential === undefined) throw unauthenticated('Authorization must be Bearer and a token.')
    if (adminHash !== undefined && sameHash(hashOf(credential), adminHash)) return { id: 'bootstrap', role: 'admin', applications: undefined }
    const token = parseToken(credential)
    if (token !== undefined) return ofToken(token)
    if (jwt !== undefined && credential.split('.').length === 3) return jwt(credential)
    throw unauthenticated('The token is not valid.')
  }

  function ofToken ({ id, hash }: { id: string, hash: Buffer }): Caller {
    if (!directory.isLoaded()) throw new Problem('database-unavailable', 'The tokens have not been read yet.')
    const record = directory.find(id)
    const same = sameHash(hash, record?.secret_hash ?? NO_HASH)
    if (record === undefined || !same) throw unauthenticated('The token is not valid.')
    if (record.expires_at !== null && record.expires_at.getTime() <= now()) throw unauthenticated('The token has expired.')
    return { id: `token:${record.name}`, role: record.role, applications: record.application_id === null ? undefined : [record.application_id] }
  }
}
