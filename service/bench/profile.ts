import { mkdirSync, mkdtempSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { cacheFolder } from './places.js'
import { figure, table } from './table.js'

/** The parts of a .cpuprofile that are read; times are in microseconds of the machine's monotonic clock. */
export interface Profile {
  nodes: ProfileNode[]
  samples: number[]
  timeDeltas: number[]
  startTime: number
}

interface Frame { functionName: string, url: string, lineNumber: number }
interface ProfileNode { id: number, callFrame: Frame, children?: number[] }

/** What something costs: `share` is of the time that was looked at. */
export interface Cost { name: string, ms: number, share: number }

/** A new folder for profiles, which stay. */
export function profileFolder (): string {
  const profiles = join(cacheFolder, 'profiles')
  mkdirSync(profiles, { recursive: true })
  return mkdtempSync(join(profiles, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}-`))
}

/** The main thread's profile among those of a folder: the largest. */
export function readProfile (folder: string): { file: string, profile: Profile } {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile')).map((name) => join(folder, name))
  const [file] = files.sort((a, b) => statSync(b).size - statSync(a).size)
  if (file === undefined) throw new Error(`no profile was written to ${folder}`)
  return { file, profile: JSON.parse(readFileSync(file, 'utf8')) as Profile }
}

/** Time in microseconds by node, of the samples between two moments (in microseconds of the monotonic clock). */
export function timesByNode ({ samples, timeDeltas, startTime }: Profile, from = -Infinity, until = Infinity): Map<number, number> {
  const times = new Map<number, number>()
  let now = startTime
  samples.forEach((id, n) => {
    now += timeDeltas[n] ?? 0
    if (now < from || now >= until) return
    // A delta leads to its sample, so the time spent at a sample is the delta of the next.
    times.set(id, (times.get(id) ?? 0) + (timeDeltas[n + 1] ?? 0))
  })
  return times
}

/** Sums up by name, most first. */
export function costs (times: ReadonlyMap<number, number>, nameOf: (id: number) => string): Cost[] {
  const sums = new Map<string, number>()
  let total = 0
  for (const [id, time] of times) {
    const name = nameOf(id)
    sums.set(name, (sums.get(name) ?? 0) + time)
    total += time
  }
  return [...sums].map(([name, time]) => ({ name, ms: time / 1000, share: time / total })).sort((a, b) => b.ms - a.ms)
}

/** Names a node by its function and place. */
export function functionNames (profile: Profile, root: string): (id: number) => string {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  return (id) => {
    const { functionName = '(unknown)', url = '', lineNumber = 0 } = frames.get(id) ?? {}
    return `${functionName || '(anonymous)'}${url === '' ? '' : ` ${fileOf(url, root)}:${lineNumber + 1}`}`
  }
}

/**
 * Names a node by its package, or by its file when it is the service's own. What Node itself does (its own modules,
 * native functions) is put down to whoever called it.
 */
export function partNames (profile: Profile, root: string): (id: number) => string {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const nameOf = (id: number): string => {
    const { functionName = '', url = '' } = byId.get(id)?.callFrame ?? {}
    if (url !== '' && !url.startsWith('node:')) return partOf(url, root)
    const parent = parents.get(id)
    const above = parent === undefined || functionName.startsWith('(') ? '' : nameOf(parent)
    if (above !== '' && !above.startsWith('(') && !above.startsWith('node:')) return above
    return url === '' ? functionName || '(native)' : url
  }
  return nameOf
}

const MOST = 25

/** The tables that are printed. @param root what paths are shown relative to */
export function profileText (profile: Profile, root: string, from: number, until: number): string {
  const columns = [{ title: 'own ms', align: 'right' }, { title: '%', align: 'right' }, { title: '' }] as const
  const measured = timesByNode(profile, from, until)
  // Where the clock of the profile is another one, all of it is shown.
  const times = measured.size > 0 ? measured : timesByNode(profile)
  const top = (title: string, found: Cost[]): string => `${title}\n\n` +
    table(columns, found.slice(0, MOST).map(({ name, ms, share }) => [figure(ms), (share * 100).toFixed(1), name]))
  return [
    top('By function:', costs(times, functionNames(profile, root))),
    top('By package or file, with what they call of Node itself:', costs(times, partNames(profile, root)))
  ].join('\n\n')
}

function partOf (url: string, root: string): string {
  const file = fileOf(url, root)
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file
}

function fileOf (url: string, root: string): string {
  return url.startsWith('file://') ? relative(root, new URL(url).pathname) : url.startsWith('/') ? relative(root, url) : url
}
