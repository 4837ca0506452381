import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { meantBy } from '../../src/launcher/misspelt.js'
import { checkPorts, holdPorts } from '../../src/launcher/ports.js'
import { createRestarts } from '../../src/launcher/restarts.js'
import { readSettings } from '../../src/launcher/settings.js'
import { gist } from '../../src/launcher/sidecar-log.js'
import { welcome, withoutPassword } from '../../src/launcher/welcome.js'
import { packageRoot } from '../../src/package.js'
import { freePort, makeCollector, sidecarPorts, temporaryFolder } from './support.js'

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
  writeFileSync(join(root, '.env'), `DATABSE_URL=postgres://db/x\nPORT=9000\nOTEL_SERVICE_NAME=x\nPROT=1\nNODE_ENV=test\nCOLOUR=red
OTEL_EXPORTER_OLTP_ENDPOINT=http://a:4317\nOTEL_RESSOURCE_ATTRIBUTES=a=b\nOTEL_MYTHING_OF_OTHERS=1\nOTEL_BSP_MAX_QUEUE_SIZE=1\n`)
  t.strictSame(readSettings(root, { WHATEVER: '1' }, root).unknownNames.sort((a, b) => a.name < b.name ? -1 : 1), [
    { name: 'COLOUR', meant: undefined }, { name: 'DATABSE_URL', meant: 'DATABASE_URL' },
    { name: 'OTEL_EXPORTER_OLTP_ENDPOINT', meant: 'OTEL_EXPORTER_OTLP_ENDPOINT' }, { name: 'OTEL_RESSOURCE_ATTRIBUTES', meant: 'OTEL_RESOURCE_ATTRIBUTES' },
    { name: 'PROT', meant: 'PORT' }
  ])
})

