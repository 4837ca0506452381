import { setTimeout as sleep } from 'node:timers/promises'
import { clockMs } from '../clock.js'
import { cpuSeconds, familyCpuSeconds } from '../cpu.js'
import { percentile } from '../figures.js'
import type { Collector } from '../parts/collector.js'
import { scrape } from '../parts/exposition.js'
import { between } from '../parts/load-order.js'
import type { LoadProcess } from '../parts/load-process.js'
import type { ServiceProcess } from '../parts/service.js'
import { bytesRead, residentBytes } from '../processes.js'
import { WRITE_SHARE, type Mode, type Workload } from './modes.js'
import { difference, levelOf, NO_SPANS, spanCounts, type SpanCounts } from './spans.js'

/** A service and its sidecar, if it has one. */
export interface Subject { mode: Mode, service: ServiceProcess, collector: Collector | undefined }

/** What was found in one slice: one mode under one workload for some seconds. */
export interface Slice {
  round: number
  workload: Workload
  mode: Mode
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  /** Processor time for each request, in microseconds; that of the Collector is 0 without one. */
  cpuUs: { service: number, collector: number, database: number }
  /** Of the load generator, in cores. */
  clientCores: number
  /** Main memory at the end of the slice; that of the Collector is NaN without one. */
  bytes: { service: number, collector: number }
  /** What the sidecar was sent for each request, on the wire. */
  otlpBytes: number
  /** Recorded for each request. */
  spans: number
  /** Share of the recorded ones that the SDK threw away. */
  droppedShare: number
  lost: SpanCounts
  /** To which the service had reduced its telemetry by itself at the end; 1 is not at all, and 0 that there is none. */
  level: number
  /** When it was measured, on the monotonic clock. */
  from: number
  until: number
}

export interface SliceOrder {
  round: number
  workload: Workload
  connections: number
  /** 0: as many as there can be. */
  rate: number
  warmUpMs: number
  measureMs: number
  application: string
  toRead: number
  valueBytes: number
  /** Another one for each slice. */
  prefix: string
}

export async function measureSlice (order: SliceOrder, parts: { subject: Subject, load: LoadProcess, databasePid: number }): Promise<Slice> {
  const { round, workload, warmUpMs, measureMs, ...rest } = order
  const { subject: { mode, service, collector }, load, databasePid } = parts
  const look = () => ({
    at: clockMs(),
    service: cpuSeconds(service.pid),
    collector: collector === undefined ? 0 : cpuSeconds(collector.pid()),
    database: familyCpuSeconds(databasePid),
    client: cpuSeconds(load.pid),
    read: collector === undefined ? 0 : bytesRead(collector.pid())
  })
  const count = async () => {
    if (collector === undefined) return { counts: NO_SPANS, level: 0, at: clockMs() }
    const page = await scrape(service.metricsUrl)
    const at = clockMs()
    return { counts: spanCounts(page, await scrape(collector.metricsUrl)), level: levelOf(page), at }
  }

  const running = load.begin({ ...rest, port: service.port, writeShare: WRITE_SHARE[workload], atMostMs: warmUpMs + measureMs + 60_000 })
  await sleep(warmUpMs)
  // Metrics are collected outside the time that is measured, since it is work.
  const countedBefore = await count()
  const before = look()
  await sleep(measureMs)
  const after = look()
  const bytes = { service: residentBytes(service.pid), collector: collector === undefined ? NaN : residentBytes(collector.pid()) }
  const countedAfter = await count()
  const result = await running.stop()

  const [failure] = result.failures
  if (failure !== undefined) throw new Error(`${result.failures.length} requests failed, the first with ${failure.what}`)
  const { latencies } = between(result, before.at, after.at)
  const counted = between(result, countedBefore.at, countedAfter.at).latencies.length
  const spans = difference(countedBefore.counts, countedAfter.counts)
  const requests = latencies.length
  const perRequest = (name: 'service' | 'collector' | 'database'): number => (after[name] - before[name]) * 1e6 / requests
  return {
    round,
    workload,
    mode,
    requests,
    requestsPerSecond: requests / (after.at - before.at) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuUs: { service: perRequest('service'), collector: perRequest('collector'), database: perRequest('database') },
    clientCores: (after.client - before.client) / (after.at - before.at) * 1000,
    bytes,
    otlpBytes: (after.read - before.read) / requests,
    spans: spans.recorded / counted,
    droppedShare: spans.recorded === 0 ? 0 : spans.dropped / spans.recorded,
    lost: spans,
    level: countedAfter.level,
    from: before.at,
    until: after.at
  }
}

const QUIET = { share: 0.05, forMs: 1000, atMostMs: 30_000 }

/** Waits until a service and its sidecar have nothing to do any more: a sidecar decides on traces long after the requests. */
export async function settle ({ service, collector }: Subject): Promise<void> {
  const used = (): number => cpuSeconds(service.pid) + (collector === undefined ? 0 : cpuSeconds(collector.pid()))
  const until = clockMs() + QUIET.atMostMs
  for (let [before, quiet] = [used(), 0]; quiet < 2 && clockMs() < until;) {
    await sleep(QUIET.forMs)
    const now = used()
    // Where processor time is not told there is only the time to wait for.
    quiet = (now - before) * 1000 < QUIET.share * QUIET.forMs ? quiet + 1 : 0
    before = now
  }
}
