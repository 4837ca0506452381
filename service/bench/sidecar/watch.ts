import { setTimeout as sleep } from 'node:timers/promises'
import { clockMs } from '../clock.js'
import { openConnection, requestText, type Connection } from '../connection.js'
import { scrape } from '../parts/exposition.js'
import type { Failure } from '../parts/load-order.js'
import type { ServiceProcess } from '../parts/service.js'
import { residentBytes } from '../processes.js'

/** How a service was at a moment of the monotonic clock. */
export interface Sample {
  at: number
  /** Of its telemetry, 1 to 4, and why; as /health tells. */
  level: number
  reason: string | null
  sidecar: string
  bytes: { service: number, sidecar: number }
}

export interface Watch {
  samples: Sample[]
  /** /health was not answered. */
  failures: Failure[]
  end (): Promise<void>
}

const EVERY_MS = 1000
/** As Prometheus would. That somebody collects metrics is one of the things that the level depends on. */
const SCRAPE_EVERY_MS = 15_000

/** Asks a service for its health every second and collects its metrics now and then, until told to end. */
export function watch (service: ServiceProcess, sidecarPid: () => number): Watch {
  const samples: Sample[] = []
  const failures: Failure[] = []
  const over = new AbortController()
  let connection: Connection | undefined

  async function ask (): Promise<void> {
    try {
      connection ??= await openConnection(service.port)
      const { status, body } = await connection.send(requestText('GET', '/health'))
      const text = body.toString()
      if (status !== 200) throw new Error(`${status} ${text}`)
      const { telemetry: { level, reason, sidecar } } = JSON.parse(text) as { telemetry: Pick<Sample, 'level' | 'reason' | 'sidecar'> }
      samples.push({ at: clockMs(), level, reason, sidecar, bytes: { service: residentBytes(service.pid), sidecar: residentBytes(sidecarPid()) } })
    } catch (error) {
      failures.push({ at: clockMs(), what: `/health: ${(error as Error).message}` })
      connection?.close()
      connection = undefined
    }
  }
  async function every (ms: number, work: () => Promise<unknown>): Promise<void> {
    while (!over.signal.aborted) {
      await work()
      await sleep(ms, undefined, { signal: over.signal }).catch(() => {})
    }
  }
  const running = Promise.all([every(EVERY_MS, ask), every(SCRAPE_EVERY_MS, async () => await scrape(service.metricsUrl).catch(() => {}))])

  return {
    samples,
    failures,
    async end () {
      over.abort()
      await running
      connection?.close()
    }
  }
}
