import { context, trace } from '@opentelemetry/api'
import { getRPCMetadata, type RPCMetadata } from '@opentelemetry/core'
import type { AttributesNamed } from './registry.js'

export type Caller = AttributesNamed<'user.id' | 'user.role'>

// Keyed by what the HTTP instrumentation puts into the context of a request: it is there wherever the request
// is worked on, also after its body has arrived and other requests have run in between.
const callers = new WeakMap<RPCMetadata, Caller>()

/** Says who makes the request that is under way: on its server span, and from now on on the service's own spans and in log lines. */
export function setCaller (caller: { id: string, role: NonNullable<Caller['user.role']> }): void {
  const attributes: Caller = { 'user.id': caller.id, 'user.role': caller.role }
  trace.getActiveSpan()?.setAttributes(attributes as Record<string, string>)
  const metadata = getRPCMetadata(context.active())
  if (metadata !== undefined) callers.set(metadata, attributes)
}

/** Who makes the request that is under way, if there is one. */
export function currentCaller (): Caller | undefined {
  const metadata = getRPCMetadata(context.active())
  return metadata === undefined ? undefined : callers.get(metadata)
}
