import { figure, table } from '../table.js'
import type { Phase } from './phase.js'
import { COURSES } from './troubles.js'

const COLUMNS = [
  { title: 'trouble' },
  { title: 'part' },
  { title: 's', align: 'right' },
  { title: 'requests', align: 'right' },
  { title: '/s', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'p50 ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'worst ms', align: 'right' },
  { title: 'service MB', align: 'right' },
  { title: 'sidecar MB', align: 'right' },
  { title: 'spans', align: 'right' },
  { title: 'dropped', align: 'right' },
  { title: 'level' }
] as const

// A part may end with a few requests under way.
const REACHED = 0.97

function phaseRow (phase: Phase): string[] {
  return [
    phase.trouble, phase.part, String(Math.round(phase.seconds)), phase.requests.toLocaleString('en-US'), figure(phase.requestsPerSecond), String(phase.failures.length),
    figure(phase.p50Ms), figure(phase.p99Ms), figure(phase.worstMs), megabytes(phase.bytes.service), megabytes(phase.bytes.sidecar),
    count(phase.spans.recorded), count(phase.spans.dropped), levelText(phase.levels)
  ]
}

/** @param rate requests a second that were asked for */
export function reportText (phases: readonly Phase[], rate: number): string {
  const troubles = [...new Set(phases.map(({ trouble }) => trouble))]
  const failures = phases.flatMap(({ failures }) => failures)
  const reasons = [...new Set(phases.flatMap(({ levels }) => levels).flatMap(({ level, reason }) => reason === null ? [] : [`level ${level}: ${reason}`]))]
  return [
    table(COLUMNS, phases.map(phaseRow)),
    '',
    ...troubles.map((trouble) => `${trouble.padEnd(12)} ${COURSES[trouble].about}`),
    'before is the same load on the same service without trouble. Latencies count from the moment a request was due.',
    'dropped are spans that the SDK threw away; from level 2 on there are none to drop.',
    ...reasons,
    ...(phases.some(({ requestsPerSecond }) => requestsPerSecond < rate * REACHED) ? [`${figure(rate)} requests/s were asked for and not reached: take a lower --rate.`] : []),
    '',
    failures.length === 0
      ? `No request failed of ${phases.reduce((sum, { requests }) => sum + requests, 0).toLocaleString('en-US')}.`
      : `${failures.length} requests FAILED: ${[...new Set(failures.map(({ what }) => what))].slice(0, 5).join('; ')}`
  ].join('\n')
}

/** `1, 2 from 21 s`: the level that it began with, and each change. */
export function levelText (levels: Phase['levels']): string {
  return levels.map(({ level, afterS }, n) => n === 0 ? String(level) : `${level} from ${Math.round(afterS)} s`).join(', ') || '-'
}

function count (value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-'
}

function megabytes (bytes: number): string {
  return Number.isFinite(bytes) ? String(Math.round(bytes / 1e6)) : '-'
}
