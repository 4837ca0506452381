import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbeddedDatabase } from '../../src/database/embedded.js'
import type { Cleanup } from '../cleanup.js'
import { clockMs } from '../clock.js'
import { describeMachine, loadNow, machineText } from '../machine.js'
import { file, flag, number, pairs, words, type Values } from '../options.js'
import { buildCollector, sidecarConfigs, startCollector } from '../parts/collector.js'
import { scrape } from '../parts/exposition.js'
import { readName, valuesOf } from '../parts/load-order.js'
import { startLoadProcess, type LoadProcess } from '../parts/load-process.js'
import { create, startService } from '../parts/service.js'
import { temporaryFolder } from '../places.js'
import { figure } from '../table.js'
import { spanCounts } from '../telemetry/spans.js'
import { phaseOf, type Bounds, type Part, type Phase } from './phase.js'
import { levelText, reportText } from './report.js'
import { COURSES, TROUBLES, type Sidecars, type Trouble } from './troubles.js'
import { watch } from './watch.js'

export const about = 'what requests feel while the sidecar is stopped, killed, hung, or its destination is away: no failure'

export const options = {
  rate: number(400, { min: 1, max: 10_000 }, 'requests a second'),
  'write-share': number(0.2, { min: 0, max: 1 }, 'share of them that write; the others read'),
  connections: number(16, { min: 1, max: 512 }, 'connections that they are sent over'),
  seconds: number(25, { min: 2, max: 600 }, 'time before each trouble, with it, and after it; level 2 comes after 15 to 22'),
  recovery: number(150, { min: 0, max: 900 }, 'longest time after the first trouble, until the level is 1 again'),
  troubles: words(TROUBLES, `in this order, each with a new service: ${TROUBLES.join(', ')}`),
  environment: pairs('more variables for the service'),
  sidecar: pairs('more variables for the sidecar'),
  quick: flag('6 s instead, and no recovery: too short for the level to move'),
  json: file('also write the figures here')
}

type Settings = Values<typeof options>

interface Parts extends Sidecars { settings: Settings, databaseUrl: string, load: LoadProcess, folder: string, cleanup: Cleanup }

const APPLICATION = 'bench'
const TO_READ = 1000
const VALUE_BYTES = 200
const QUICK_S = 6
const WARM_UP_MS = 8000
const SCRAPED_MS = 500

export async function run (given: Settings, cleanup: Cleanup): Promise<number> {
  const settings = given.quick ? { ...given, seconds: QUICK_S, recovery: 0 } : given
  const machineLoad = loadNow()
  const program = await buildCollector(cleanup)
  const folder = temporaryFolder(cleanup)
  const starting = startEmbeddedDatabase({ dataDir: join(folder, 'data') })
  cleanup.later(async () => { await starting.then(async (database) => { await database.stop({ now: true }) }, () => {}) })
  const database = await starting
  const machine = describeMachine(folder, database.version, machineLoad)
  print(machineText(machine))

  const destinationConfig = join(folder, 'destination.yaml')
  writeFileSync(destinationConfig, DESTINATION)
  const destination = await startCollector({ program, name: 'destination', folder, configs: [destinationConfig], cleanup })
  const sidecar = await startCollector({
    program,
    name: 'sidecar',
    folder,
    configs: sidecarConfigs('tempo'),
    environment: { OTEL_ENVIRONMENT: 'production', SAMPLING_PERCENTAGE: '10', TEMPO_ENDPOINT: destination.grpc, ...settings.sidecar },
    cleanup
  })
  const parts: Parts = { settings, sidecar, destination, databaseUrl: database.url, load: startLoadProcess(cleanup), folder, cleanup }

  const phases: Phase[] = []
  for (const trouble of settings.troubles) {
    const isFirst = phases.every(({ trouble }) => trouble === 'none') && trouble !== 'none'
    phases.push(...await scenario(parts, trouble, isFirst ? settings.recovery : 0))
  }
  print(`\n${reportText(phases, settings.rate)}`)
  if (settings.json !== '') writeFileSync(settings.json, `${JSON.stringify({ machine, settings, phases }, undefined, 2)}\n`)
  return phases.every(({ failures }) => failures.length === 0) ? 0 : 1
}

