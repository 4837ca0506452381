import type { FastifyInstance } from 'fastify'
import { Problem, problemTypes, type ProblemSlug } from '../errors.js'
import type { Head } from '../database/head.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { guardRoutes, type Guard } from './access.js'
import { markAnswers } from './answers.js'
import { readBodies } from './body.js'
import { describeApi } from './openapi.js'
import { pathOf, problemIndex, problemOf, problemPage, sendProblem } from './problems.js'
import { guardConnections } from './server.js'
import { countRequests, tellProblem } from './telemetry.js'
import { checkRequests } from './validation.js'

/** What all routes share: bodies, checks, answers, problems, and the description of the interface. */
async function plugin (app: FastifyInstance, { head, telemetry, version, open, guard }: { head: Head, telemetry: Telemetry, version: string, open: boolean, guard: Guard }): Promise<void> {
  markAnswers(app, head)
  countRequests(app, telemetry)
  guardConnections(app, head, { open, telemetry })
  guardRoutes(app, guard)
  readBodies(app)
  await describeApi(app, version)
  checkRequests(app)

  app.setNotFoundHandler((request, reply) => {
    const problem = new Problem('not-found', `There is no ${request.method} ${pathOf(request.url)} here; /docs lists what there is.`)
    // A path that nobody knows may hold anything, secrets too: the log does not repeat it.
    tellProblem(telemetry, request, new Problem('not-found', 'There is no such path.'), undefined)
    return sendProblem(request, reply, problem)
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    tellProblem(telemetry, request, problem, error)
    return sendProblem(request, reply, problem)
  })

  app.get('/', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'))
  app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) => reply.send(withoutRules(app.swagger())))
  app.get('/problems', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) => reply.type('text/html; charset=utf-8').send(problemIndex()))
  app.get<{ Params: { slug: string } }>('/problems/:slug', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) => {
    if (!Object.hasOwn(problemTypes, request.params.slug)) throw new Problem('not-found', 'There is no such type of problem; /problems lists them all.')
    return reply.type('text/html; charset=utf-8').send(problemPage(request.params.slug as ProblemSlug))
  })
}

// `rule` is what a fault says; it is no part of OpenAPI.
function withoutRules (description: object): unknown {
  return JSON.parse(JSON.stringify(description, (key, value: unknown) => key === 'rule' && typeof value === 'string' ? undefined : value))
}

// The hooks are for every route, also for those registered outside of this plugin.
export const httpPlugin = Object.assign(plugin, { [Symbol.for('skip-override')]: true })
