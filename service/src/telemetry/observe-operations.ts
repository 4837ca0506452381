import { errorTypeOf, Problem } from '../errors.js'
import { logEvent } from './log.js'
import { told, wrapped, type Arguments, type Descriptions, type Method, type Result, type SpanWith } from './observed.js'
import type { AttributesNamed, EventName } from './registry.js'
import { inSpan, type SpanHandle } from './span.js'
import type { Telemetry } from './telemetry.js'

type OperationSpan = SpanWith<'operation.type' | 'resource.kind' | 'resource.id' | 'db.type'>
type About = AttributesNamed<'operation.type' | 'resource.kind' | 'resource.id' | 'resource.name' | 'db.type'>
type Facts = AttributesNamed<'resource.kind' | 'resource.id' | 'resource.name' | 'config.application_id' | 'config.configuration_id' | 'config.version' | 'query.limit' | 'query.result_count' | 'cascade.enabled'>

export interface Operation<F> {
  span: OperationSpan
  type: NonNullable<About['operation.type']>
  /** What the arguments say of it. */
  before: (args: Arguments<F>) => Facts
  /** What the result adds. */
  after: (result: Result<F>, args: Arguments<F>) => Facts
  /** For writes: what was changed, or nothing. */
  change?: (result: Result<F>) => { revision: number, version?: number, created: boolean } | undefined
}

/**
 * A service whose every method is an operation: a span, `crud.*` metrics, and lines in the log. Writes end with a
 * line at info, reads at debug; what was slow is warned of, what was refused is told at info, and what failed is
 * an error with its stack.
 */
export function observeOperations<T extends { [K in keyof T]: Method }> (service: T, telemetry: Telemetry, descriptions: Descriptions<NoInfer<T>, { [K in keyof T]: Operation<T[K]> }>): T {
  return wrapped(service, descriptions as Record<keyof T, Operation<Method>>, async (operation, call, args) => {
    const about: About & Facts = { 'operation.type': operation.type, 'db.type': 'postgresql', ...told(() => operation.before(args as never)) }
    return await inSpan(operation.span, about as object, async (span) => {
      const startedAt = performance.now()
      if (telemetry.log.isDebugEnabled()) logEvent(telemetry.log, 'operation.started', `begins to ${operation.type} ${nameOf(about)}`, lineOf(about))
      try {
        const result = await call()
        succeeded(telemetry, operation, span as SpanHandle<'configuration.create'>, { ...about, ...told(() => operation.after(result as never, args as never)) }, told(() => operation.change?.(result as never)), performance.now() - startedAt)
        return result
      } catch (error) {
        failed(telemetry, about, error, performance.now() - startedAt)
        throw error
      }
    })
  })
}

function succeeded (telemetry: Telemetry, operation: Operation<Method>, span: SpanHandle<'configuration.create'>, about: About & Facts, change: ReturnType<NonNullable<Operation<Method>['change']>>, durationMs: number): void {
  span.set(about)
  measure(telemetry, about, durationMs, 'success')
  const line = { ...lineOf(about), duration_ms: round(durationMs), status: 'success' }
  const name = nameOf(about)
  if (change !== undefined) {
    const kind = about['resource.kind'] === 'application' ? 'application' : 'configuration'
    const facts = { 'config.revision': change.revision, 'config.version': change.version }
    span.set({ ...facts, 'config.change': true })
    span.event(`${kind}.changed`, { ...facts, 'operation.type': operation.type, 'resource.id': about['resource.id'], 'resource.name': about['resource.name'] })
    if (change.created) telemetry.instruments.add(`${kind}s.created`, 1, {})
    logEvent(telemetry.log, `${kind}.changed`, `${PAST[operation.type]} ${name}`, { ...line, 'config.application_id': about['config.application_id'], ...facts })
  }
  const isWrite = operation.change !== undefined
  const said = isWrite && change === undefined ? `${operation.type} ${name}: nothing to change` : `${PAST[operation.type]} ${name}`
  if (durationMs > telemetry.slowOperationMs) {
    logEvent(telemetry.log, 'operation.slow', `${said} in ${Math.round(durationMs)} ms`, line)
  } else if (change === undefined && (isWrite || telemetry.log.isDebugEnabled())) {
    logEvent(telemetry.log, 'operation.completed', said, line, isWrite ? 'info' : 'debug')
  }
}

const PAST = { create: 'created', read: 'read', update: 'updated', delete: 'deleted', list: 'listed', rollback: 'rolled back' }

function failed (telemetry: Telemetry, about: About & Facts, error: unknown, durationMs: number): void {
  const errorType = errorTypeOf(error)
  measure(telemetry, about, durationMs, 'error')
  telemetry.instruments.add('crud.operation.errors', 1, { ...metricOf(about), status: 'error', 'error.type': errorType })
  const refused = error instanceof Problem && error.status < 500
  const event: EventName = refused ? 'operation.refused' : 'operation.failed'
  logEvent(telemetry.log, event, `${about['operation.type'] ?? ''} ${nameOf(about)} ${refused ? 'was refused' : 'failed'}: ${error instanceof Error ? error.message : String(error)}`, {
    ...lineOf(about), duration_ms: round(durationMs), status: 'error', error
  })
  if (typeof error === 'object' && error !== null) telemetry.logged.add(error)
}

function measure ({ instruments }: Telemetry, about: About, durationMs: number, status: 'success' | 'error'): void {
  const attributes = { ...metricOf(about), status }
  instruments.record('crud.operation.duration', durationMs / 1000, attributes)
  instruments.add('crud.operation.count', 1, attributes)
}

function metricOf (about: About): AttributesNamed<'operation.type' | 'resource.kind' | 'db.type'> {
  return { 'operation.type': about['operation.type'], 'resource.kind': about['resource.kind'], 'db.type': about['db.type'] }
}

function lineOf (about: About): About {
  return { ...metricOf(about), 'resource.id': about['resource.id'], 'resource.name': about['resource.name'] }
}

function nameOf (about: About): string {
  return `${about['resource.kind'] ?? ''} ${about['resource.name'] ?? about['resource.id'] ?? ''}`.trim()
}

function round (milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
