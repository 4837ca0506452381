import { context, trace } from '@opentelemetry/api'
import { getRPCMetadata, RPCType } from '@opentelemetry/core'
import type { ErrorType } from '../errors.js'

/**
 * Tells the automatic HTTP instrumentation which route answers, so that its span reads `GET /api/v1/…` and
 * its metrics carry `http.route`; for refused and failed requests too, since it is told before they run.
 */
export function nameRoute (route: string | undefined): void {
  const metadata = getRPCMetadata(context.active())
  if (metadata?.type === RPCType.HTTP && route !== undefined) metadata.route = route
}

/** Says on the server span why the request was refused or failed. */
export function markError (type: ErrorType): void {
  const metadata = getRPCMetadata(context.active())
  const span = metadata?.type === RPCType.HTTP ? metadata.span : trace.getActiveSpan()
  span?.setAttribute('error.type', type)
}
