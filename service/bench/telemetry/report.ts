import { median } from '../figures.js'
import { figure, table } from '../table.js'
import { SETTINGS } from './modes.js'
import type { Slice } from './slice.js'

/** All rounds of one mode under one workload; medians. */
export interface Summary extends Omit<Slice, 'round' | 'requests' | 'lost' | 'from' | 'until'> {
  least: number
  most: number
  /** Beside the same round without telemetry; nothing when that was not measured. */
  off: { timesRequests: number, extraUs: number, extraShare: number } | undefined
  refused: number
  forgotten: number
}

export function summarize (slices: readonly Slice[]): Summary[] {
  return [...Map.groupBy(slices, ({ workload, mode }) => `${workload} ${mode}`).values()].map((group) => {
    const [{ workload, mode }] = group as [Slice]
    const middle = (of: (slice: Slice) => number): number => median(group.map(of))
    const rates = group.map(({ requestsPerSecond }) => requestsPerSecond)
    const pairs = group.flatMap((slice) => slices
      .filter((other) => other.mode === 'off' && other.workload === workload && other.round === slice.round)
      .map((off) => ({ slice, off })))
    const paired = (of: (pair: { slice: Slice, off: Slice }) => number): number => median(pairs.map(of))
    return {
      workload,
      mode,
      requestsPerSecond: median(rates),
      least: Math.min(...rates),
      most: Math.max(...rates),
      p50Ms: middle(({ p50Ms }) => p50Ms),
      p99Ms: middle(({ p99Ms }) => p99Ms),
      cpuUs: { service: middle(({ cpuUs }) => cpuUs.service), collector: middle(({ cpuUs }) => cpuUs.collector), database: middle(({ cpuUs }) => cpuUs.database) },
      clientCores: middle(({ clientCores }) => clientCores),
      // Memory grows: the last is what there is.
      bytes: (group.at(-1) as Slice).bytes,
      otlpBytes: middle(({ otlpBytes }) => otlpBytes),
      spans: middle(({ spans }) => spans),
      droppedShare: middle(({ droppedShare }) => droppedShare),
      off: mode === 'off' || pairs.length === 0
        ? undefined
        : {
            timesRequests: paired(({ slice, off }) => slice.requestsPerSecond / off.requestsPerSecond),
            extraUs: paired(({ slice, off }) => slice.cpuUs.service - off.cpuUs.service),
            extraShare: paired(({ slice, off }) => slice.cpuUs.service / off.cpuUs.service - 1)
          },
      level: Math.max(...group.map(({ level }) => level)),
      refused: group.reduce((sum, { lost }) => sum + lost.refused, 0),
      forgotten: group.reduce((sum, { lost }) => sum + lost.forgotten, 0)
    }
  })
}

const FELT = [
  { title: 'workload' },
  { title: 'mode' },
  { title: 'requests/s', align: 'right' },
  { title: 'min - max', align: 'right' },
  { title: 'x off', align: 'right' },
  { title: 'p50 ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'spans/request', align: 'right' },
  { title: 'dropped by the SDK', align: 'right' },
  { title: 'OTLP bytes/request', align: 'right' }
] as const

const PAID = [
  { title: 'workload' },
  { title: 'mode' },
  { title: 'service us/request', align: 'right' },
  { title: 'over off', align: 'right' },
  { title: '%', align: 'right' },
  { title: 'Collector us/request', align: 'right' },
  { title: 'PostgreSQL us/request', align: 'right' },
  { title: 'client cores', align: 'right' },
  { title: 'service MB', align: 'right' },
  { title: 'Collector MB', align: 'right' }
] as const

export function summaryText (summaries: readonly Summary[]): string {
  const modes = [...new Set(summaries.map(({ mode }) => mode))]
  return [
    table(FELT, summaries.map((one) => [
      one.workload, one.mode, figure(one.requestsPerSecond), `${figure(one.least)} - ${figure(one.most)}`, figure(one.off?.timesRequests),
      figure(one.p50Ms), figure(one.p99Ms), figure(one.spans), percent(one.droppedShare), figure(one.otlpBytes)
    ])),
    '',
    table(PAID, summaries.map((one) => [
      one.workload, one.mode, figure(one.cpuUs.service), figure(one.off?.extraUs), percent(one.off?.extraShare), figure(one.cpuUs.collector),
      figure(one.cpuUs.database), figure(one.clientCores), megabytes(one.bytes.service), megabytes(one.bytes.collector)
    ])),
    '',
    ...modes.map((mode) => `${mode.padEnd(10)} ${SETTINGS[mode].about}`),
    'Medians over the rounds, ratios and differences of the same round; memory is that of the end. Where spans are',
    'dropped, the figures beside are too good. All of it runs on the same cores: what the sidecar uses, requests lack.',
    ...summaries.flatMap(lossText)
  ].join('\n')
}

function lossText ({ workload, mode, level, refused, forgotten }: Summary): string[] {
  const found = [
    ...(level > 1 ? [`the service reduced its telemetry to level ${level}, so that less was measured than it seems`] : []),
    ...(refused > 0 ? [`${figure(refused)} spans were refused by the sidecar (its memory limit)`] : []),
    ...(forgotten > 0 ? [`${figure(forgotten)} traces were forgotten by it before their time (SAMPLING_TRACES)`] : [])
  ]
  return found.length === 0 ? [] : [`${workload}, ${mode}: ${found.join(', ')}`]
}

function percent (share: number | undefined): string {
  return share === undefined || !Number.isFinite(share) ? '-' : `${(share * 100).toFixed(1)} %`
}

function megabytes (bytes: number): string {
  return Number.isFinite(bytes) ? String(Math.round(bytes / 1e6)) : '-'
}
