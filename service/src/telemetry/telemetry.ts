import type { TelemetryStatus } from '../health/service.js'
import type { Log } from './log.js'
import { createInstruments, type Instruments } from './instruments.js'

/** What the service needs to tell of what happens. */
export interface Telemetry {
  log: Log
  instruments: Instruments
  slowOperationMs: number
  slowQueryMs: number
  status: () => TelemetryStatus
  /** Errors that have a line of their own already. */
  logged: WeakSet<object>
}

export function createTelemetry ({ log, settings, status = unreduced() }: {
  log: Log
  settings: { SLOW_OPERATION_MS: number, SLOW_QUERY_MS: number }
  status?: () => TelemetryStatus
}): Telemetry {
  return { log, instruments: createInstruments(), slowOperationMs: settings.SLOW_OPERATION_MS, slowQueryMs: settings.SLOW_QUERY_MS, status, logged: new WeakSet() }
}

function unreduced (): () => TelemetryStatus {
  const since = new Date().toISOString()
  return () => ({ level: 1, forced: false, reason: null, since, sidecar: 'absent' })
}
