import { percentile } from '../figures.js'
import { cpuSeconds, familyCpuSeconds } from '../cpu.js'
import type { LoadProcess } from './load-process.js'
import { nameOf } from './load-order.js'
import type { WritingService } from './service-process.js'
import type { Acknowledged } from './verify.js'
import type { Way } from './ways.js'

/** What was found in one slice: one way under one number of connections for some seconds. */
export interface Slice {
  round: number
  way: Way
  connections: number
  writesPerSecond: number
  p50Ms: number
  p99Ms: number
  /** Changes that shared a commit, on average. */
  writesPerCommit: number
  /** Processor time within the measured time, in cores: 1 is one core all the time. */
  cpu: { service: number, database: number, client: number }
}

export interface SliceOrder {
  round: number
  slice: number
  connections: number
  warmUpMs: number
  measureMs: number
  application: string
  valueBytes: number
}

export async function measureSlice (order: SliceOrder, parts: { service: WritingService, load: LoadProcess, databasePid: number }): Promise<{ figures: Slice, acknowledged: Acknowledged[] }> {
  const { service, load, databasePid } = parts
  const { round, slice, connections, warmUpMs, measureMs, application, valueBytes } = order
  const look = async () => ({
    at: performance.now(),
    service: cpuSeconds(service.pid),
    database: familyCpuSeconds(databasePid),
    ...await service.stats()
  })
  let begin: ReturnType<typeof look> | undefined
  let end: ReturnType<typeof look> | undefined
  const found = await load.run(
    { type: 'load', port: service.port, connections, warmUpMs, measureMs, application, valueBytes, slice },
    { begun () { begin = look() }, ended () { end = look() } })
  if (found.refused > 0) throw new Error(`${found.refused} writes were refused, the first with ${found.refusal}`)
  const [before, after] = await Promise.all([begin, end])
  if (before === undefined || after === undefined) throw new Error('the load generator told no beginning or no end')

  const seconds = (after.at - before.at) / 1000
  const batches = after.batches - before.batches
  return {
    figures: {
      round,
      way: service.way,
      connections,
      writesPerSecond: found.writes / (measureMs / 1000),
      p50Ms: percentile(found.latencies, 0.5),
      p99Ms: percentile(found.latencies, 0.99),
      writesPerCommit: (after.changes - before.changes) / batches,
      cpu: {
        service: (after.service - before.service) / seconds,
        database: (after.database - before.database) / seconds,
        client: found.cpuSeconds / (measureMs / 1000)
      }
    },
    acknowledged: found.revisions.flatMap((revisions, connection) => Array.from(revisions, (revision, request) => ({ name: nameOf(slice, connection, request), revision })))
  }
}
