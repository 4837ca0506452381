import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { decodeCursor, encodeCursor } from '../cursor.js'
import { sendJson } from '../http/answers.js'
import { IdParams, ListQuery, NextCursor } from '../http/fields.js'
import { whenGiven } from '../optional.js'
import { answers } from '../http/openapi.js'
import { applicationTarget, configurationTarget } from '../names.js'
import type { VersionRecord } from './repository.js'
import type { RevisionService } from './service.js'

const version = {
  version: Type.Integer(),
  revision: Type.Integer(),
  operation: Type.Enum(['create', 'update', 'rollback', 'delete']),
  author: Type.String(),
  message: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String({ format: 'date-time' }),
  trace_id: Type.Union([Type.String(), Type.Null()])
}
const VersionList = Type.Object({ items: Type.Array(Type.Object(version)), next_cursor: NextCursor })
const Version = Type.Object({ ...version, content: Type.Union([Type.Object({}), Type.Null()], { description: 'What could be written, as it read then; null for a deletion' }) })
const Diff = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  patch: Type.Array(Type.Object({ op: Type.Enum(['add', 'remove', 'replace']), path: Type.String(), value: Type.Optional(Type.Unknown()) }))
})
const VersionParams = Type.Object({ ...IdParams.properties, version: Type.Integer({ minimum: 1, maximum: 2147483647 }) })
const number = Type.Integer({ minimum: 0, maximum: 2147483647 })
const DiffQuery = Type.Object({
  from: Type.Optional(number),
  to: Type.Optional(Type.Integer({ minimum: 1, maximum: 2147483647 })),
  of: Type.Optional(Type.Enum(['stored'], { default: 'stored' }))
})

/** The history of applications and of configurations: versions, one version, and the step between two. */
export const revisionRoutes: FastifyPluginAsyncTypebox<{ service: RevisionService }> = async (app, { service }) => {
  const tags = ['history']
  for (const { kind, path, target } of [
    { kind: 'application', path: '/applications', target: applicationTarget },
    { kind: 'configuration', path: '/configurations', target: configurationTarget }
  ] as const) {
    const Kind = kind === 'application' ? 'Application' : 'Configuration'

    app.get(`${path}/:id/versions`, {
      config: { access: ['reader', kind] },
      schema: { tags, operationId: `list${Kind}Versions`, summary: `List the versions of ${kind === 'application' ? 'an' : 'a'} ${kind}, newest first`, params: IdParams, querystring: Type.Object(ListQuery), response: answers({ 200: VersionList }, 400, 401, 403, 404, 503) }
    }, async (request, reply) => {
      const { limit = 50, cursor } = request.query
      const [before] = cursor === undefined ? [] : decodeCursor(cursor, ['version'])
      const { revision, value } = await service.list(kind, target(request.params.id), { limit, ...whenGiven('before', before as number | undefined) })
      const next = value.more ? encodeCursor([value.items.at(-1)?.version ?? 0]) : null
      return sendJson(reply, revision, `{"items":[${value.items.map(versionText).join(',')}],"next_cursor":${JSON.stringify(next)}}`)
    })

    app.get(`${path}/:id/versions/:version`, {
      config: { access: ['reader', kind] },
      schema: { tags, operationId: `read${Kind}Version`, summary: `Read a version of ${kind === 'application' ? 'an' : 'a'} ${kind}`, params: VersionParams, response: answers({ 200: Version }, 400, 401, 403, 404, 503) }
    }, async (request, reply) => {
      const { revision, value } = await service.find(kind, target(request.params.id), request.params.version)
      return sendJson(reply, revision, `${versionText(value).slice(0, -1)},"content":${value.content ?? 'null'}}`)
    })

    app.get(`${path}/:id/diff`, {
      config: { access: ['reader', kind] },
      schema: { tags, operationId: `diff${Kind}`, summary: 'What changed between two versions (the last step unless told)', params: IdParams, querystring: DiffQuery, response: answers({ 200: Diff }, 400, 401, 403, 404, 503) }
    }, async (request, reply) => {
      const { from, to } = request.query
      const { revision, value } = await service.diff(kind, target(request.params.id), { ...whenGiven('from', from), ...whenGiven('to', to) })
      return sendJson(reply, revision, `{"from":${value.from},"to":${value.to},"patch":${value.patch}}`)
    })
  }
}

function versionText ({ version, revision, operation, author, message, created_at: createdAt, trace_id: traceId }: VersionRecord): string {
  return JSON.stringify({ version, revision, operation, author, message, created_at: createdAt, trace_id: traceId })
}
