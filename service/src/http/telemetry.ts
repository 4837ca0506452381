import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.js'
import { whenGiven } from '../optional.js'
import { logEvent } from '../telemetry/log.js'
import { markError } from '../telemetry/server-span.js'
import type { Telemetry } from '../telemetry/telemetry.js'

/** Counts the requests that wait for their answer. */
export function countRequests (app: FastifyInstance, { instruments }: Telemetry): void {
  const active = new Map<string, number>()
  const add = (method: string, one: number): void => { active.set(method, (active.get(method) ?? 0) + one) }
  app.addHook('onRequest', async ({ method }) => { add(method, 1) })
  app.addHook('onResponse', async ({ method }) => { add(method, -1) })
  instruments.observe('http.server.active_requests', (observe) => {
    for (const [method, count] of active) observe(count, { 'http.request.method': method, 'url.scheme': 'http' })
  })
}

/** Tells of a request that is answered with a problem: on its span, in the metrics, and in the log unless an operation has done that. */
export function tellProblem ({ instruments, log, logged }: Telemetry, request: FastifyRequest, problem: Problem, error: unknown): void {
  const route = request.routeOptions.url
  markError(problem.errorType)
  instruments.add('errors', 1, { 'error.type': problem.errorType, ...whenGiven('http.route', route) })
  if (typeof error === 'object' && error !== null && logged.has(error)) return
  // A refusal has no cause within: the caller, or patience, can mend it.
  const failed = problem.status === 500 || (problem.status > 500 && problem.cause !== undefined)
  logEvent(log, failed ? 'request.failed' : 'request.refused', `${request.method} ${route ?? 'of an unknown path'} ${failed ? 'failed' : 'was refused'}: ${problem.message}`, {
    'http.request.method': request.method,
    'http.route': route,
    'http.response.status_code': problem.status,
    error: failed ? error : problem,
    trace_id: request.trace.traceId
  })
}
