import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { readSettings, settings, SettingsError } from '../src/env.js'
import { packageRoot } from '../src/package.js'

const DATABASE_URL = 'postgres://u:secret@localhost/db'

t.test('every setting has a default but the address of the database', async (t) => {
  const { DATA_DIR: dataDir, ...rest } = readSettings({ DATABASE_URL })
  t.equal(dataDir, path.resolve('.data'))
  t.match(rest, { HOST: '127.0.0.1', PORT: 8000, DATABASE_POOL_SIZE: 10, BODY_LIMIT_BYTES: 1048576, OTEL_ENVIRONMENT: 'development' })
  t.match(readSettings({ DATABASE_URL, PORT: ' 9000 ', LOG_LEVEL: '' }), { PORT: 9000, LOG_LEVEL: 'info' })
})

t.test('all faults are reported at once, with what is wrong and without passwords', async (t) => {
  const error = t.throws(() => readSettings({ PORT: '99999', HOST: '0.0.0.0', ACCESS: 'open', LOG_LEVEL: 'loud', DATABASE_POOL_SIZE: 'many', DATABASE_URL: 'mysql://u:secret@h/db', OTEL_ENVIRONMENT: 'prod' })) as unknown as SettingsError
  t.type(error, SettingsError)
  t.same(error.faults.map((fault) => fault.split(':')[0]).sort(), ['ACCESS', 'DATABASE_POOL_SIZE', 'DATABASE_URL', 'LOG_LEVEL', 'OTEL_ENVIRONMENT', 'PORT'])
  t.match(error.message, /LOG_LEVEL: "loud" is none of error, warn, info, debug/)
  t.notMatch(error.message, /secret/)
  t.match((t.throws(() => readSettings({})) as unknown as SettingsError).message, /DATABASE_URL: is missing/)
  t.match((t.throws(() => readSettings({ DATABASE_URL: 'postgres://u:p ss@[h/db' })) as unknown as SettingsError).message, /DATABASE_URL: is not a URL/)
})

t.test('access is open on loopback addresses only', async (t) => {
  for (const HOST of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) t.match(readSettings({ DATABASE_URL, HOST }), { HOST, ACCESS: 'open' })
  for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.0.0.1.example.com']) {
    t.match(readSettings({ DATABASE_URL, HOST }), { HOST, ACCESS: 'token' })
    t.throws(() => readSettings({ DATABASE_URL, HOST, ACCESS: 'open' }), SettingsError)
  }
  t.equal(readSettings({ DATABASE_URL, ACCESS: 'token' }).ACCESS, 'token')
})

t.test('settings of access are checked, and secrets are not repeated', async (t) => {
  const faults = (environment: Record<string, string>): string => (t.throws(() => readSettings({ DATABASE_URL, ...environment })) as unknown as SettingsError).message
  t.match(faults({ ADMIN_TOKEN: 'too-short' }), /ADMIN_TOKEN/)
  t.notMatch(faults({ ADMIN_TOKEN: 'too-short' }), /too-short/)
  t.match(faults({ ADMIN_TOKEN: 'with a blank in it and long enough' }), /ADMIN_TOKEN: has characters that are not visible ASCII/)
  t.match(faults({ JWT_JWKS_URL: 'https://issuer.example/jwks' }), /JWT_ISSUER, JWT_AUDIENCE: is missing/)
  t.match(faults({ JWT_JWKS_URL: 'issuer', JWT_ISSUER: 'a', JWT_AUDIENCE: 'b' }), /JWT_JWKS_URL: "issuer" is no http or https address/)
})

t.test('.env.example has a line with the default for every setting, and no others of the service', async (t) => {
  const lines = readFileSync(path.join(packageRoot, '..', '.env.example'), 'utf8').split('\n')
  const examples = new Map(lines.flatMap((line) => /^#?\s?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line)?.slice(1, 3) as [string, string] | undefined ?? []).reduce<Array<[string, string]>>((pairs, part, index, all) => index % 2 === 0 ? [...pairs, [part, all[index + 1] ?? '']] : pairs, []))
  for (const [name, schema] of Object.entries(settings.properties)) {
    t.ok(examples.has(name), `${name} is in .env.example`)
    const { default: value } = schema as { default?: unknown }
    if (value !== undefined) t.equal(examples.get(name), String(value), name)
  }
})
