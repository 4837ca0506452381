import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { decodeCursor, encodeCursor } from '../cursor.js'
import { ListQuery } from '../http/fields.js'
import { answers } from '../http/openapi.js'
import { whenGiven } from '../optional.js'
import { CreatedToken, CreateToken, TokenList, tokenView } from './schema.js'
import type { TokenService } from './service.js'

export const tokenRoutes: FastifyPluginAsyncTypebox<{ service: TokenService }> = async (app, { service }) => {
  const tags = ['access']
  const config = { access: ['admin', 'all'] as const }

  app.post('/tokens', {
    config,
    schema: { tags, operationId: 'createToken', summary: 'Create a token; it is shown this once', body: CreateToken, response: answers({ 201: CreatedToken }, 400, 401, 403, 409, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const { token, ...made } = await service.create(request.body, request.user.id)
    return reply.code(201).header('cache-control', 'no-store').header('location', `/api/v1/tokens/${made.id}`).send({ ...tokenView(made), token } as never)
  })

  app.get('/tokens', {
    config,
    schema: { tags, operationId: 'listTokens', summary: 'List tokens that have not been revoked, sorted by name', querystring: Type.Object(ListQuery), response: answers({ 200: TokenList }, 400, 401, 403, 503) }
  }, async (request, reply) => {
    const { limit = 50, cursor } = request.query
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, ['name'])
    const { items, more } = await service.list({ limit, ...whenGiven('after', after as string | undefined) })
    return reply.header('cache-control', 'no-store').send({ items: items.map(tokenView), next_cursor: more ? encodeCursor([items.at(-1)?.name ?? '']) : null } as never)
  })

  app.delete('/tokens/:token', {
    config,
    schema: { tags, operationId: 'revokeToken', summary: 'Revoke a token, on every replica within a second', params: Type.Object({ token: Type.String({ pattern: '^[a-z0-9]{1,32}$', rule: 'must be the id of a token' }) }), response: answers({ 204: Type.Null() }, 400, 401, 403, 404, 503) }
  }, async (request, reply) => {
    await service.revoke(request.params.token)
    return reply.code(204).send(null)
  })
}
