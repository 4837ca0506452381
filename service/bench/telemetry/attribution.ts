import { costs, partNames, timesByNode, type Profile } from '../profile.js'
import { figure, table } from '../table.js'
import type { Mode } from './modes.js'

/** What a profile says of one slice; `cpuUs` is the processor time of the whole service for each request. */
export interface Profiled { mode: Mode, profile: Profile, from: number, until: number, cpuUs: number }

const GROUPS = ['telemetry', 'log', 'http', 'pg', 'service', 'garbage collector', 'other'] as const
type Group = typeof GROUPS[number]

const PACKAGES: ReadonlyArray<[Group, RegExp]> = [
  ['telemetry', /^(@opentelemetry\/|@grpc\/|@protobufjs\/|protobufjs$|import-in-the-middle$|require-in-the-middle$|.*\/src\/telemetry\/|.*\/src\/.*telemetry\.js$)/],
  ['log', /^(winston|winston-transport|logform|triple-beam|safe-stable-stringify|@so-ric\/colorspace|readable-stream|@colors\/colors)$/],
  ['http', /^(fastify|find-my-way|fast-json-stringify|secure-json-parse|avvio|light-my-request|@fastify\/.*|@fastify|node:.*http.*|node:net|node:.*stream.*)$/],
  ['pg', /^(pg|pg-.*|postgres-.*)$/],
  ['garbage collector', /^\(garbage collector\)$/],
  ['service', /^[^@(].*\/src\//]
]

/** Whose work a part of a profile is. */
export function groupOf (part: string): Group {
  return PACKAGES.find(([, names]) => names.test(part))?.[0] ?? 'other'
}

/**
 * Microseconds of processor time for each request, a column for each mode: by whose work it is, and telemetry's by
 * package. Samples say what share something has, and not how long it took: they also count while the process waits
 * for a core. What the profiler itself costs is in it.
 */
export function attributionText (profiled: readonly Profiled[], root: string): string {
  const byMode = profiled.map(({ mode, profile, from, until, cpuUs }) => {
    const busy = costs(timesByNode(profile, from * 1000, until * 1000), partNames(profile, root)).filter(({ name }) => name !== '(idle)')
    const busyMs = busy.reduce((total, { ms }) => total + ms, 0)
    return { mode, parts: busy.map(({ name, ms }) => ({ name, us: cpuUs * ms / busyMs })) }
  })
  const sum = (parts: ReadonlyArray<{ us: number }>): number => parts.reduce((total, { us }) => total + us, 0)
  const columns = (title: string) => [{ title }, ...byMode.map(({ mode }) => ({ title: `${mode} us/request`, align: 'right' as const }))]
  const groups = GROUPS.map((group) => [group, ...byMode.map(({ parts }) => figure(sum(parts.filter(({ name }) => groupOf(name) === group))))])
  const names = new Map<string, number>()
  for (const { parts } of byMode) {
    for (const { name, us } of parts) if (groupOf(name) === 'telemetry') names.set(name, (names.get(name) ?? 0) + us)
  }
  const most = [...names].sort(([, a], [, b]) => b - a).slice(0, 15).map(([name]) => name)
  return [
    table(columns('whose work'), [...groups, ['all', ...byMode.map(({ parts }) => figure(sum(parts)))]]),
    table(columns('telemetry, by package or file'), most.map((name) => [name, ...byMode.map(({ parts }) => figure(sum(parts.filter((part) => part.name === name))))]))
  ].join('\n\n')
}
