import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.js'
import { whenGiven } from '../optional.js'
import { logEvent } from '../telemetry/log.js'
import { markError } from '../telemetry/server-span.js'
import type { Telemetry } from '../telemetry/telemetry.js'

const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

/** Counts the requests that wait for their answer. */
export function countRequests (app: FastifyInstance, { instruments }: Telemetry): void {
  const active = new Map<string, number>()
  app.addHook('onRequest', async ({ method }, reply) => {
    const name = METHODS.has(method) ? method : '_OTHER'
    active.set(name, (active.get(name) ?? 0) + 1)
    whenOver(reply.raw, () => { active.set(name, (active.get(name) ?? 1) - 1) })
  })
  instruments.observe('http.server.active_requests', (observe) => {
    for (const [method, count] of active) observe(count, { 'http.request.method': method, 'url.scheme': 'http' })
  })
}

/** Calls back, once, when an answer has been sent or when its client is gone. */
export function whenOver (response: ServerResponse, act: () => void): void {
  let over = false
  const once = (): void => {
    if (over) return
    over = true
    act()
  }
  response.once('finish', once)
  response.once('close', once)
}

/** Tells of a request that is answered with a problem: on its span, in the metrics, and in the log unless an operation has done that. */
export function tellProblem (telemetry: Telemetry, request: FastifyRequest, problem: Problem, error: unknown): void {
  markError(problem.errorType)
  const isTold = typeof error === 'object' && error !== null && telemetry.logged.has(error)
  tell(telemetry, { method: request.method, route: request.routeOptions.url, traceId: request.trace.traceId }, problem, error, isTold)
}

/** The same for what never became a request. */
export function tellBroken (telemetry: Telemetry, problem: Problem, traceId: string): void {
  tell(telemetry, { method: undefined, route: undefined, traceId }, problem, problem, false)
}

function tell ({ instruments, log }: Telemetry, { method, route, traceId }: { method: string | undefined, route: string | undefined, traceId: string }, problem: Problem, error: unknown, isTold: boolean): void {
  instruments.add('errors', 1, { 'error.type': problem.errorType, ...whenGiven('http.route', route) })
  if (isTold) return
  // A refusal has no cause within: the caller, or patience, can mend it.
  const failed = problem.status === 500 || (problem.status > 500 && problem.cause !== undefined)
  const what = method === undefined ? 'what is no request' : `${method} ${route ?? 'of an unknown path'}`
  logEvent(log, failed ? 'request.failed' : 'request.refused', `${what} ${failed ? 'failed' : 'was refused'}: ${problem.message}`, {
    ...whenGiven('http.request.method', method),
    ...whenGiven('http.route', route),
    'http.response.status_code': problem.status,
    error: failed ? error : problem,
    trace_id: traceId
  })
}
