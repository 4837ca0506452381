import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { startEmbeddedDatabase, type EmbeddedDatabase } from '../../src/database/embedded.js'
import type { Cleanup } from '../cleanup.js'
import { describeMachine, loadNow, machineText } from '../machine.js'
import { file, flag, number, pairs, words, type Values } from '../options.js'
import { buildCollector, sidecarConfigs, startCollector } from '../parts/collector.js'
import { startLoadProcess, type LoadProcess } from '../parts/load-process.js'
import { readName, valuesOf } from '../parts/load-order.js'
import { create, startService } from '../parts/service.js'
import { repository, serviceFolder, temporaryFolder } from '../places.js'
import { profileFolder, readProfile } from '../profile.js'
import { figure } from '../table.js'
import { attributionText, type Profiled } from './attribution.js'
import { MODES, SETTINGS, WORKLOADS, type Mode, type Workload } from './modes.js'
import { summarize, summaryText } from './report.js'
import { measureSlice, settle, type Slice, type Subject } from './slice.js'

export const about = 'what telemetry costs: requests and processor time with it and without, sidecar included'

export const options = {
  seconds: number(6, { min: 0.5, max: 120 }, 'measured time of each slice'),
  rounds: number(2, { min: 1, max: 50 }, 'how many times everything is measured, in alternating order'),
  modes: { ...words(MODES, `how much telemetry: ${MODES.join(', ')}`), standard: 'off,production,staging' },
  workloads: words(WORKLOADS, 'what requests do: read one configuration by its name, or create one'),
  connections: number(16, { min: 1, max: 512 }, 'connections that send at the same time'),
  rate: number(0, { min: 0, max: 100_000 }, 'requests a second; 0: as many as there can be'),
  'warm-up': number(12, { min: 0, max: 120 }, 'seconds of load before each slice that do not count; the sidecar decides on traces after 10'),
  'value-bytes': number(200, { min: 10, max: 100_000 }, 'size of the values of a configuration'),
  environment: pairs('more variables for the service, such as OTEL_BSP_MAX_QUEUE_SIZE=20000'),
  sidecar: pairs('more variables for the sidecar, such as SAMPLING_DECISION_WAIT=1s'),
  profile: flag('profile each mode instead, and tell whose work it is'),
  json: file('also write the figures here')
}

type Settings = Values<typeof options>

interface Parts { settings: Settings, program: string, database: EmbeddedDatabase, load: LoadProcess, folder: string, cleanup: Cleanup }

const APPLICATION = 'bench'
const TO_READ = 1000
// Everything that is compiled while it runs is compiled after this, in s.
const FIRST_WARM_UP = 3

/** Numbers the slices, so that their configurations have different names. */
let sliceNumber = 0

export async function run (settings: Settings, cleanup: Cleanup): Promise<number> {
  const load = loadNow()
  const program = await buildCollector(cleanup)
  const folder = temporaryFolder(cleanup)
  // Each mode has a service of its own, and each service a pool.
  const starting = startEmbeddedDatabase({ dataDir: join(folder, 'data'), settings: { max_connections: '100' } })
  cleanup.later(async () => { await starting.then(async (database) => { await database.stop({ now: true }) }, () => {}) })
  const database = await starting
  const machine = describeMachine(folder, database.version, load)
  print(machineText(machine))
  const parts: Parts = { settings, program, database, load: startLoadProcess(cleanup), folder, cleanup }

  if (settings.profile) await profile(parts)
  else {
    const slices = await compare(parts)
    const summary = summarize(slices)
    print(`\n${summaryText(summary)}`)
    if (settings.json !== '') writeFileSync(settings.json, `${JSON.stringify({ machine, settings, summary, slices }, undefined, 2)}\n`)
  }
  return 0
}

