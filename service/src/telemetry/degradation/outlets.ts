import winston from 'winston'
import type { Level } from '../degradation.js'
import type { Log } from '../log.js'

export interface Outlets {
  /** Lets through what is logged at this level. */
  set (level: Level): void
}

/**
 * Where lines go at each level: OTLP gets all at 1, errors at 2, nothing above; the error file gets errors
 * at 3; standard output is as ever up to 3 and silent at 4. `errorStream` is asked for when it is first needed.
 */
export function createOutlets ({ log, errorStream }: { log: Log, errorStream: () => NodeJS.WritableStream }): Outlets {
  // Added by the winston instrumentation, which exports no class of it; its own level is left as found.
  const otlp = log.transports.filter((transport) => transport.constructor.name.startsWith('OpenTelemetryTransport'))
    .map((transport) => ({ transport, level: transport.level }))
  const output = log.transports.filter((transport) => transport instanceof winston.transports.Console)
    .map((transport) => ({ transport, silent: transport.silent ?? false }))
  let file: winston.transport | undefined

  return {
    set (level) {
      for (const { transport, level: own } of otlp) {
        // At level 1 it follows the logger's level again, which is what having none means.
        transport.level = (level === 1 ? own : 'error') as string
        transport.silent = level >= 3
      }
      for (const { transport, silent } of output) transport.silent = silent || level === 4
      if (level === 3 && file === undefined) {
        file = new winston.transports.Stream({ stream: errorStream(), level: 'error', format: winston.format.json(), eol: '\n' })
        log.add(file)
      }
      if (file !== undefined) file.silent = level !== 3
    }
  }
}
