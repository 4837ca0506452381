import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { isKnown } from '../http/access.js'
import type { HealthService } from './service.js'

const Health = Type.Object({
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  environment: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  debug: Type.Optional(Type.Boolean()),
  tracing: Type.Object({ enabled: Type.Boolean(), service_name: Type.String(), exporter_type: Type.String() }),
  telemetry: Type.Optional(Type.Object({
    level: Type.Integer({ minimum: 1, maximum: 4, description: '1 everything, 2 metrics and error logs, 3 errors to a local file, 4 nothing' }),
    forced: Type.Boolean(),
    reason: Type.Union([Type.String(), Type.Null()]),
    since: Type.String({ format: 'date-time' }),
    sidecar: Type.Enum(['up', 'down', 'absent'])
  })),
  database: Type.Optional(Type.Object({ status: Type.Enum(['up', 'down', 'starting']) }))
}, { description: 'Callers who do not say who they are see status and tracing' })
const Probe = Type.Object({ status: Type.String() })

export const healthRoutes: FastifyPluginAsyncTypebox<{ service: HealthService }> = async (app, { service }) => {
  const tags = ['health']

  app.get('/health', {
    config: { access: 'optional' },
    schema: { tags, operationId: 'health', summary: 'How the service is; 503 when it cannot serve reads', response: { 200: Health, 503: Health } }
  }, async (request, reply) => {
    const health = await service.health()
    const { status, tracing } = health
    return reply.header('cache-control', 'no-store').code(status === 'unhealthy' ? 503 : 200).send(isKnown(request.user) ? health : { status, tracing })
  })

  app.get('/health/live', {
    config: { access: 'public' },
    schema: { tags, operationId: 'live', summary: 'Whether the process answers; looks at nothing outside', response: { 200: Probe } }
  }, async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'live' }))

  app.get('/health/ready', {
    config: { access: 'public' },
    schema: { tags, operationId: 'ready', summary: 'Whether requests may be sent here: started and not draining', response: { 200: Probe, 503: Probe } }
  }, async (_request, reply) => {
    const status = service.readiness()
    return reply.header('cache-control', 'no-store').code(status === 'ready' ? 200 : 503).send({ status })
  })
}