async function compare (parts: Parts): Promise<Slice[]> {
  const { settings } = parts
  const subjects: Subject[] = []
  for (const mode of settings.modes) subjects.push(await startSubject(parts, mode))
  await fill(parts, subjects[0])
  for (const subject of subjects) await warmUp(parts, subject)

  const slices: Slice[] = []
  for (let round = 1; round <= settings.rounds; round++) {
    // What the machine does at the time must not always meet the same mode.
    for (const subject of round % 2 === 1 ? subjects : subjects.toReversed()) {
      for (const workload of settings.workloads) {
        const found = await slice(parts, subject, { round, workload })
        slices.push(found)
        process.stderr.write(`round ${round}, ${workload}, ${subject.mode}: ${figure(found.requestsPerSecond)} requests/s\n`)
      }
      await settle(subject)
    }
  }
  return slices
}

/** Each mode after the other, since a profile is written when the service ends. */
async function profile (parts: Parts): Promise<void> {
  const { settings } = parts
  const profiled = new Map<Workload, Profiled[]>(settings.workloads.map((workload) => [workload, []]))
  for (const [n, mode] of settings.modes.entries()) {
    const own = profileFolder()
    const subject = await startSubject(parts, mode, ['--cpu-prof', `--cpu-prof-dir=${own}`])
    if (n === 0) await fill(parts, subject)
    await warmUp(parts, subject)
    const slices: Slice[] = []
    for (const workload of settings.workloads) slices.push(await slice(parts, subject, { round: 1, workload }))
    await subject.service.stop()
    await subject.collector?.stop()
    const { file, profile } = readProfile(own)
    process.stderr.write(`${mode}: ${relative(repository, file)}\n`)
    for (const { workload, from, until, cpuUs } of slices) profiled.get(workload)?.push({ mode, profile, from, until, cpuUs: cpuUs.service })
  }
  for (const [workload, found] of profiled) print(`\n${workload}: processor time of the service, shared out as the main thread's samples are\n\n${attributionText(found, serviceFolder)}`)
}

async function startSubject ({ settings, program, database, folder: parent, cleanup }: Parts, mode: Mode, node: readonly string[] = []): Promise<Subject> {
  const { automatic, environment, sidecar } = SETTINGS[mode]
  const folder = join(parent, mode)
  mkdirSync(folder)
  const collector = sidecar === undefined
    ? undefined
    : await startCollector({ program, name: 'sidecar', folder, configs: sidecarConfigs('file'), environment: { ...sidecar, ...settings.sidecar }, cleanup })
  const service = await startService({
    name: mode, databaseUrl: database.url, folder, environment: { ...collector?.environment, ...environment, ...settings.environment }, automatic, node, cleanup
  })
  return { mode, service, collector }
}

/** What is read. */
async function fill ({ settings }: Parts, subject: Subject | undefined): Promise<void> {
  if (subject === undefined) throw new Error('there is no service')
  const { port } = subject.service
  await create(port, 'applications', { name: APPLICATION })
  for (let n = 0; n < TO_READ; n++) await create(port, 'configurations', { application: APPLICATION, name: readName(n), values: valuesOf(settings['value-bytes']) })
}

async function warmUp (parts: Parts, subject: Subject): Promise<void> {
  for (const workload of parts.settings.workloads) await slice(parts, subject, { round: 0, workload, warmUpMs: 0, measureMs: FIRST_WARM_UP * 1000 })
}

async function slice ({ settings, database, load }: Parts, subject: Subject, order: { round: number, workload: Workload, warmUpMs?: number, measureMs?: number }): Promise<Slice> {
  sliceNumber += 1
  return await measureSlice({
    warmUpMs: settings['warm-up'] * 1000,
    measureMs: settings.seconds * 1000,
    connections: settings.connections,
    rate: settings.rate,
    application: APPLICATION,
    toRead: TO_READ,
    valueBytes: settings['value-bytes'],
    prefix: `s${sliceNumber}`,
    ...order
  }, { subject, load, databasePid: database.pid })
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}