/**
 * A trouble, with a service of its own: the level of one that has seen trouble before comes back later and later.
 * @param recoveryS longest time to wait for the level afterwards
 */
async function scenario (parts: Parts, trouble: Trouble, recoveryS: number): Promise<Phase[]> {
  const { settings, sidecar, load } = parts
  const service = await startSubject(parts, trouble)
  const running = load.begin({
    port: service.port,
    connections: settings.connections,
    rate: settings.rate,
    writeShare: settings['write-share'],
    application: APPLICATION,
    toRead: TO_READ,
    prefix: trouble,
    valueBytes: VALUE_BYTES,
    atMostMs: WARM_UP_MS + settings.seconds * 3000 + recoveryS * 1000 + 120_000
  })
  await sleep(WARM_UP_MS)
  const watching = watch(service, sidecar.pid)
  const bounds: Bounds[] = []
  const part = async (name: Part, work: () => Promise<unknown>): Promise<void> => {
    const before = spanCounts(await scrape(service.metricsUrl), '')
    // What the requests feel of the scrape is not the trouble's.
    await sleep(SCRAPED_MS)
    const from = clockMs()
    await work()
    const until = clockMs()
    const after = spanCounts(await scrape(service.metricsUrl), '')
    bounds.push({ part: name, from, until, spans: { recorded: after.recorded - before.recorded, dropped: after.dropped - before.dropped } })
  }
  const rest = async (): Promise<void> => { await sleep(settings.seconds * 1000) }

  await part('before', rest)
  await part('during', async () => {
    await COURSES[trouble].begin(parts)
    await rest()
  })
  await part('after', async () => {
    await COURSES[trouble].end(parts)
    await rest()
    const until = clockMs() + (recoveryS - settings.seconds) * 1000
    while (watching.samples.at(-1)?.level !== 1 && clockMs() < until) await sleep(1000)
    // One more look, so that the level is seen to be there.
    if (recoveryS > 0) await sleep(2000)
  })

  await watching.end()
  const result = await running.stop()
  await service.stop()
  const all = { ...result, failures: [...result.failures, ...watching.failures] }
  return bounds.map((one) => {
    const phase = phaseOf(trouble, one, all, watching.samples)
    process.stderr.write(`${trouble}, ${phase.part}: ${figure(phase.requestsPerSecond)} requests/s, ${phase.failures.length} failed, p99 ${figure(phase.p99Ms)} ms, level ${levelText(phase.levels)}\n`)
    return phase
  })
}

async function startSubject ({ settings, sidecar, databaseUrl, folder: parent, cleanup }: Parts, trouble: Trouble): ReturnType<typeof startService> {
  const folder = join(parent, `service-${trouble}`)
  mkdirSync(folder)
  const service = await startService({
    name: trouble, databaseUrl, folder, environment: { OTEL_ENVIRONMENT: 'production', ...sidecar.environment, ...settings.environment }, cleanup
  })
  if (trouble === settings.troubles[0]) {
    await create(service.port, 'applications', { name: APPLICATION })
    for (let n = 0; n < TO_READ; n++) await create(service.port, 'configurations', { application: APPLICATION, name: readName(n), values: valuesOf(VALUE_BYTES) })
  }
  return service
}

/** A Collector that takes traces and forgets them. */
const DESTINATION = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:\${env:COLLECTOR_OTLP_GRPC_PORT}"}
exporters:
  nop:
extensions:
  health_check: {endpoint: "127.0.0.1:\${env:COLLECTOR_HEALTH_PORT}"}
service:
  extensions: [health_check]
  telemetry:
    metrics: {level: none}
  pipelines:
    traces: {receivers: [otlp], exporters: [nop]}
`

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}
