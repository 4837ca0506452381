import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Problem } from '../errors.js'
import { isKnown, unauthenticated } from '../http/access.js'
import { isLocal } from '../http/server.js'
import { quiet } from '../telemetry/quiet.js'

const TIMEOUT_MS = 5000
const MAX_BYTES = 32 * 1024 * 1024

/** Relays what the Prometheus exporter shows on its own port, for whoever reaches only this one. */
export const metricsRoutes: FastifyPluginAsyncTypebox<{ exporter: Exporter | undefined }> = async (app, { exporter }) => {
  app.get('/metrics', {
    config: { access: 'optional' },
    schema: { tags: ['health'], operationId: 'metrics', summary: 'The metrics of this process in Prometheus text format', response: { 200: Type.String({ description: 'text/plain; version=0.0.4' }) } }
  }, async (request, reply) => {
    const isAllowed = isKnown(request.user) && request.user.applications === undefined
    if (!isAllowed && !isLocal(request)) throw unauthenticated('From elsewhere than this machine, metrics need a token that is not limited to some applications.')
    if (exporter === undefined) throw new Problem('not-found', 'Metrics are not exported for Prometheus here; OTEL_METRICS_EXPORTER says where they go.')
    const text = await quiet(async () => await read(exporter))
    return reply.type('text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store').serializer(String).send(text)
  })
}

async function read ({ address, instance }: Exporter): Promise<string> {
  try {
    const answer = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!answer.ok || answer.body === null) throw new Error(`it answers ${answer.status}`)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of answer.body) {
      bytes += chunk.length
      if (bytes > MAX_BYTES) throw new Error(`it answers more than ${MAX_BYTES} bytes`)
      chunks.push(chunk)
    }
    const text = Buffer.concat(chunks).toString()
    if (instance !== undefined && !text.includes(`service_instance_id="${instance}"`)) throw new Error('it is that of another process')
    return text
  } catch (error) {
    throw new Problem('not-found', `The exporter at ${address} cannot be read: ${error instanceof Error ? error.message : String(error)}. Perhaps its port was taken when the service started (OTEL_EXPORTER_PROMETHEUS_PORT).`)
  }
}

/** The Prometheus exporter of this process: where it listens, and the id by which it is known from others. */
export interface Exporter { address: string, instance: string | undefined }

/** Nothing when there is none. */
export function exporterOf (environment: NodeJS.ProcessEnv): Exporter | undefined {
  const { OTEL_SDK_DISABLED: disabled, OTEL_METRICS_EXPORTER: exporters = '', OTEL_EXPORTER_PROMETHEUS_HOST: host = 'localhost', OTEL_EXPORTER_PROMETHEUS_PORT: port = '9464' } = environment
  if (disabled === 'true' || !exporters.split(',').some((name) => name.trim() === 'prometheus')) return undefined
  const reachable = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host
  const [, instance] = /(?:^|,)service\.instance\.id=([^,]+)/.exec(environment.OTEL_RESOURCE_ATTRIBUTES ?? '') ?? []
  return { address: `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}/metrics`, instance }
}