t.test('every setting of OpenTelemetry that .env.example names is spelt as it is known', async (t) => {
  const example = readFileSync(join(packageRoot, '..', '.env.example'), 'utf8')
  for (const name of [...new Set(example.match(/OTEL_\w+/g)), 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_TRACES_SAMPLE_RATE', 'OTEL_NODE_ENABLED_INSTRUMENTATIONS']) {
    t.equal(meantBy(name, []), undefined, name)
  }
})

t.test('what the sidecar reads may stand in .env, whatever its configuration asks for', async (t) => {
  const root = temporaryFolder(t)
  makeCollector(root, { built: false })
  writeFileSync(join(root, '.env'), 'SIDECAR=auto\nCOLLECTOR_DESTINATIONS=tempo\nTEMPO_ENDPOINT=localhost:4317\nSLOW_TRACE_MS=300\nCOLLECTOR_FILE_DIR=out\nCOLECTOR_HOST=x\nLOKI_ENDPOINT=x\n')
  const settings = readSettings(root, { COLLECTOR_STORAGE_DIR: 'queue' }, '/somewhere')
  t.strictSame(settings.unknownNames.map(({ name, meant }) => [name, meant]), [['COLECTOR_HOST', 'COLLECTOR_HOST'], ['LOKI_ENDPOINT', undefined]])
  t.match(settings.sidecar, {
    unwanted: undefined, destinations: ['tempo'], fileDir: join(root, 'out'), storageDir: '/somewhere/queue', configs: [/config\.yaml$/, /tempo\.yaml$/]
  })
})

t.test('settings of the sidecar that cannot be meant are refused', async (t) => {
  const root = temporaryFolder(t)
  makeCollector(root, { built: false })
  t.throws(() => readSettings(root, { COLLECTOR_DESTINATIONS: 'file,tempoo' }, root), { message: /names tempoo, which is not in .*There are: file, tempo$/ })
  t.throws(() => readSettings(root, { SIDECAR: 'on' }, root), { message: /SIDECAR=on means nothing/ })
  for (const port of ['x', '0', '65536']) t.throws(() => readSettings(root, { COLLECTOR_METRICS_PORT: port }, root), { message: /COLLECTOR_METRICS_PORT=.* is no port/ })
})

t.test('a sidecar is wanted where OTLP goes out and nobody has said where to', async (t) => {
  const root = temporaryFolder(t)
  const of = (environment: Record<string, string>) => readSettings(root, environment, root).sidecar
  for (const wanted of [{}, { OTEL_EXPORTER_TYPE: 'console' }, { OTEL_ENVIRONMENT: 'production' }, { OTEL_TRACES_EXPORTER: 'none' }, { OTEL_ENVIRONMENT: 'testing', OTEL_TRACES_EXPORTER: 'otlp' }]) {
    t.equal(of(wanted as Record<string, string>).unwanted, undefined, JSON.stringify(wanted))
  }
  const unwanted: Array<Record<string, string>> = [
    { SIDECAR: 'off' }, { OTEL_SDK_DISABLED: 'true' }, { OTEL_ENABLED: 'false' }, { OTEL_ENVIRONMENT: 'testing' },
    { OTEL_TRACES_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4317' }, { OTEL_OTLP_ENDPOINT: 'http://a:4317' }
  ]
  for (const environment of unwanted) t.type(of(environment).unwanted, 'string', JSON.stringify(environment))
  t.notMatch(of({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:secret@a:4317' }).unwanted, 'secret')
  t.match(of({ OTEL_EXPORTER_OTLP_ENDPOINT: 'a:4317' }), { unwanted: undefined, complaints: [/^OTEL_EXPORTER_OTLP_ENDPOINT must be/] }, 'a faulty one is said and left out of account')
})

t.test('without a sidecar nothing is sent but what was asked for', async (t) => {
  const root = temporaryFolder(t)
  makeCollector(root, { built: false })
  const of = (environment: Record<string, string>) => readSettings(root, { SIDECAR: 'off', ...environment }, root).sidecar
  const silent = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', SIDECAR_HEALTH_URL: 'off' }
  for (const environment of [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'a:4317' }, { OTEL_EXPORTER_OTLP_TIMEOUT: '1000' }, { OTEL_EXPORTER_TYPE: 'consol' }, { OTEL_ENVIRONMENT: 'production' }]) {
    t.strictSame(of(environment as Record<string, string>).without, silent, JSON.stringify(environment))
  }
  t.strictSame(of({ OTEL_EXPORTER_TYPE: 'console' }).without, { OTEL_LOGS_EXPORTER: 'none', SIDECAR_HEALTH_URL: 'off' })
  t.strictSame(of({ OTEL_TRACES_EXPORTER: 'console', SIDECAR_HEALTH_URL: 'http://127.0.0.1:1' }).without, { OTEL_LOGS_EXPORTER: 'none' })
  for (const environment of [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4317' }, { OTEL_OTLP_ENDPOINT: 'http://a:4317' }, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://a:4317' }, { OTEL_TRACES_EXPORTER: 'otlp' }, { OTEL_EXPORTER_TYPE: 'http' }]) {
    t.strictSame(of(environment as Record<string, string>).without, {}, JSON.stringify(environment))
  }
  t.equal(of({}).unwanted, 'off (SIDECAR=off); traces go nowhere')
  t.equal(of({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4317' }).unwanted, 'off (SIDECAR=off): telemetry goes to your own, a:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)')
  t.strictSame(of({ SIDECAR: 'auto', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4317' }).without, {})
})

t.test('what is kept is said in words', async (t) => {
  const root = temporaryFolder(t)
  const of = (environment: Record<string, string>) => readSettings(root, environment, root).sidecar.sampling
  t.equal(of({}), 'every trace')
  t.equal(of({ OTEL_ENVIRONMENT: 'production' }), '10 %, besides errors, slow traces and changes')
  t.equal(of({ SAMPLING_PERCENTAGE: '30' }), '30 %, besides errors, slow traces and changes')
  t.equal(of({ SAMPLING: 'head', OTEL_TRACES_SAMPLER_ARG: '0.25' }), '25 %, taken by the service, and nothing besides')
  t.equal(of({ OTEL_TRACES_SAMPLER: 'always_off' }), 'as OTEL_TRACES_SAMPLER=always_off says')
})

t.test('a duration of the sidecar without a unit is said and left out of account', async (t) => {
  const root = temporaryFolder(t)
  makeCollector(root, { built: false })
  writeFileSync(join(root, 'collector', 'config.yaml'), ['SAMPLING_DECISION_WAIT:-10s', 'SAMPLING_TRACES:-5'].map((name) => `\${env:${name}}`).join('\n'))
  const of = (environment: Record<string, string>) => readSettings(root, environment, root).sidecar
  const { complaints, environment } = of({ SAMPLING_DECISION_WAIT: '10', SAMPLING_TRACES: '7' })
  t.strictSame(complaints, ['SAMPLING_DECISION_WAIT=10 has no unit (10s, 10ms); it is left out of account'])
  t.match(environment, { SAMPLING_DECISION_WAIT: undefined, SAMPLING_TRACES: '7' })
  t.strictSame(of({ SAMPLING_DECISION_WAIT: '3s' }).complaints, [])
})

t.test('of what a Collector has said its reason is shown whole, else what is not ordinary', async (t) => {
  t.strictSame(gist(['2026\tinfo\ta\tb', '2026\twarn\ta\tc', '{"level":"info","msg":"d"}', '{"level":"error","msg":"e"}']), ['  2026\twarn\ta\tc', '  {"level":"error","msg":"e"}'])
  t.strictSame(gist(['2026\tinfo\ta\tb']), [])
  t.equal(gist(['before', 'Error: why', ...Array.from({ length: 10 }, (_, index) => `reason ${index}`)]).length, 11)
})

t.test('the sidecar takes its share from what was set for the SDK, and no faulty figure', async (t) => {
  const root = temporaryFolder(t)
  makeCollector(root, { built: false })
  const of = (environment: Record<string, string>) => readSettings(root, environment, root).sidecar.environment
  t.equal(of({})['SAMPLING_PERCENTAGE'], '100')
  t.equal(of({ OTEL_ENVIRONMENT: 'production' })['SAMPLING_PERCENTAGE'], '10')
  t.equal(of({ OTEL_TRACES_SAMPLER_ARG: '0.25' })['SAMPLING_PERCENTAGE'], '25')
  t.equal(of({ SAMPLING_PERCENTAGE: '30' })['SAMPLING_PERCENTAGE'], '30')
  t.equal(of({ SAMPLING: 'head', OTEL_TRACES_SAMPLER_ARG: '0.25' })['SAMPLING_PERCENTAGE'], '100', 'never twice')
  t.notMatch(of({ SLOW_TRACE_MS: 'soon' })['SLOW_TRACE_MS'], 'soon')
  t.equal(of({ COLLECTOR_MEMORY_LIMIT_MIB: '500' })['GOMEMLIMIT'], '400MiB')
})

t.test('ports are kept for the sidecar until it comes, and claimed after that', async (t) => {
  const first = Number((await sidecarPorts())['COLLECTOR_OTLP_GRPC_PORT'])
  const wishes = [{ name: 'A', port: first, chosen: false }, { name: 'B', port: first + 1, chosen: false }]
  const lines: string[] = []
  const one = await holdPorts('127.0.0.1', wishes, [first + 1], (line) => lines.push(line))
  t.equal(one.ports['A'], first)
  t.ok((one.ports['B'] ?? 0) > first + 1, 'a port that is promised to another is not taken')
  await one.release()
  const other = await holdPorts('127.0.0.1', wishes, [], () => {})
  if (process.platform === 'linux') t.not(other.ports['A'], first, 'made way, but not for another start')
  await t.rejects(holdPorts('127.0.0.1', [{ name: 'A', port: first, chosen: true }], [], t.fail), { message: /is taken, and A asks for it/ })
  await one.end()
  await other.end()
  const again = await holdPorts('127.0.0.1', wishes, [], t.fail)
  t.equal(again.ports['A'], first)
  await again.end()
  await t.rejects(holdPorts('192.0.2.1', wishes, [], t.fail), { message: /cannot listen on 192\.0\.2\.1.*set COLLECTOR_HOST or A/ })
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
  const text = welcome('http://127.0.0.1:8000', settings, undefined, {})
  t.match(text, 'curl http://127.0.0.1:8000/api/v1/configurations/billing:prod')
  t.notMatch(text, 'Metrics')
})
