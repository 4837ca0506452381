import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Problem } from '../errors.js'
import { quiet } from '../telemetry/quiet.js'

const TIMEOUT_MS = 5000

/** Relays what the Prometheus exporter shows on its own port, for whoever reaches only this one. */
export const metricsRoutes: FastifyPluginAsyncTypebox<{ exporter: string | undefined }> = async (app, { exporter }) => {
  app.get('/metrics', {
    schema: { tags: ['health'], operationId: 'metrics', summary: 'The metrics of this process in Prometheus text format', response: { 200: Type.String({ description: 'text/plain; version=0.0.4' }) } }
  }, async (_request, reply) => {
    if (exporter === undefined) throw new Problem('not-found', 'Metrics are not exported for Prometheus here; OTEL_METRICS_EXPORTER says where they go.')
    const text = await quiet(async () => await read(exporter))
    return reply.type('text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store').serializer(String).send(text)
  })
}

async function read (exporter: string): Promise<string> {
  try {
    const answer = await fetch(exporter, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (answer.ok) return await answer.text()
    throw new Error(`it answers ${answer.status}`)
  } catch (error) {
    throw new Problem('not-found', `The exporter at ${exporter} cannot be read; perhaps its port was taken when the service started (OTEL_EXPORTER_PROMETHEUS_PORT).`, { cause: error })
  }
}

/** Where the Prometheus exporter of this process listens; nothing when there is none. */
export function exporterAddress (environment: NodeJS.ProcessEnv): string | undefined {
  const { OTEL_SDK_DISABLED: disabled, OTEL_METRICS_EXPORTER: exporters = '', OTEL_EXPORTER_PROMETHEUS_HOST: host = 'localhost', OTEL_EXPORTER_PROMETHEUS_PORT: port = '9464' } = environment
  if (disabled === 'true' || !exporters.split(',').some((name) => name.trim() === 'prometheus')) return undefined
  const reachable = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}/metrics`
}
