import { slowQuery } from '../telemetry/batch-scope.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { Reader } from './read.js'

/** Warns of reads that take longer than SLOW_QUERY_MS; their spans come by themselves. */
export function observedReader (reader: Reader, { log, slowQueryMs }: Telemetry): Reader {
  return {
    async rows (name, text, values) {
      const startedAt = performance.now()
      try {
        return await reader.rows(name, text, values)
      } finally {
        const durationMs = performance.now() - startedAt
        if (durationMs > slowQueryMs) slowQuery(log, name, durationMs)
      }
    }
  }
}
