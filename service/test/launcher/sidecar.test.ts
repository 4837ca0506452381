import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type ProcessIdentity, ended, identify, isRunning, signal } from '../../src/database/embedded-processes.js'
import { holdPorts } from '../../src/launcher/ports.js'
import { readSettings } from '../../src/launcher/settings.js'
import { startSidecar } from '../../src/launcher/sidecar.js'
import { type Launched, locks, makeCollector, sidecarPorts, startLauncher, temporaryFolder } from './support.js'

t.jobs = 2

const ready = 'Ctrl-C stops everything'
const up = 'The sidecar runs on'
// None is started where the sidecar is what is tested.
const DATABASE_URL = 'postgres://me@elsewhere/x'

/** A folder of tools that the launcher needs, without Go and Docker; more can be put there. */
function toolsOf (root: string): string {
  const folder = join(root, 'tools')
  mkdirSync(folder, { recursive: true })
  for (const name of ['sh', 'sleep', 'ps', 'id', 'chmod', 'env', 'kill', 'cat']) {
    const path = ['/bin', '/usr/bin'].map((place) => join(place, name)).find(existsSync)
    if (path !== undefined && !existsSync(join(folder, name))) symlinkSync(path, join(folder, name))
  }
  return folder
}

function repositoryRoot (folder: string): string {
  return existsSync(join(folder, 'scripts', 'start')) ? folder : repositoryRoot(dirname(folder))
}

