import type { Level, State } from '../degradation.js'

export interface Change {
  event: 'telemetry.degraded' | 'telemetry.recovered'
  severity: 'warn' | 'info'
  text: string
  facts: { 'event.name': string, 'telemetry.level': Level, reason?: string }
}

const MEANING: Record<Level, string> = {
  1: 'traces, metrics and logs',
  2: 'no traces, metrics and errors only',
  3: 'errors only, to the local file errors.log',
  4: 'no telemetry'
}

/** How a change of the level is told. */
export function describeChange ({ level, reason }: State, before: Level): Change {
  const worse = level > before
  const event = worse ? 'telemetry.degraded' : 'telemetry.recovered'
  const why = reason === null ? '' : worse ? `: ${reason}` : `; it was lowered because ${reason}`
  return {
    event,
    severity: worse ? 'warn' : 'info',
    text: `telemetry is at level ${level} (${MEANING[level]})${why}`,
    facts: { 'event.name': event, 'telemetry.level': level, ...(reason === null ? {} : { reason }) }
  }
}

/** A line with its end, as JSON like those of the log, or as text. */
export function lineOf ({ severity, text, facts }: Change, asJson: boolean): string {
  return asJson
    ? `${JSON.stringify({ level: severity, message: text, ...facts, timestamp: new Date().toISOString() })}\n`
    : `config-service: ${text}\n`
}
