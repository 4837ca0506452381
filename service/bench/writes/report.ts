import { median } from '../figures.js'
import { figure, table } from '../table.js'
import type { Slice } from './slice.js'
import { ABOUT, type Way } from './ways.js'

/** All rounds of one way under one number of connections. */
export interface Summary {
  connections: number
  way: Way
  writesPerSecond: { median: number, min: number, max: number }
  p50Ms: number
  p99Ms: number
  writesPerCommit: number
  /** How many times the writes of the naive way in the same round, median over the rounds. */
  timesNaive: number | undefined
  cpu: Slice['cpu']
}

export function summarize (slices: readonly Slice[]): Summary[] {
  return [...Map.groupBy(slices, ({ connections, way }) => `${connections} ${way}`).values()].map((group) => {
    const [{ connections, way }] = group as [Slice]
    const middle = (of: (slice: Slice) => number): number => median(group.map(of))
    const rates = group.map(({ writesPerSecond }) => writesPerSecond)
    const ratios = group.flatMap(({ round, writesPerSecond }) => slices
      .filter((other) => other.way === 'naive' && other.connections === connections && other.round === round)
      .map((naive) => writesPerSecond / naive.writesPerSecond))
    return {
      connections,
      way,
      writesPerSecond: { median: median(rates), min: Math.min(...rates), max: Math.max(...rates) },
      p50Ms: middle((slice) => slice.p50Ms),
      p99Ms: middle((slice) => slice.p99Ms),
      writesPerCommit: middle((slice) => slice.writesPerCommit),
      timesNaive: ratios.length === 0 ? undefined : median(ratios),
      cpu: { service: middle(({ cpu }) => cpu.service), database: middle(({ cpu }) => cpu.database), client: middle(({ cpu }) => cpu.client) }
    }
  })
}

const COLUMNS = [
  { title: 'connections', align: 'right' },
  { title: 'way' },
  { title: 'writes/s', align: 'right' },
  { title: 'min - max', align: 'right' },
  { title: 'x naive', align: 'right' },
  { title: 'writes/commit', align: 'right' },
  { title: 'p50 ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'CPU service', align: 'right' },
  { title: 'PostgreSQL', align: 'right' },
  { title: 'client', align: 'right' },
  { title: 'service us/write', align: 'right' },
  { title: 'PostgreSQL us/write', align: 'right' }
] as const

export function summaryText (summaries: readonly Summary[]): string {
  const ways = [...new Set(summaries.map(({ way }) => way))]
  const rows = summaries.map(({ connections, way, writesPerSecond, timesNaive, writesPerCommit, p50Ms, p99Ms, cpu }) => [
    String(connections), way, figure(writesPerSecond.median), `${figure(writesPerSecond.min)} - ${figure(writesPerSecond.max)}`,
    figure(timesNaive), figure(writesPerCommit), figure(p50Ms), figure(p99Ms), figure(cpu.service), figure(cpu.database), figure(cpu.client),
    ...[cpu.service, cpu.database].map((cores) => figure(cores / writesPerSecond.median * 1e6))
  ])
  return [
    table(COLUMNS, rows),
    '',
    ...ways.map((way) => `${way.padEnd(8)} ${ABOUT[way]}`),
    'Medians over the rounds. CPU is in cores (1.00 is one core all the time), and in microseconds for each write,',
    'which depend less on what else the machine does.'
  ].join('\n')
}
