import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { checkPorts } from '../../src/launcher/ports.js'
import { createRestarts } from '../../src/launcher/restarts.js'
import { readSettings } from '../../src/launcher/settings.js'
import { welcome, withoutPassword } from '../../src/launcher/welcome.js'
import { freePort, temporaryFolder } from './support.js'

t.test('restarts wait longer each time, and end when five within a minute were in vain', async (t) => {
  let time = 0
  const restarts = createRestarts(() => time)
  t.strictSame([1, 2, 3, 4, 5, 6].map(() => restarts.next()), [1_000, 2_000, 4_000, 8_000, 16_000, undefined])
  time = 200_000
  t.equal(restarts.next(), 1_000, 'a quiet minute begins anew')
})

t.test('a data folder is relative to where it was asked for', async (t) => {
  const root = temporaryFolder(t)
  t.equal(readSettings(root, {}, '/somewhere').dataDir, join(root, '.data'))
  t.equal(readSettings(root, { DATA_DIR: 'other' }, '/somewhere').dataDir, '/somewhere/other')
  writeFileSync(join(root, '.env'), 'DATA_DIR=mine\nHOST=10.0.0.1\n')
  t.match(readSettings(root, {}, '/somewhere'), { dataDir: join(root, 'mine') })
  t.match(readSettings(root, { HOST: '', DATA_DIR: '', DATABASE_URL: '' }, '/somewhere'), { host: '127.0.0.1', databaseUrl: undefined })
})

t.test('names in .env that nothing reads are found', async (t) => {
  const root = temporaryFolder(t)
  writeFileSync(join(root, '.env'), 'DATABSE_URL=postgres://db/x\nPORT=9000\nOTEL_SERVICE_NAME=x\nPROT=1\nNODE_ENV=test\n')
  t.strictSame(readSettings(root, { WHATEVER: '1' }, root).unknownNames, ['DATABSE_URL', 'PROT'])
})

t.test('a faulty PORT is left to the service, which lists every fault', async (t) => {
  const root = temporaryFolder(t)
  for (const PORT of ['x', '0', '70000', '-1']) t.equal(readSettings(root, { PORT }, root).port, undefined)
  t.match(readSettings(root, { PORT: '9000', SHUTDOWN_TIMEOUT_MS: 'soon' }, root), { port: 9000, shutdownTimeoutMs: 10_000 })
})

t.test('metrics are looked after only where Prometheus is to fetch them', async (t) => {
  const root = temporaryFolder(t)
  const metricsOf = (environment: Record<string, string>) => readSettings(root, environment, root).metrics
  t.strictSame(metricsOf({}), { host: '127.0.0.1', port: 9464, chosen: false })
  t.match(metricsOf({ OTEL_METRICS_EXPORTER: 'otlp, prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: '9000' }), { port: 9000, chosen: true })
  for (const off of [{ OTEL_METRICS_EXPORTER: 'otlp' }, { OTEL_SDK_DISABLED: 'true' }, { OTEL_ENABLED: 'false' }, { OTEL_ENVIRONMENT: 'testing' }]) {
    t.equal(metricsOf(off as Record<string, string>), undefined)
  }
})

t.test('a metrics port that is taken by chance moves on, one that was chosen is a fault', async (t) => {
  const busy = createServer()
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { busy.close() })
  const { port: taken } = busy.address() as { port: number }
  const settings = { ...readSettings(temporaryFolder(t), {}, '/'), port: await freePort() }
  const lines: string[] = []
  const moved = await checkPorts({ ...settings, metrics: { host: '127.0.0.1', port: taken, chosen: false } }, (line) => lines.push(line))
  t.ok(moved !== undefined && moved > taken)
  t.strictSame(lines, [`Port ${taken} is taken, so the metrics are on ${moved} (OTEL_EXPORTER_PROMETHEUS_PORT sets it)`])
  await t.rejects(checkPorts({ ...settings, metrics: { host: '127.0.0.1', port: taken, chosen: true } }, t.fail), { message: /is taken by another program/ })
  await t.rejects(checkPorts({ ...settings, metrics: { host: '127.0.0.1', port: settings.port, chosen: true } }, t.fail), { message: /is taken by the service itself/ })
  await t.rejects(checkPorts({ ...settings, host: '192.0.2.1', metrics: undefined }, t.fail), { message: /not possible to listen on HOST=192\.0\.2\.1/ })
})

t.test('what is shown of a connection string never has the password', async (t) => {
  t.equal(withoutPassword('postgres://me%40home:secret@db:5432/x?password=secret'), 'me@home@db:5432/x')
  t.equal(withoutPassword('postgres://db/x'), 'db/x')
  t.equal(withoutPassword('host=db password=secret'), 'the one of DATABASE_URL')
})

t.test('metrics that are not there are not shown', async (t) => {
  const settings = readSettings(temporaryFolder(t), { DATABASE_URL: 'postgres://db/x' }, '/')
  const text = welcome('http://127.0.0.1:8000', settings, undefined, undefined)
  t.match(text, 'curl http://127.0.0.1:8000/api/v1/configurations/billing:prod')
  t.notMatch(text, 'Metrics')
})
