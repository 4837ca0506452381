import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { decodeCursor, encodeCursor } from '../cursor.js'
import { malformed } from '../errors.js'
import { sendJson, sendObject, sendWritten } from '../http/answers.js'
import { documentOf, patchOf } from '../http/body.js'
import { changeContext } from '../http/change-context.js'
import { IdParams, LabelQuery, ListQuery, NamePrefix } from '../http/fields.js'
import { whenGiven } from '../optional.js'
import { answers, deletedAnswer, headers, patchBody, rollbackBody } from '../http/openapi.js'
import { precondition } from '../http/preconditions.js'
import { configurationTarget, parseApplicationTarget } from '../names.js'
import type { Written } from '../revisions/written.js'
import { Configuration, ConfigurationList, configurationText, CreateConfiguration, readConfiguration, ReplaceConfiguration } from './schema.js'
import type { ConfigurationService } from './service.js'

export const configurationRoutes: FastifyPluginAsyncTypebox<{ service: ConfigurationService }> = async (app, { service }) => {
  const tags = ['configurations']
  const answer = (written: Written) => ({ location: `/api/v1/configurations/${written.id}`, text: configurationText(written) })

  app.post('/configurations', {
    config: { access: ['editor', 'body'] },
    schema: { tags, operationId: 'createConfiguration', summary: 'Create a configuration', headers: headers('idempotency', 'message'), body: CreateConfiguration, response: answers({ 201: Configuration }, 400, 401, 403, 409, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.create(readConfiguration(request.body, documentOf(request)), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.get('/configurations', {
    config: { access: ['reader', 'list'] },
    schema: {
      tags,
      operationId: 'listConfigurations',
      summary: 'List configurations, sorted by application and name',
      querystring: Type.Object({
        ...ListQuery,
        application: Type.Optional(Type.String({ description: 'Name or id' })),
        name: NamePrefix,
        label: LabelQuery,
        include: Type.Optional(Type.Enum(['values'], { description: 'values: items with values and schema' }))
      }),
      response: answers({ 200: ConfigurationList }, 400, 401, 403, 503)
    }
  }, async (request, reply) => {
    const { limit = 50, cursor, application, name, label, include } = request.query
    const target = application === undefined ? undefined : parseApplicationTarget(application)
    if (application !== undefined && target === undefined) throw malformed([{ in: 'query', path: 'application', message: 'must be an application\'s name or id' }])
    const after = cursor === undefined ? undefined : decodeCursor(cursor, ['name', 'name'], { application, name, label }) as unknown as readonly [string, string]
    const { revision, value } = await service.list({
      limit, whole: include === 'values', ...whenGiven('only', request.user.applications), ...whenGiven('application', target), ...whenGiven('name', name), ...whenGiven('label', label), ...whenGiven('after', after)
    })
    const last = value.items.at(-1)
    const next = value.more && last !== undefined ? encodeCursor(last.reference.split(':'), { application, name, label }) : null
    return sendJson(reply, revision, `{"items":[${value.items.map(configurationText).join(',')}],"next_cursor":${JSON.stringify(next)}}`)
  })

  app.get('/configurations/:id', {
    config: { access: ['reader', 'configuration'] },
    schema: { tags, operationId: 'readConfiguration', summary: 'Read a configuration as it is stored', params: IdParams, headers: headers('if-none-match'), response: answers({ 200: Configuration }, 304, 400, 401, 403, 404, 410, 503) }
  }, async (request, reply) => {
    const { revision, value } = await service.read(configurationTarget(request.params.id))
    return sendObject(request, reply, { revision, version: value.version, text: () => configurationText(value) })
  })

  app.put('/configurations/:id', {
    config: { access: ['editor', 'configuration'] },
    schema: { tags, operationId: 'replaceConfiguration', summary: 'Replace a configuration, or create it under this reference', params: IdParams, headers: headers('if-match', 'if-none-match', 'message'), body: ReplaceConfiguration, response: answers({ 200: Configuration, 201: Configuration }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const input = readConfiguration(request.body, documentOf(request))
    const written = await service.replace(configurationTarget(request.params.id), input, precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.patch('/configurations/:id', {
    config: { uncheckedBody: true, access: ['editor', 'configuration'] },
    schema: { tags, operationId: 'patchConfiguration', summary: 'Change parts of a configuration', params: IdParams, headers: headers('if-match', 'message'), body: patchBody, response: answers({ 200: Configuration }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.patch(configurationTarget(request.params.id), patchOf(request), precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.delete('/configurations/:id', {
    config: { access: ['editor', 'configuration'] },
    schema: { tags, operationId: 'deleteConfiguration', summary: 'Delete a configuration that nothing extends', params: IdParams, headers: headers('if-match', 'message'), response: answers({ 200: deletedAnswer }, 400, 401, 403, 404, 409, 410, 412, 503) }
  }, async (request, reply) => {
    const deleted = await service.remove(configurationTarget(request.params.id), precondition(request.headers), changeContext(request))
    return sendJson(reply, deleted.revision, JSON.stringify(deleted))
  })

  app.post('/configurations/:id/rollback', {
    config: { access: ['editor', 'configuration'] },
    schema: { tags, operationId: 'rollbackConfiguration', summary: 'Bring back the content of an earlier version', params: IdParams, headers: headers('if-match', 'idempotency', 'message'), body: rollbackBody, response: answers({ 200: Configuration }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.rollback(configurationTarget(request.params.id), request.body.version, precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })
}
