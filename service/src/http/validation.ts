import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { malformed, type Fault } from '../errors.js'
import { shapeCheck } from '../shape.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is checked by the handler: a patch has no shape of its own. */
    uncheckedBody?: boolean
  }
}

const PARTS = [
  ['params', 'path'],
  ['querystring', 'query'],
  ['body', 'body']
] as const

/**
 * Checks path, query and body of every route against its schema and refuses with all faults at once. Query
 * parameters that a route does not know are faults as well: a misspelt filter must not answer everything.
 */
export function checkRequests (app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true)
  app.addHook('onRoute', (route) => {
    const schema = (route.schema ?? {}) as Record<string, TSchema | undefined>
    const checks = PARTS
      .filter(([part]) => (schema[part] !== undefined || part === 'querystring') && !(part === 'body' && route.config?.uncheckedBody === true))
      .map(([part, where]) => ({ part, check: shapeCheck({ additionalProperties: false, ...schema[part] } as TSchema, where) }))
    const validate = async (request: FastifyRequest): Promise<void> => {
      const faults: Fault[] = []
      for (const { part, check } of checks) faults.push(...check(part === 'querystring' ? request.query : request[part]))
      if (faults.length > 0) throw malformed(faults)
    }
    if (route.config?.swagger === undefined) route.preValidation = [validate, ...[route.preValidation ?? []].flat()]
  })
}
