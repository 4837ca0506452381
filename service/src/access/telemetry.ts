import { observeQueries } from '../telemetry/observe-queries.js'
import type { TokenRepository } from './repository.js'

export function observedTokenRepository (repository: TokenRepository): TokenRepository {
  return observeQueries(repository, {
    version: 'quiet',
    all: 'quiet',
    insert: ['tokens.insert', 'INSERT', 'tokens', (made) => made === undefined ? 0 : 1],
    revoke: ['tokens.revoke', 'UPDATE', 'tokens', (revoked) => revoked ? 1 : 0]
  })
}
