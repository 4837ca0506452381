import { trace } from '@opentelemetry/api'
import winston from 'winston'

export type Log = winston.Logger

/**
 * The one logger of a process: lines to standard output, as text for people or as JSON, each with the trace
 * and span it belongs to. The winston instrumentation adds the OTLP transport to it by itself, one for each
 * logger made, so a second logger would send every line twice.
 */
export function createLog (options: { level: string, format: 'auto' | 'json' | 'text', silent?: boolean }): Log {
  const asText = options.format === 'text' || (options.format === 'auto' && process.stdout.isTTY)
  return winston.createLogger({
    level: options.level,
    silent: options.silent ?? false,
    format: winston.format.combine(winston.format.timestamp(), serializeError(), traceIds()),
    transports: [new winston.transports.Console({ format: asText ? text : winston.format.json() })]
  })
}

// JSON.stringify makes {} of an Error; give its parts names from the semantic conventions.
const serializeError = winston.format((info) => {
  const { error, ...rest } = info
  if (!(error instanceof Error)) return info
  const code = (error as { code?: unknown }).code
  return {
    ...rest,
    level: info.level,
    message: info.message,
    'error.type': typeof code === 'string' ? code : error.name,
    'error.message': error.message,
    'error.stack_trace': error.stack
  }
})

const traceIds = winston.format((info) => {
  const span = trace.getActiveSpan()?.spanContext()
  if (span !== undefined) {
    info.trace_id ??= span.traceId
    info.span_id ??= span.spanId
  }
  return info
})

const HIDDEN = new Set(['level', 'message', 'timestamp', 'trace_flags', 'error.stack_trace'])

const text = winston.format.printf((info) => {
  const facts = Object.entries(info).filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const stack = info['error.stack_trace']
  return [
    `${String(info.timestamp).slice(11, 23)} ${info.level.padEnd(5)} ${String(info.message)}`,
    ...facts
  ].join('  ') + (typeof stack === 'string' ? `\n${stack}` : '')
})
