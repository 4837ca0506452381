import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { Problem } from '../errors.js'
import { unauthenticated } from '../http/access.js'
import type { Caller } from '../http/caller.js'
import { quiet } from '../telemetry/quiet.js'

/** @throws Problem unauthenticated, forbidden */
export type JwtCheck = (token: string) => Promise<Caller>

export interface JwtOptions {
  jwksUrl: string
  issuer: string
  audience: string
  /** Claim with the role; dots lead into objects. */
  roleClaim: string
  /** Claim with the names or ids of applications; without it a JWT is for all. */
  applicationsClaim: string | undefined
  /** Id of an application by name or id. */
  applicationOf: (nameOrId: string) => Promise<string | undefined>
}

const REFRESH_MS = 600_000
const SKEW_S = 60
// A checked token is not checked again for so long; what it may do is as old as that at most.
const REMEMBER_MS = 30_000
const REMEMBERED = 10_000
// eslint-disable-next-line no-control-regex
const SUBJECT = /^[^\u0000-\u001f\u007f-\u009f]{1,255}$/
const RESERVED = /^(?:token:.*|bootstrap|anonymous)$/
const MAX_APPLICATIONS = 100
// Asymmetric ones only: with a public key as the secret of an HMAC anybody could sign.
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

/**
 * Checks JSON Web Tokens (RFC 7519) against the key set of their issuer. The set is read again every ten
 * minutes, and when a token names a key that is not in it; the last one is good while the issuer is away.
 */
export function createJwtCheck (options: JwtOptions): { check: JwtCheck, close: () => void } {
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), { cacheMaxAge: Infinity, cooldownDuration: 10_000, timeoutDuration: 5000 })
  const reload = (): void => { quiet(() => { keys.reload().catch(() => {}) }) }
  reload()
  const timer = setInterval(reload, REFRESH_MS).unref()
  const checked = new Map<string, { caller: Caller, until: number }>()

  return {
    async check (token) {
      const known = checked.get(token)
      if (known !== undefined && known.until > Date.now()) return known.caller
      const payload = await verify(token, keys, options)
      const caller = await callerOf(payload, options)
      if (checked.size >= REMEMBERED) checked.clear()
      checked.set(token, { caller, until: Math.min(Date.now() + REMEMBER_MS, ((payload.exp ?? 0) + SKEW_S) * 1000) })
      return caller
    },
    close () { clearInterval(timer) }
  }
}

async function verify (token: string, keys: JWTVerifyGetKey, { issuer, audience }: JwtOptions): Promise<JWTPayload> {
  try {
    const { payload } = await quiet(async () => await jwtVerify(token, keys, { issuer, audience, algorithms: ALGORITHMS, clockTolerance: SKEW_S, requiredClaims: ['exp', 'sub'] }))
    return payload
  } catch (error) {
    // Which check failed is for whoever issues tokens to know; nothing of it helps to forge one.
    throw unauthenticated(`The JWT is not valid: ${(error as { code?: string }).code ?? 'it cannot be read'}.`)
  }
}

async function callerOf (payload: JWTPayload, { roleClaim, applicationsClaim, applicationOf }: JwtOptions): Promise<Caller> {
  const role = claim(payload, roleClaim)
  if (role !== 'reader' && role !== 'editor' && role !== 'admin') throw new Problem('forbidden', `The claim ${roleClaim} of the JWT is none of reader, editor, admin.`)
  const id: unknown = payload.sub
  // It becomes the author of changes: nobody may pass for one of ours.
  if (typeof id !== 'string' || !SUBJECT.test(id) || !id.isWellFormed() || RESERVED.test(id)) throw unauthenticated('The claim sub of the JWT is no name that can be an author.')
  if (applicationsClaim === undefined) return { id, role, applications: undefined }
  const names = [...new Set([claim(payload, applicationsClaim)].flat().filter((name) => typeof name === 'string'))].slice(0, MAX_APPLICATIONS)
  const applications = await Promise.all(names.map(applicationOf))
  return { id, role, applications: applications.filter((application) => application !== undefined) }
}

function claim (payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path]
  return path.split('.').reduce<unknown>((value, part) => typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Record<string, unknown>)[part] : undefined, payload)
}
