import { malformed, Problem } from '../errors.js'
import { parseApplicationTarget, type ApplicationTarget } from '../names.js'
import type { Directory } from './directory.js'
import type { TokenRepository } from './repository.js'
import type { TokenBody, TokenRecord } from './schema.js'
import { makeToken } from './token.js'

export interface TokenService {
  /** The token itself is in the result, and nowhere else ever again. */
  create (body: TokenBody, author: string): Promise<TokenRecord & { token: string }>
  list (page: { limit: number, after?: string }): Promise<{ items: TokenRecord[], more: boolean }>
  revoke (id: string): Promise<void>
}

/** Tokens. Problems: name-taken, unknown-reference, not-found, database-unavailable. */
export function createTokenService ({ repository, directory, applicationOf }: {
  repository: TokenRepository
  directory: Directory
  applicationOf: (target: ApplicationTarget) => Promise<string | undefined>
}): TokenService {
  return {
    async create ({ name, role, application, expires_at: expiresAt }, author) {
      const expires = expiresAt === undefined ? null : new Date(expiresAt)
      if (expires !== null && !(expires.getTime() > Date.now())) throw malformed([{ in: 'body', path: '/expires_at', message: 'is over already, or no time at all' }])
      const target = application === undefined ? undefined : parseApplicationTarget(application)
      const applicationId = target === undefined ? null : await applicationOf(target) ?? null
      if (application !== undefined && applicationId === null) {
        throw new Problem('unknown-reference', 'body /application: there is no such application', { faults: [{ in: 'body', path: '/application', message: 'there is no such application' }] })
      }
      const { id, token, hash } = makeToken()
      const made = await repository.insert({ id, name, role, application_id: applicationId, secret_hash: hash, created_by: author, expires_at: expires })
      if (made === undefined) throw new Problem('name-taken', `There is, or was, a token with the name ${name}; names are not given again.`)
      await directory.refresh()
      return { ...made, token }
    },

    async list ({ limit, after = '' }) {
      const { tokens } = await repository.all()
      const items = tokens.filter(({ name }) => name > after).sort((a, b) => a.name < b.name ? -1 : 1)
      return { items: items.slice(0, limit), more: items.length > limit }
    },

    async revoke (id) {
      if (!await repository.revoke(id)) throw new Problem('not-found', `There is no token ${id}.`)
      await directory.refresh()
    }
  }
}
