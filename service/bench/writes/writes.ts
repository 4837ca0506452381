import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { startEmbeddedDatabase, type EmbeddedDatabase } from '../../src/database/embedded.js'
import type { Cleanup } from '../cleanup.js'
import { clockMs } from '../clock.js'
import { describeMachine, loadNow, machineText } from '../machine.js'
import { file, flag, number, numbers, pairs, words, type Values } from '../options.js'
import { create } from '../parts/service.js'
import { repository, serviceFolder, temporaryFolder } from '../places.js'
import { profileFolder, profileText, readProfile } from '../profile.js'
import { figure } from '../table.js'
import { startLoadProcess, type LoadProcess } from './load-process.js'
import { summarize, summaryText } from './report.js'
import { startWritingService, type WritingService } from './service-process.js'
import { measureSlice, type Slice } from './slice.js'
import { verify, type Acknowledged } from './verify.js'
import { WAYS } from './ways.js'

export const about = 'durable writes a second, beside one transaction a request'

export const options = {
  seconds: number(4, { min: 0.2, max: 120 }, 'measured time of each slice'),
  connections: numbers([1, 8, 32, 64], { min: 1, max: 512 }, 'connections that write at the same time'),
  rounds: number(2, { min: 1, max: 50 }, 'how many times everything is measured, in alternating order'),
  ways: words(WAYS, 'the ways of writing that are compared'),
  'value-bytes': number(200, { min: 10, max: 100_000 }, 'size of the values of a configuration'),
  'warm-up': number(0.5, { min: 0, max: 60 }, 'seconds of load before each slice that do not count'),
  environment: pairs('more variables for the service, such as OTEL_SDK_DISABLED=true'),
  database: pairs('more settings for PostgreSQL, such as synchronous_commit=off'),
  profile: flag('profile the service as it is under the most connections instead'),
  json: file('also write the figures here')
}

type Settings = Values<typeof options>

const APPLICATION = 'bench'
// Everything that is compiled while it runs is compiled after this, in s.
const FIRST_WARM_UP = 3

interface Parts { database: EmbeddedDatabase, load: LoadProcess, acknowledged: Acknowledged[] }

/** Numbers the slices, so that their configurations have different names. */
let sliceNumber = 0

export async function run (settings: Settings, cleanup: Cleanup): Promise<number> {
  const load = loadNow()
  const folder = temporaryFolder(cleanup)
  const starting = startEmbeddedDatabase({ dataDir: join(folder, 'data'), settings: settings.database })
  cleanup.later(async () => { await starting.then(async (database) => { await database.stop({ now: true }) }, () => {}) })
  const database = await starting
  const machine = describeMachine(folder, database.version, load)
  print(machineText(machine))
  const parts: Parts = { database, load: startLoadProcess(cleanup), acknowledged: [] }

  if (settings.profile) await profile(settings, parts, folder, cleanup)
  else {
    const slices = await compare(settings, parts, folder, cleanup)
    const summary = summarize(slices)
    print(`\n${summaryText(summary)}`)
    if (settings.json !== '') writeFileSync(settings.json, `${JSON.stringify({ machine, settings, summary, slices }, undefined, 2)}\n`)
  }

  const verdict = await verify(database.url, parts.acknowledged, 1)
  print(`\nChecked: ${verdict.acknowledged.toLocaleString('en-US')} acknowledged writes, revisions 1 to ${verdict.revisions.toLocaleString('en-US')}: ` +
    (verdict.faults.length === 0 ? 'all there, no gap.' : `\n${verdict.faults.join('\n')}`))
  return verdict.faults.length === 0 ? 0 : 1
}

async function compare (settings: Settings, parts: Parts, folder: string, cleanup: Cleanup): Promise<Slice[]> {
  const services: WritingService[] = []
  for (const way of settings.ways) {
    services.push(await startWritingService({ way, databaseUrl: parts.database.url, folder, environment: settings.environment, cleanup }))
  }
  await createApplication(services[0])
  for (const service of services) await slice(settings, parts, service, { round: 0, connections: Math.max(...settings.connections), seconds: FIRST_WARM_UP })

  const slices: Slice[] = []
  for (let round = 1; round <= settings.rounds; round++) {
    for (const connections of settings.connections) {
      // What the machine does at the time must not always meet the same way.
      for (const service of round % 2 === 1 ? services : services.toReversed()) {
        const figures = await slice(settings, parts, service, { round, connections, seconds: settings.seconds })
        slices.push(figures)
        process.stderr.write(`round ${round}, ${connections} connections, ${service.way}: ${figure(figures.writesPerSecond)} writes/s\n`)
      }
    }
  }
  return slices
}

async function profile (settings: Settings, parts: Parts, folder: string, cleanup: Cleanup): Promise<void> {
  const connections = Math.max(...settings.connections)
  const own = profileFolder()
  const service = await startWritingService({
    way: 'batched', databaseUrl: parts.database.url, folder, environment: settings.environment, node: ['--cpu-prof', `--cpu-prof-dir=${own}`], cleanup
  })
  await createApplication(service)
  await slice(settings, parts, service, { round: 0, connections, seconds: FIRST_WARM_UP })
  const from = clockMs()
  const figures = await slice(settings, parts, service, { round: 1, connections, seconds: settings.seconds })
  const until = clockMs()
  await service.stop()
  const { file, profile } = readProfile(own)
  print(`\n${figure(figures.writesPerSecond)} writes/s at ${connections} connections under the profiler, ${figure(figures.writesPerCommit)} writes a commit; ` +
    `CPU in cores: service ${figure(figures.cpu.service)}, PostgreSQL ${figure(figures.cpu.database)}, client ${figure(figures.cpu.client)}`)
  print(`Own time of the main thread under this load (all of it: ${relative(repository, file)}).\n\n${profileText(profile, serviceFolder, from * 1000, until * 1000)}`)
}

async function slice (settings: Settings, { database, load, acknowledged }: Parts, service: WritingService, { round, connections, seconds }: { round: number, connections: number, seconds: number }): Promise<Slice> {
  sliceNumber += 1
  const found = await measureSlice({
    round,
    slice: sliceNumber,
    connections,
    warmUpMs: settings['warm-up'] * 1000,
    measureMs: seconds * 1000,
    application: APPLICATION,
    valueBytes: settings['value-bytes']
  }, { service, load, databasePid: database.pid })
  for (const one of found.acknowledged) acknowledged.push(one)
  return found.figures
}

async function createApplication (service: WritingService | undefined): Promise<void> {
  if (service === undefined) throw new Error('there is no service')
  await create(service.port, 'applications', { name: APPLICATION })
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}
