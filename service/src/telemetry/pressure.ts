import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

export interface Pressure {
  /** Used heap against its limit (0 to 1), and how late the event loop was since the last look (p99, ms). */
  read (): { heapUsedShare: number, loopDelayP99Ms: number }
  close (): void
}

const RESOLUTION_MS = 20

export function createPressure (): Pressure {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let loopDelayP99Ms = 0
  return {
    read () {
      const heap = getHeapStatistics()
      // Without a measurement since, the last one holds. The timer's own period is in what it measures.
      if (delay.count > 0) loopDelayP99Ms = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS)
      delay.reset()
      return { heapUsedShare: heap.used_heap_size / heap.heap_size_limit, loopDelayP99Ms }
    },
    close () { delay.disable() }
  }
}
