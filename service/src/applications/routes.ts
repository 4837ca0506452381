import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { decodeCursor, encodeCursor } from '../cursor.js'
import { sendJson, sendObject, sendWritten } from '../http/answers.js'
import { patchOf } from '../http/body.js'
import { changeContext } from '../http/change-context.js'
import { IdParams, LabelQuery, ListQuery, NamePrefix } from '../http/fields.js'
import { whenGiven } from '../optional.js'
import { answers, deletedAnswer, headers, patchBody, rollbackBody } from '../http/openapi.js'
import { precondition } from '../http/preconditions.js'
import { applicationTarget } from '../names.js'
import type { Written } from '../revisions/written.js'
import { Application, ApplicationList, applicationText, CreateApplication, ReplaceApplication } from './schema.js'
import type { ApplicationService } from './service.js'

export const applicationRoutes: FastifyPluginAsyncTypebox<{ service: ApplicationService }> = async (app, { service }) => {
  const tags = ['applications']
  const answer = (written: Written) => ({ location: `/api/v1/applications/${written.id}`, text: applicationText(written) })

  app.post('/applications', {
    config: { access: ['admin', 'all'] },
    schema: { tags, operationId: 'createApplication', summary: 'Create an application', headers: headers('idempotency', 'message'), body: CreateApplication, response: answers({ 201: Application }, 400, 401, 403, 409, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.create(request.body, changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.get('/applications', {
    config: { access: ['reader', 'list'] },
    schema: { tags, operationId: 'listApplications', summary: 'List applications, sorted by name', querystring: Type.Object({ ...ListQuery, name: NamePrefix, label: LabelQuery }), response: answers({ 200: ApplicationList }, 400, 401, 403, 503) }
  }, async (request, reply) => {
    const { limit = 50, cursor, name, label } = request.query
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, ['name'], { name, label })
    const { revision, value } = await service.list({ limit, ...whenGiven('only', request.user.applications), ...whenGiven('name', name), ...whenGiven('label', label), ...whenGiven('after', after as string | undefined) })
    const last = value.items.at(-1)
    const next = value.more && last !== undefined ? encodeCursor([JSON.parse(last.content).name], { name, label }) : null
    return sendJson(reply, revision, `{"items":[${value.items.map(applicationText).join(',')}],"next_cursor":${JSON.stringify(next)}}`)
  })

  app.get('/applications/:id', {
    config: { access: ['reader', 'application'] },
    schema: { tags, operationId: 'readApplication', summary: 'Read an application', params: IdParams, headers: headers('if-none-match'), response: answers({ 200: Application }, 304, 400, 401, 403, 404, 410, 503) }
  }, async (request, reply) => {
    const { revision, value } = await service.read(applicationTarget(request.params.id))
    return sendObject(request, reply, { revision, version: value.version, text: () => applicationText(value) })
  })

  app.put('/applications/:id', {
    config: { access: ['admin', 'application'] },
    schema: { tags, operationId: 'replaceApplication', summary: 'Replace an application, or create it under this name', params: IdParams, headers: headers('if-match', 'if-none-match', 'message'), body: ReplaceApplication, response: answers({ 200: Application, 201: Application }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.replace(applicationTarget(request.params.id), request.body, precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.patch('/applications/:id', {
    config: { uncheckedBody: true, access: ['admin', 'application'] },
    schema: { tags, operationId: 'patchApplication', summary: 'Change parts of an application', params: IdParams, headers: headers('if-match', 'message'), body: patchBody, response: answers({ 200: Application }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.patch(applicationTarget(request.params.id), patchOf(request), precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })

  app.delete('/applications/:id', {
    config: { access: ['admin', 'application'] },
    schema: { tags, operationId: 'deleteApplication', summary: 'Delete an application that owns nothing', params: IdParams, headers: headers('if-match', 'message'), response: answers({ 200: deletedAnswer }, 400, 401, 403, 404, 409, 410, 412, 503) }
  }, async (request, reply) => {
    const deleted = await service.remove(applicationTarget(request.params.id), precondition(request.headers), changeContext(request))
    return sendJson(reply, deleted.revision, JSON.stringify(deleted))
  })

  app.post('/applications/:id/rollback', {
    config: { access: ['admin', 'application'] },
    schema: { tags, operationId: 'rollbackApplication', summary: 'Bring back the content of an earlier version', params: IdParams, headers: headers('if-match', 'idempotency', 'message'), body: rollbackBody, response: answers({ 200: Application }, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503) }
  }, async (request, reply) => {
    const written = await service.rollback(applicationTarget(request.params.id), request.body.version, precondition(request.headers), changeContext(request))
    return sendWritten(reply, written, answer(written))
  })
}
