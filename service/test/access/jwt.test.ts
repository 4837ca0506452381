import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { base64url, exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { testApp } from '../support/app.js'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'config-service'

interface Key { kid: string, alg: string, privateKey: CryptoKey, publicKey: CryptoKey, jwk: JWK }

async function makeKey (kid: string, alg = 'RS256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, publicKey, jwk: { ...await exportJWK(publicKey), kid, alg, use: 'sig' } }
}

/** An issuer whose key set can be changed, and that can be away. */
async function issuer (t: Test, ...keys: Key[]): Promise<{ url: string, keys: Key[], asked: () => number, away: (away: boolean) => void }> {
  let count = 0
  let away = false
  const server = createServer((_request, response) => {
    count += 1
    if (away) response.destroy()
    else response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`, keys, asked: () => count, away: (is) => { away = is } }
}

async function sign ({ privateKey, kid, alg }: Key, claims: Record<string, unknown> = {}, { exp = '5m', iss = ISSUER, aud = AUDIENCE, sub = 'alice' }: { exp?: string | number | null, iss?: string, aud?: string, sub?: string } = {}): Promise<string> {
  const jwt = new SignJWT({ role: 'editor', ...claims }).setProtectedHeader({ alg, kid }).setIssuer(iss).setAudience(aud).setSubject(sub).setIssuedAt()
  return await (exp === null ? jwt : jwt.setExpirationTime(exp)).sign(privateKey)
}

async function secured (t: Test, keys: Key[], env: Record<string, string> = {}) {
  const issuing = await issuer(t, ...keys)
  const app = await testApp(t, { env: { ACCESS: 'token', ADMIN_TOKEN: 'b'.repeat(32), JWT_JWKS_URL: issuing.url, JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE, ...env } })
  const status = async (token: string, method = 'GET', path = '/applications', body?: unknown): Promise<number> => (await app.call(method, path, body, { authorization: `Bearer ${token}` })).statusCode
  return { app, status, issuing }
}

const seconds = (fromNow: number): number => Math.floor(Date.now() / 1000) + fromNow

t.test('a JWT of the issuer gets in with its role, and its sub is the author', async (t) => {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const key = await makeKey('one', alg)
    const { app, status } = await secured(t, [key])
    t.equal(await status(await sign(key, { role: 'reader' })), 200, alg)
    t.equal(await status(await sign(key, { role: 'editor' }), 'POST', '/applications', { name: 'a' }), 403)
    const made = await app.call('POST', '/applications', { name: 'a' }, { authorization: `Bearer ${await sign(key, { role: 'admin' }, { sub: 'carol' })}` })
    t.match(made.json(), { updated_by: 'carol' })
  }
})

t.test('forged, expired and foreign ones do not, and no answer says more than why', async (t) => {
  const key = await makeKey('one')
  const { status, app } = await secured(t, [key])
  const good = await sign(key)
  const [head, payload, signature] = good.split('.') as [string, string, string]
  const encoded = (part: unknown): string => base64url.encode(JSON.stringify(part))
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const publicPem = new TextEncoder().encode(await exportSPKI(key.publicKey))
  const forged: Record<string, string> = {
    'alg none': `${encoded({ alg: 'none', kid: 'one' })}.${encoded({ ...claims, role: 'admin' })}.`,
    'alg none, with a signature': `${encoded({ alg: 'none' })}.${payload}.${signature}`,
    'another payload': `${head}.${encoded({ ...claims, role: 'admin' })}.${signature}`,
    'no signature': `${head}.${payload}.`,
    'the public key as the secret of an HMAC': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(publicPem),
    'a key of its own in the header': await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', jwk: (await makeKey('own')).jwk }).sign((await makeKey('own')).privateKey),
    'a foreign key of the same name': await sign(await makeKey('one')),
    'another issuer': await sign(key, {}, { iss: 'https://else.example' }),
    'another audience': await sign(key, {}, { aud: 'else' }),
    expired: await sign(key, {}, { exp: seconds(-70) }),
    'without an end': await sign(key, {}, { exp: null }),
    'not yet': await sign(key, { nbf: seconds(300) }),
    rubbish: 'a.b.c'
  }
  t.equal(await status(good), 200)
  for (const [name, token] of Object.entries(forged)) {
    t.equal(await status(token), 401, name)
    t.equal(await status(token), 401, `${name}, again`)
  }
  t.equal(await status(await sign(key, {}, { exp: seconds(-50) })), 200, 'within 60 s of skew')
  for (const claims of [{ role: 'root' }, { role: undefined }, { role: ['admin'] }, { role: null }]) t.equal(await status(await sign(key, claims)), 403, JSON.stringify(claims))
  for (const sub of ['token:deploy', 'bootstrap', 'anonymous', '', 'a\u0000b', '\u001b[31m', 'x'.repeat(256), 7, null, ['x']]) t.equal(await status(await sign(key, {}, { sub: sub as string }).catch(() => 'a.b.c')), 401, `sub ${JSON.stringify(sub)}`)
  for (const authorization of ['Bearer', 'Bearer ', `Basic ${good}`, good, `Bearer ${good} x`, `Bearer ${good},Bearer ${good}`]) {
    t.equal((await app.call('GET', '/applications', undefined, { authorization })).statusCode, 401, authorization.slice(0, 20))
  }
})

t.test('a new key of the issuer is found; while the issuer is away, the last keys are good', async (t) => {
  const [old, fresh] = [await makeKey('old'), await makeKey('new')]
  const { status, issuing } = await secured(t, [old])
  t.equal(await status(await sign(old)), 200)
  issuing.away(true)
  t.equal(await status(await sign(old, { n: 1 })), 200, 'away: keys are at hand')
  t.equal(await status(await sign(fresh)), 401, 'a key that nobody can be asked for')
  const before = issuing.asked()
  for (let n = 0; n < 20; n++) await status(await sign(await makeKey(`k${n}`, 'ES256')))
  t.ok(issuing.asked() - before <= 1, 'unknown keys do not make this service ask again and again')
})

t.test('the key set is read again for a key that is not in it', async (t) => {
  const [old, fresh] = [await makeKey('old'), await makeKey('new')]
  const { status, issuing } = await secured(t, [old])
  t.equal(await status(await sign(old)), 200)
  issuing.keys.splice(0, 1, fresh)
  const until = Date.now() + 20_000
  while (await status(await sign(fresh)) !== 200 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 500))
  t.equal(await status(await sign(fresh)), 200, 'rotated')
  t.equal(await status(await sign(old, { n: 2 })), 401, 'the old one is gone')
})

t.test('role and applications come from the claims that the settings name', async (t) => {
  const key = await makeKey('one')
  const { app, status } = await secured(t, [key], { JWT_ROLE_CLAIM: 'https://example/claims.role', JWT_APPLICATIONS_CLAIM: 'access.applications' })
  const admin = { authorization: `Bearer ${'b'.repeat(32)}` }
  for (const name of ['a', 'b', 'c']) await app.call('POST', '/applications', { name }, admin)
  const token = async (applications: unknown): Promise<string> => await sign(key, { 'https://example/claims.role': 'editor', access: { applications } })
  const list = async (applications: unknown): Promise<string[]> => (await app.call('GET', '/applications', undefined, { authorization: `Bearer ${await token(applications)}` })).json().items.map((item: { name: string }) => item.name)
  t.same(await list(['a', 'c', 'nowhere']), ['a', 'c'])
  t.same(await list('b'), ['b'])
  for (const none of [[], undefined, null, 7, { a: true }]) t.same(await list(none), [], JSON.stringify(none))
  t.equal(await status(await token(['a']), 'POST', '/configurations', { application: 'a', name: 'x' }), 201)
  t.equal(await status(await token(['a']), 'POST', '/configurations', { application: 'b', name: 'x' }), 422)
})
