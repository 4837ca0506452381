import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.js'
import { applicationTarget, configurationTarget, describeTarget, parseApplicationTarget, type ApplicationTarget, type ConfigurationTarget } from '../names.js'
import { setCaller } from '../telemetry/caller.js'
import { includesRole, type Caller, type Role } from './caller.js'

/**
 * Whom a route is for. `public`: everybody, nobody is asked who they are. `optional`: everybody, and those who
 * say who they are may see more. Otherwise the least role, and what ties the request to an application:
 * the application or configuration of the path, or of the body; `list`: the answer is limited to what is the
 * caller's; `all`: only callers who are not limited to some applications.
 */
export type Access = 'public' | 'optional' | readonly [role: Role, scope: Scope]
export type Scope = 'application' | 'configuration' | 'body' | 'list' | 'all'

declare module 'fastify' {
  interface FastifyContextConfig { access?: Access }
  interface FastifyRequest { user: Caller }
}

export interface Guard {
  /** Who makes the request; nothing when it does not say. @throws Problem unauthenticated, forbidden, database-unavailable */
  identify (request: FastifyRequest): Promise<Caller | undefined> | Caller | undefined
  /** Id of the application that something belongs to, also when it has been deleted. */
  applicationOf (kind: 'application' | 'configuration', target: ApplicationTarget | ConfigurationTarget): Promise<string | undefined>
}

const NOBODY: Caller = { id: 'anonymous', role: 'reader', applications: undefined }

/** Lets nobody through who may not: every route has to say whom it is for. */
export function guardRoutes (app: FastifyInstance, guard: Guard): void {
  app.addHook('onRoute', ({ config, method, url }) => {
    if (config?.access === undefined && url !== '/docs' && !url.startsWith('/docs/')) throw new Error(`${String(method)} ${url} does not say whom it is for`)
  })

  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config?.access ?? 'public'
    if (access === 'public') return
    await admit(request, guard, access)
  })

  app.addHook('preHandler', async (request) => {
    const access = request.routeOptions.config?.access
    if (typeof access !== 'object') return
    // A body may take its time: whoever has lost the right meanwhile is not let through.
    await admit(request, guard, access)
    if (request.user.applications === undefined) return
    const [, scope] = access
    if (scope === 'list' || scope === 'all') return
    const [kind, target] = targetOf(request, scope)
    if (target === undefined) return
    const application = await guard.applicationOf(kind, target)
    if (application === undefined || !request.user.applications.includes(application)) {
      throw scope === 'body'
        ? new Problem('unknown-reference', 'body /application: there is no such application', { faults: [{ in: 'body', path: 'application_id' in (request.body as object) ? '/application_id' : '/application', message: 'there is no such application' }] })
        : new Problem('not-found', `There is no ${kind} ${describeTarget(target)}.`)
    }
  })
}

async function admit (request: FastifyRequest, guard: Guard, access: Exclude<Access, 'public'>): Promise<void> {
  const caller = await guard.identify(request)
  if (caller !== undefined) {
    request.user = caller
    setCaller(caller)
  }
  if (access === 'optional') return
  if (caller === undefined) throw unauthenticated('The request does not say who makes it: send Authorization: Bearer with a token.')
  const [role, scope] = access
  if (!includesRole(caller.role, role)) throw new Problem('forbidden', `This needs the role ${role}; the token has ${caller.role}.`)
  if (scope === 'all' && caller.applications !== undefined) throw new Problem('forbidden', 'This needs a token that is not limited to some applications.')
}

export function nobody (): Caller {
  return NOBODY
}

/** Whether the caller has said who they are, or need not. */
export function isKnown (caller: Caller): boolean {
  return caller !== NOBODY
}

export function unauthenticated (detail: string): Problem {
  return new Problem('unauthenticated', detail)
}

function targetOf (request: FastifyRequest, scope: 'application' | 'configuration' | 'body'): ['application' | 'configuration', ApplicationTarget | ConfigurationTarget | undefined] {
  if (scope === 'body') {
    const { application, application_id: id } = request.body as { application?: string, application_id?: string }
    return ['application', parseApplicationTarget(id ?? application ?? '')]
  }
  const { id } = request.params as { id: string }
  return scope === 'application' ? ['application', applicationTarget(id)] : ['configuration', configurationTarget(id)]
}
