import { isSpanContextValid, trace } from '@opentelemetry/api'
import winston from 'winston'
import { errorTypeOf } from '../errors.js'
import { currentCaller } from './caller.js'
import { noteInternalError } from './internal-errors.js'
import { events, type EventName } from './registry.js'

export type Log = winston.Logger

/**
 * The one logger of a process: lines to standard output, as text for people or as JSON, each with the trace
 * and span it belongs to. The winston instrumentation adds the OTLP transport to it by itself, one for each
 * logger made, so a second logger would send every line twice.
 */
export function createLog (options: { level: string, format: 'auto' | 'json' | 'text', silent?: boolean, output?: NodeJS.WritableStream }): Log {
  const asText = options.format === 'text' || (options.format === 'auto' && process.stdout.isTTY)
  const format = asText ? text : winston.format.json({ deterministic: false })
  return winston.createLogger({
    level: options.level,
    silent: options.silent ?? false,
    format: winston.format.combine(winston.format.timestamp(), serializeError(), belonging()),
    transports: [options.output === undefined ? new winston.transports.Console({ format }) : new winston.transports.Stream({ stream: options.output, format })]
  })
}

/** Writes a line of the registry; `error` among the fields becomes its type, message and, for errors, stack. */
export function logEvent (log: Log, name: EventName, message: string, fields: object = {}, level: string = events[name].level): void {
  try {
    // One object: with the message apart, a % in it would make winston take the fields for its arguments.
    log.log({ level, message, 'event.name': name, ...fields })
  } catch {
    noteInternalError()
  }
}

// JSON.stringify makes {} of an Error; give its parts names from the semantic conventions.
const serializeError = winston.format((info) => {
  const { error, ...rest } = info
  if (!(error instanceof Error)) return info
  return {
    ...rest,
    level: info.level,
    message: info.message,
    'error.type': errorTypeOf(error),
    'error.message': error.message,
    // What was refused is no fault of this program: its stack would only be long.
    ...(info.level === 'error' ? { 'error.stack_trace': stackOf(error) } : {})
  }
})

function stackOf (error: Error): string {
  return `${error.stack ?? error.message}${error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''}`
}

// Who, where and under which trace: within a request every line says so.
const belonging = winston.format((info) => {
  info['service.name'] = process.env.OTEL_SERVICE_NAME ?? 'config-service'
  const span = trace.getActiveSpan()?.spanContext()
  if (span !== undefined && isSpanContextValid(span)) {
    info.trace_id ??= span.traceId
    info.span_id ??= span.spanId
  }
  return Object.assign(info, currentCaller())
})

// The message says these already, or nobody reads them on a terminal.
const HIDDEN = new Set(['level', 'message', 'timestamp', 'trace_flags', 'span_id', 'service.name', 'event.name', 'operation.type', 'resource.kind',
  'resource.id', 'resource.name', 'config.application_id', 'db.type', 'status', 'error.message', 'error.stack_trace', 'user.role'])

const text = winston.format.printf((info) => {
  const facts = Object.entries(info).filter(([name, value]) => value !== undefined && !HIDDEN.has(name))
    .map(([name, value]) => `${name}=${oneLine(typeof value === 'string' ? value : JSON.stringify(value))}`)
  const stack = info['error.stack_trace']
  return [
    `${String(info.timestamp).slice(11, 23)} ${info.level.padEnd(5)} ${oneLine(String(info.message))}`,
    ...facts
  ].join('  ') + (typeof stack === 'string' ? `\n${stack.split('\n').map(oneLine).join('\n')}` : '')
})

// What comes from a request must neither end a line nor speak to the terminal.
function oneLine (line: string): string {
  // eslint-disable-next-line no-control-regex
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
