import { Writable } from 'node:stream'
import { createLog, type Log } from '../../src/telemetry/log.js'

/** The service's log, with its lines kept as data. */
export function keptLog (level: 'error' | 'warn' | 'info' | 'debug' = 'debug'): { log: Log, lines: Array<Record<string, unknown>> } {
  const lines: Array<Record<string, unknown>> = []
  const output = new Writable({
    write (chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    }
  })
  return { log: createLog({ level, format: 'json', output }), lines }
}
