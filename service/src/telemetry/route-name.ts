import { context } from '@opentelemetry/api'
import { getRPCMetadata, RPCType } from '@opentelemetry/core'

/**
 * Tells the automatic HTTP instrumentation which route answers, so that its span reads `GET /api/v1/…` and
 * its metrics carry `http.route`; for refused and failed requests too, since it is told before they run.
 */
export function nameRoute (route: string | undefined): void {
  const metadata = getRPCMetadata(context.active())
  if (metadata?.type === RPCType.HTTP && route !== undefined) metadata.route = route
}