/** A Collector that was built before; the tests build none, since that takes minutes. */
function realCollector (): string | undefined {
  const given = process.env['TEST_COLLECTOR'] ?? ''
  if (given !== '') return given
  try {
    return execFileSync('sh', [join(repositoryRoot(__dirname), 'scripts', 'lib', 'collector.sh'), 'path'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

interface Start { built?: boolean, go?: boolean, environment?: Record<string, string> }

async function start (t: Test, dataDir: string, { built = true, go = false, environment = {} }: Start = {}): Promise<Launched> {
  const root = join(dataDir, 'root')
  makeCollector(root, { built })
  const tools = toolsOf(root)
  return await startLauncher(t, dataDir, {
    ROOT: root,
    SIDECAR: 'auto',
    DATABASE_URL,
    PATH: go ? `${join(root, 'bin')}:${tools}` : tools,
    MEETS: join(dataDir, 'meets'),
    ...await sidecarPorts(),
    ...environment
  })
}

async function environmentOf ({ port }: Launched): Promise<Record<string, string>> {
  return await (await fetch(`http://127.0.0.1:${port}`)).json() as Record<string, string>
}

interface Meets { arguments: string[], environment: Record<string, string>, cwd: string }

function meetsOf ({ dataDir }: Launched): Meets {
  return JSON.parse(readFileSync(join(dataDir, 'meets'), 'utf8')) as Meets
}

function childOf ({ dataDir }: Launched, launched: Launched, text: string): ProcessIdentity {
  const found = launched.processes().find(({ pid }) => pid !== launched.pid && commandOf(pid).includes(text))
  if (found === undefined) throw new Error(`No process of ${dataDir} is ${text}`)
  return found
}

function commandOf (pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

t.test('a Collector that is built runs beside the service, and is stopped after it and before the database', async (t) => {
  const dataDir = temporaryFolder(t)
  const events = join(dataDir, 'events')
  const ports = await sidecarPorts()
  const launcher = await start(t, dataDir, { environment: { DATABASE_URL: '', EVENTS: events, OTEL_TRACES_SAMPLER_ARG: '0.25', TEMPO_ENDPOINT: '', ...ports } })
  await launcher.until(ready)
  await launcher.until(up)
  const environment = await environmentOf(launcher)
  t.match(environment, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports['COLLECTOR_OTLP_GRPC_PORT']}`,
    SIDECAR_HEALTH_URL: `http://127.0.0.1:${ports['COLLECTOR_HEALTH_PORT']}`,
    OTEL_TRACES_SAMPLER_ARG: '0.25'
  })
  t.notOk('SIDECAR_GRACE_MS' in environment, 'it is there at once')
  t.match(launcher.output(), /Sampling +25 %, besides errors, slow traces and changes/)
  t.notOk('COLLECTOR_STORAGE_DIR' in environment, 'the sidecar\'s own are not for the service')
  const meets = meetsOf(launcher)
  t.strictSame(meets.arguments, ['--config', join(dataDir, 'root/collector/config.yaml'), '--config', join(dataDir, 'root/collector/destinations/file.yaml')])
  t.match(meets.environment, {
    ...ports, COLLECTOR_STORAGE_DIR: join(dataDir, 'collector/queue'), COLLECTOR_FILE_DIR: join(dataDir, 'telemetry'), SAMPLING_PERCENTAGE: '25', GOMEMLIMIT: '160MiB'
  })
  t.notOk('TEMPO_ENDPOINT' in meets.environment, 'an empty variable counts as not set')
  for (const folder of ['collector', 'collector/queue', 'telemetry']) t.equal(statSync(join(dataDir, folder)).mode & 0o777, 0o700, folder)
  for (const shown of [join(dataDir, 'telemetry'), `http://127.0.0.1:${ports['COLLECTOR_SPAN_METRICS_PORT']}/metrics`]) t.match(launcher.output(), shown)

  const processes = launcher.processes()
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  t.equal(readFileSync(events, 'utf8'), 'ready\nasked by SIGTERM\ndrained with the database there\nsidecar asked by SIGTERM\n')
  t.match(launcher.output(), /Stopping the service, then the sidecar, then PostgreSQL[^]*Stopped\./)
  t.ok(await ended(processes, 2_000), 'nothing runs any more')
  t.strictSame(locks(dataDir), [])
})

t.test('a second start beside the first moves to ports of its own, and one that was asked for is a fault', async (t) => {
  const folder = temporaryFolder(t)
  const usual = Object.fromEntries(Object.keys(await sidecarPorts()).map((name) => [name, '']))
  const [first, second] = await Promise.all(['one', 'two'].map(async (name) => {
    const dataDir = join(folder, name)
    mkdirSync(dataDir)
    return await start(t, dataDir, { environment: usual })
  })) as [Launched, Launched]
  for (const one of [first, second]) {
    await one.until(ready)
    await one.until(up)
  }
  const names = Object.keys(usual)
  const taken = [first, second].flatMap((one) => names.map((name) => Number(meetsOf(one).environment[name])))
  t.equal(new Set(taken).size, 10, 'no port twice')
  for (const [index, one] of [first, second].entries()) {
    const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = await environmentOf(one)
    t.equal(endpoint, `http://127.0.0.1:${taken[index * 5]}`, 'each service has its own sidecar')
  }
  t.match(first.output() + second.output(), /Usual ports of the sidecar are taken, so it moves: .*\d+ → \d+.* \(COLLECTOR_…_PORT sets them\)/)

  const third = join(folder, 'three')
  mkdirSync(third)
  const asked = await start(t, third, { environment: { COLLECTOR_HEALTH_PORT: String(taken[4]) } })
  t.equal(await asked.exit, 1)
  t.match(asked.output(), `Port ${taken[4]} on 127.0.0.1 is taken, and COLLECTOR_HEALTH_PORT asks for it`)
})

t.test('a Collector that is not built yet is built while the service runs, and joins', async (t) => {
  const dataDir = temporaryFolder(t)
  const ports = await sidecarPorts()
  const launcher = await start(t, dataDir, { built: false, go: true, environment: ports })
  await launcher.until('The sidecar runs on')
  t.match(launcher.output(), /it is built in the background[^]*Collector: fetching modules[^]*The sidecar runs on/)
  t.notMatch(launcher.output(), 'not shown')
  await launcher.until(ready)
  t.match(launcher.output(), /The sidecar runs on .*; traces are kept from now on, the first appear within a minute/)
  t.match(await environmentOf(launcher), { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports['COLLECTOR_OTLP_GRPC_PORT']}`, SIDECAR_GRACE_MS: '900000' })
})

t.test('the service does not wait for a build, which keeps the ports, floods nothing, and ends with Ctrl-C', async (t) => {
  const dataDir = temporaryFolder(t)
  const ports = await sidecarPorts()
  const launcher = await start(t, dataDir, { built: false, go: true, environment: { BUILD: 'takes', ...ports } })
  await launcher.until(ready)
  t.match(launcher.output(), /Sidecar +being built/)
  const probe = createServer()
  const fault = await new Promise<{ code?: string }>((resolve) => {
    probe.once('error', resolve)
    probe.listen({ port: Number(ports['COLLECTOR_HEALTH_PORT']), host: '127.0.0.1', exclusive: true }, () => { resolve({}) })
  })
  t.equal(fault.code, 'EADDRINUSE')
  await t.rejects(fetch(`http://127.0.0.1:${ports['COLLECTOR_HEALTH_PORT']}`), 'and nobody answers there')
  await sleep(2_000)
  t.equal(launcher.output().match(/Collector: compiling/g)?.length, 1)
  const processes = launcher.processes()
  t.ok(processes.filter(({ pid }) => /sleep|collector\.sh/.test(commandOf(pid))).length >= 2, 'the build and what it has started')
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  t.ok(await ended(processes, 3_000), 'nothing runs any more')
})

t.test('killing the launcher ends the sidecar within seconds, and a build with all that it has started', async (t) => {
  const [run, build] = await Promise.all([temporaryFolder(t), temporaryFolder(t)].map(async (dataDir, index) =>
    await start(t, dataDir, { built: index === 0, go: true, environment: { BUILD: 'takes', EVENTS: join(dataDir, 'events') } }))) as [Launched, Launched]
  await run.until(up)
  for (const one of [run, build]) await one.until(ready)
  await build.until('Collector: compiling')
  const processes = [run, build].flatMap((one) => one.processes())
  t.ok(processes.some(({ pid }) => commandOf(pid).includes('stand-in-collector')))
  for (const one of [run, build]) signal(one.pid, 'SIGKILL')
  t.ok(await ended(processes, 8_000), 'nothing runs any more')
  t.match(readFileSync(join(run.dataDir, 'events'), 'utf8'), 'sidecar asked by SIGINT')
})

t.test('a sidecar whose launcher and guards were killed as well is ended by the next start', async (t) => {
  const dataDir = temporaryFolder(t)
  const killed = await start(t, dataDir)
  await killed.until(ready)
  await killed.until(up)
  const sidecar = childOf(killed, killed, 'stand-in-collector')
  const service = childOf(killed, killed, 'stand-in-service')
  // All at once, as far as one can.
  for (const one of killed.processes().filter(({ pid }) => pid !== sidecar.pid && pid !== service.pid)) signal(one.pid, 'SIGSTOP')
  for (const one of killed.processes().filter(({ pid }) => pid !== sidecar.pid)) signal(one.pid, 'SIGKILL')
  await sleep(500)
  t.ok(isRunning(sidecar), 'it is left over')
  const next = await start(t, dataDir)
  await next.until(up)
  t.match(next.output(), 'An earlier start has left something running')
  t.notOk(isRunning(sidecar))
})

t.test('a sidecar that crashes is started again, one whose guard was killed is still guarded, and the service goes on', async (t) => {
  const dataDir = temporaryFolder(t)
  const launcher = await start(t, dataDir)
  await launcher.until(ready)
  await launcher.until(up)
  const service = childOf(launcher, launcher, 'stand-in-service')
  signal(childOf(launcher, launcher, 'stand-in-collector').pid, 'SIGKILL')
  await launcher.until('The sidecar has ended unexpectedly (ended by SIGKILL): starting it again in 1 s')
  await launcher.until('The sidecar is back')
  t.ok(isRunning(service))

  const guard = childOf(launcher, launcher, 'config-service-guard')
  signal(guard.pid, 'SIGKILL')
  await ended([guard], 2_000)
  await sleep(1_500)
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGKILL')
  t.ok(await ended(processes, 8_000), 'nothing runs any more')
})

t.test('a sidecar that refuses its configuration says why and never takes the service along', async (t) => {
  const launcher = await start(t, temporaryFolder(t), { environment: { COLLECTOR_STAND_IN: 'refuse' } })
  await launcher.until(ready)
  await launcher.until(/The sidecar has ended unexpectedly \(exit code 1\): starting it again in 1 s\. The service goes on\. Its last words:\n {2}Error: failed to get config: receivers: unknown type "oltp"\n/)
  await sleep(2_000)
  t.equal(launcher.output().match(/unknown type/g)?.length, 1, 'once')
  t.ok(await environmentOf(launcher))
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  t.ok(await ended(processes, 2_000))
})

t.test('a sidecar that cannot be kept alive is tried again slowly, and comes back when it is mended', async (t) => {
  const dataDir = temporaryFolder(t)
  const root = join(dataDir, 'root')
  makeCollector(root, { built: true })
  const mended = join(dataDir, 'mended')
  const environment = { ...await sidecarPorts(), PATH: process.env['PATH'], COLLECTOR_STAND_IN: 'refuse', MENDED: mended, DATA_DIR: dataDir }
  const settings = readSettings(root, environment, root)
  const held = await holdPorts('127.0.0.1', settings.sidecar.ports, [], t.fail)
  const lines: string[] = []
  const keep = (line: string) => { lines.push(line) }
  const inVain = () => {
    let left = 5
    return { next: () => left-- > 0 ? 10 : undefined }
  }
  const sidecar = startSidecar({ root, settings, held, moves: [], say: keep, complain: keep, remember: () => {}, patience: { restarts: inVain, slowMs: 500 } })
  t.teardown(async () => { await sidecar.kill() })
  const until = async (wanted: RegExp) => {
    const limit = Date.now() + 20_000
    while (!wanted.test(lines.join('\n')) && Date.now() < limit) await sleep(20)
    t.match(lines.join('\n'), wanted)
  }
  await until(/cannot be kept alive \(exit code 1, six times\): it is tried again every 0\.5 s/)
  t.equal(lines.length, 2, 'the first time and the sixth')
  t.match(sidecar.describe(), [['Sidecar', /not running \(exit code 1\)/]])
  await sleep(1_500)
  t.equal(lines.length, 2, 'and then it is quiet')
  writeFileSync(mended, '')
  await until(/The sidecar runs on/)
  t.match(sidecar.describe(), [['Sidecar', /^running/]])
  t.ok(await sidecar.stop())
})

t.test('a sidecar that does not end is killed after a while, at once when asked twice', async (t) => {
  const [slow, hurried] = await Promise.all([temporaryFolder(t), temporaryFolder(t)].map(async (dataDir) =>
    await start(t, dataDir, { environment: { COLLECTOR_STAND_IN: 'stubborn' } }))) as [Launched, Launched]
  for (const one of [slow, hurried]) {
    await one.until(ready)
    await one.until(up)
  }
  const processes = [slow, hurried].flatMap((one) => one.processes())
  const asked = Date.now()
  for (const one of [slow, hurried]) signal(one.pid, 'SIGTERM')
  await hurried.until('Stopping the service')
  await sleep(1_000)
  t.ok(identify(hurried.pid), 'it waits')
  signal(hurried.pid, 'SIGTERM')
  t.equal(await hurried.exit, 143)
  t.ok(identify(slow.pid), 'while the other still waits')
  t.equal(await slow.exit, 143)
  t.ok(Date.now() - asked < 9_000, 'five seconds and what the service takes')
  t.match(slow.output(), 'The sidecar did not end within 5 s and was killed')
  t.match(hurried.output(), 'Asked twice: killing the service and the sidecar')
  t.ok(await ended(processes, 2_000), 'nothing runs any more')
})

t.test('a sidecar whose settings are faulty is not started, says which, and the service sends nothing', async (t) => {
  const launcher = await start(t, temporaryFolder(t), { environment: { COLLECTOR_STAND_IN: 'faulty' } })
  await launcher.until(ready)
  t.match(launcher.output(), /There is no sidecar: its settings are faulty\. It refuses its settings:\n {2}Error: failed to get config.*\n {2}'limit_mib' expected x+ the end\nMend them /)
  t.match(await environmentOf(launcher), { OTEL_TRACES_EXPORTER: 'none', SIDECAR_HEALTH_URL: 'off' })
  t.notMatch(launcher.output(), 'ended unexpectedly')
})

t.test('a Go that is too old is said before anything is built', async (t) => {
  const launcher = await start(t, temporaryFolder(t), { built: false, go: true, environment: { BUILD: 'old' } })
  await launcher.until(ready)
  t.match(launcher.output(), 'There is no sidecar: old, and Docker is not there either. Install Go or start Docker, then start again')
  t.notMatch(launcher.output(), 'built in the background')
})

t.test('without Go and Docker one line says what is missing, and traces go nowhere unless told otherwise', async (t) => {
  const busy = createServer()
  await new Promise<void>((resolve) => busy.listen({ port: 4317, host: '127.0.0.1' }, resolve).once('error', () => { resolve() }))
  t.teardown(() => { busy.close() })
  const usual = Object.fromEntries(Object.keys(await sidecarPorts()).map((name) => [name, '']))
  const launcher = await start(t, temporaryFolder(t), { built: false, environment: usual })
  await launcher.until(ready)
  const [line, ...others] = launcher.output().split('\n').filter((line) => line.startsWith('There is no sidecar'))
  t.match(line, /Go is missing, and Docker is not there either\. Install Go .*traces go nowhere; OTEL_EXPORTER_TYPE=console scripts\/start prints them/)
  t.notMatch(launcher.output(), 'it moves')
  t.strictSame(others, [])
  t.match(await environmentOf(launcher), { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', SIDECAR_HEALTH_URL: 'off' })

  const other = await start(t, temporaryFolder(t), { built: false, environment: { OTEL_EXPORTER_TYPE: 'console' } })
  await other.until(ready)
  t.notOk('OTEL_TRACES_EXPORTER' in await environmentOf(other))
  t.match(other.output(), 'The service runs without.')
})

t.test('a build that fails says why, and Docker is asked next', async (t) => {
  const dataDir = temporaryFolder(t)
  makeCollector(join(dataDir, 'root'), { built: false })
  writeFileSync(join(dataDir, 'root', 'bin', 'docker'), '#!/bin/sh\necho "$1" >>"$EVENTS.docker"\nexit 1\n', { mode: 0o755 })
  const launcher = await start(t, dataDir, { built: false, go: true, environment: { BUILD: 'fails', EVENTS: join(dataDir, 'events') } })
  await launcher.until(ready)
  await launcher.until(/There is no sidecar: it could not be built, and Docker's daemon does not answer\. What the build said \(exit code 1\):\n {2}go: no network\n/)
  t.equal(launcher.output().match(/go: no network/g)?.length, 1, 'once')
  t.equal(readFileSync(join(dataDir, 'events.docker'), 'utf8'), 'info\n')
  t.notOk('OTEL_EXPORTER_TYPE' in await environmentOf(launcher), 'it could have come')
})

t.test('in Docker the same configuration runs under the same settings, and a leftover is removed first', async (t) => {
  const dataDir = temporaryFolder(t)
  // A Docker whose containers are the stand-in: what follows the image is the Collector's.
  const collector = `exec '${process.execPath}' '${join(__dirname, 'stand-in-collector.js')}'`
  mkdirSync(join(dataDir, 'root', 'tools'), { recursive: true })
  writeFileSync(join(dataDir, 'root', 'tools', 'docker'), `#!/bin/sh
echo "$*" >>"$EVENTS.docker"
case $1 in
  info) echo ' Server Version: 29' ;;
  run) COLLECTOR_HOST=127.0.0.1 ${collector} "$@" ;;
esac
`, { mode: 0o755 })
  const ports = await sidecarPorts()
  const launcher = await start(t, dataDir, { built: false, environment: { EVENTS: join(dataDir, 'events'), SAMPLING_PERCENTAGE: '30', ...ports } })
  await launcher.until(ready)
  await launcher.until(up)
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
  const [info, , remove, run = ''] = readFileSync(join(dataDir, 'events.docker'), 'utf8').split('\n')
  t.equal(info, 'info')
  t.match(remove, /^rm --force config-service-collector-[0-9a-f]{12}$/)
  for (const part of [
    '--rm --name config-service-collector-', `-v ${dataDir}/root/collector:/collector:ro`, `-v ${dataDir}/collector/queue:/queue`, `-v ${dataDir}/telemetry:/telemetry`,
    ...Object.values(ports).map((port) => `-p 127.0.0.1:${port}:${port}`), '-e COLLECTOR_HOST=0.0.0.0', '-e SAMPLING_PERCENTAGE ',
    'otel/opentelemetry-collector-contrib:0.155.0 --config /collector/config.yaml --config /collector/destinations/file.yaml'
  ]) t.match(run, part)
  t.match(readFileSync(join(dataDir, 'events'), 'utf8'), 'sidecar asked by SIGTERM')
})

t.test('no sidecar is started where none is wanted, and the welcome says so', async (t) => {
  const cases: Array<[Record<string, string>, RegExp]> = [
    [{ SIDECAR: 'off' }, /Sidecar +off \(SIDECAR=off\); traces go nowhere/],
    [{ OTEL_ENABLED: 'false' }, /Sidecar +none, since telemetry is switched off/],
    [{ OTEL_OTLP_ENDPOINT: 'http://tempo.internal:4317' }, /Sidecar +none: telemetry goes to your own, tempo\.internal:4317 \(OTEL_OTLP_ENDPOINT\)/]
  ]
  for (const [environment, line] of cases) {
    const launcher = await start(t, temporaryFolder(t), { environment })
    await launcher.until(ready)
    t.match(launcher.output(), line)
    const { OTEL_TRACES_EXPORTER: traces, SIDECAR_HEALTH_URL: health } = await environmentOf(launcher)
    t.strictSame([traces, health], environment['SIDECAR'] === 'off' ? ['none', 'off'] : [undefined, undefined])
    t.notOk(existsSync(join(launcher.dataDir, 'meets')))
  }
})

const collector = realCollector()
t.test('the real Collector takes spans to the last moment and writes them to the data folder', { skip: collector === undefined && 'needs a built Collector: sh scripts/lib/collector.sh build' }, async (t) => {
  const dataDir = temporaryFolder(t)
  const root = join(dataDir, 'root')
  makeCollector(root, { built: false })
  rmSync(join(root, 'collector'), { recursive: true })
  symlinkSync(join(repositoryRoot(__dirname), 'collector'), join(root, 'collector'))
  writeFileSync(join(root, 'scripts', 'lib', 'collector.sh'), `echo '${collector}'\n`)
  const ports = await sidecarPorts()
  const launcher = await startLauncher(t, dataDir, { ROOT: root, SIDECAR: 'auto', DATABASE_URL, OTEL_EXPORTER_TYPE: 'http', ...ports })
  await launcher.until(ready)
  await launcher.until(up)
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = '', SIDECAR_HEALTH_URL: health = '' } = await environmentOf(launcher)
  t.equal((await fetch(health)).status, 200)
  t.equal(endpoint, `http://127.0.0.1:${ports['COLLECTOR_OTLP_HTTP_PORT']}`)
  const send = async (name: string, traceId: string) => {
    const time = `${Date.now()}000000`
    const span = { traceId, spanId: traceId.slice(16), name, kind: 1, startTimeUnixNano: time, endTimeUnixNano: time, attributes: [] }
    const body = JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: { name: 'test' }, spans: [span] }] }] })
    t.equal((await fetch(`${endpoint}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status, 200)
  }
  await send('sent-early', '5b8efff798038103d269b633813fc60c')
  for (const name of ['COLLECTOR_METRICS_PORT', 'COLLECTOR_SPAN_METRICS_PORT']) t.equal((await fetch(`http://127.0.0.1:${ports[name]}/metrics`)).status, 200, name)
  const sidecar = childOf(launcher, launcher, 'otelcol')
  signal(sidecar.pid, 'SIGKILL')
  await launcher.until('The sidecar is back')
  await send('sent-last', '6b8efff798038103d269b633813fc60d')
  const processes = launcher.processes()
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0, launcher.output())
  t.ok(await ended(processes, 2_000), 'nothing runs any more')
  t.match(readFileSync(join(dataDir, 'telemetry', 'traces.jsonl'), 'utf8'), 'sent-last', 'what waited for its decision is decided at the end')
})

t.test('the real Collector says what it does not like about its configuration', { skip: collector === undefined && 'needs a built Collector: sh scripts/lib/collector.sh build' }, async (t) => {
  const dataDir = temporaryFolder(t)
  const root = join(dataDir, 'root')
  makeCollector(root, { built: false })
  writeFileSync(join(root, 'collector', 'config.yaml'), 'receivers: {oltp: {}}\n')
  writeFileSync(join(root, 'collector', 'destinations', 'file.yaml'), '{}\n')
  writeFileSync(join(root, 'scripts', 'lib', 'collector.sh'), `echo '${collector}'\n`)
  const launcher = await startLauncher(t, dataDir, { ROOT: root, SIDECAR: 'auto', DATABASE_URL, ...await sidecarPorts() })
  await launcher.until(/its settings are faulty.*\n +Error: .*\n.*unknown type: "oltp"/)
  signal(launcher.pid, 'SIGINT')
  t.equal(await launcher.exit, 0)
})
