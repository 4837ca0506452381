import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cleanup } from '../cleanup.js'
import { number, words, type Values } from '../options.js'
import { create } from '../parts/service.js'
import { repository, temporaryFolder } from '../places.js'
import { figure } from '../table.js'
import { checkStored, readStored } from './check-database.js'
import { checkWriter } from './check.js'
import { createHistory, type History } from './history.js'
import { launchEverything, VICTIMS, type Launched, type Victim } from './launched.js'
import type { Writer } from './model.js'
import { APPLICATION, write } from './writer.js'

export const about = 'kill -9 while writers write; started again, every acknowledged write is there and revisions have no gap'

export const options = {
  rounds: number(10, { min: 1, max: 1000 }, 'how many times'),
  writers: number(8, { min: 1, max: 64 }, 'writers, each with a connection and configurations of its own'),
  seconds: number(3, { min: 0.1, max: 60 }, 'longest time before the kill; it is chosen at random from 1 s on'),
  kill: { ...words(VICTIMS, 'what is killed, in turns: all, or only the service or the database, which come back by themselves'), standard: 'all' }
}

type Settings = Values<typeof options>

const SHORTEST_S = 1
const MOST_SHOWN = 10
/** How long writers go on after the kill. */
const AFTERWARDS_MS = 250

interface Parts { launched: Launched, history: History, writers: Writer[] }

export async function run (settings: Settings, cleanup: Cleanup): Promise<number> {
  const folder = temporaryFolder(cleanup)
  const history = createHistory()
  const launch = async (): Promise<Launched> => await launchEverything({ dataDir: join(folder, 'data'), output: join(history.folder, 'output.log'), cleanup })
  const writers = Array.from({ length: settings.writers }, (_, n): Writer => ({ number: n + 1, counter: 0, objects: [] }))
  print(`Histories are in ${relative(repository, history.folder)}`)

  let launched = await launch()
  await launched.serving()
  await create(launched.port, 'applications', { name: APPLICATION })
  let acknowledged = 0
  let unknown = 0
  for (let round = 1; round <= settings.rounds; round++) {
    const victim = settings.kill[(round - 1) % settings.kill.length] as Victim
    const before = history.violations.length
    const wrote = await writeAndKill({ launched, history, writers }, round, victim, settings.seconds)
    const startedAt = performance.now()
    if (victim === 'all') launched = await launch()
    await launched.serving()
    const backMs = performance.now() - (victim === 'all' ? startedAt : wrote.killedAt)
    const checked = await check({ launched, history, writers }, round)
    if (victim !== 'all') {
      const code = await launched.stop()
      if (code !== 0) history.violation(round, 'it did not stop in order afterwards', { code })
      launched = await launch()
      await launched.serving()
    }
    acknowledged += wrote.acknowledged
    unknown += wrote.unknown
    const faults = history.violations.length - before
    print(`round ${String(round).padStart(2)}: killed ${victim} (${wrote.processes} processes) after ${figure(wrote.seconds)} s and ${wrote.acknowledged} acknowledged writes` +
      `${wrote.refused > 0 ? `, ${wrote.refused} refused` : ''}; serving again after ${figure(backMs / 1000)} s; ` +
      `unknown: ${wrote.unknown}, of which ${checked.found} were stored, ${checked.lost} not, ${wrote.unknown - checked.found - checked.lost} sent again; ` +
      `revisions 1 to ${checked.revisions}: ${faults === 0 ? 'all there' : `${faults} VIOLATIONS`}`)
  }
  const code = await launched.stop()
  if (code !== 0) history.violation(settings.rounds, 'it did not stop in order at the end', { code })

  print(`\n${settings.rounds} rounds, ${acknowledged} acknowledged writes, ${unknown} of unknown outcome: ` +
    (history.violations.length === 0 ? 'every acknowledged write is there, revisions have no gap.' : `${history.violations.length} violations.`))
  for (const violation of history.violations.slice(0, MOST_SHOWN)) print(JSON.stringify(violation, undefined, 2))
  return history.violations.length === 0 ? 0 : 1
}

async function writeAndKill ({ launched, history, writers }: Parts, round: number, victim: Victim, longest: number): Promise<{ seconds: number, killedAt: number, processes: number, acknowledged: number, unknown: number, refused: number }> {
  const from = Math.min(SHORTEST_S, longest)
  const seconds = from + Math.random() * (longest - from)
  let stopped = false
  const writing = Promise.all(writers.map(async (writer) => await write(writer, { port: launched.port, round, history, stopped: () => stopped })))
  writing.catch(() => {})
  await sleep(seconds * 1000)
  history.record(round, { type: 'kill', victim })
  const processes = await launched.kill(victim)
  const killedAt = performance.now()
  // What is not answered any more ends as unknown by itself; a service that lives on is to be met without a database.
  await sleep(AFTERWARDS_MS)
  stopped = true
  const counts = await writing
  const sum = (name: 'acknowledged' | 'unknown' | 'refused'): number => counts.reduce((total, count) => total + count[name], 0)
  return { seconds, killedAt, processes, acknowledged: sum('acknowledged'), unknown: sum('unknown'), refused: sum('refused') }
}

async function check ({ launched, history, writers }: Parts, round: number): Promise<{ found: number, lost: number, revisions: number }> {
  const { port } = launched
  const checked = await Promise.all(writers.map(async (writer) => await checkWriter(writer, { port, round, history })))
  const stored = await readStored(launched.databaseUrl())
  checkStored(stored, writers.flatMap(({ objects }) => objects), (what, ...entries) => { history.violation(round, what, ...entries) })
  return {
    found: checked.reduce((sum, { found }) => sum + found, 0),
    lost: checked.reduce((sum, { lost }) => sum + lost, 0),
    revisions: stored.revisions.length
  }
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}
