import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { Type, type TSchema } from 'typebox'
import { problemTypes } from '../errors.js'

/** The shape of every refusal. */
const ProblemAnswer = Type.Object({
  type: Type.String({ examples: ['/problems/not-found'] }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String(),
  trace_id: Type.String(),
  errors: Type.Array(Type.Object({
    in: Type.Enum(['body', 'query', 'header', 'path']),
    path: Type.String({ description: 'RFC 6901 pointer in a body, else the name of the parameter' }),
    message: Type.String(),
    configuration: Type.Optional(Type.String()),
    schema_path: Type.Optional(Type.String())
  }))
}, { additionalProperties: true })

/** The answers of an operation: what it returns, and the problems by status. */
export function answers<R extends Record<number, TSchema>> (returns: R, ...problems: number[]): R & Record<number, TSchema> {
  const described: Record<number, unknown> = {}
  for (const status of problems) {
    if (status === 304) {
      described[304] = Type.Null({ description: 'Not modified' })
      continue
    }
    const slugs = Object.entries(problemTypes).filter(([, type]) => type.status === status).map(([slug]) => slug)
    described[status] = {
      description: slugs.join(', '),
      content: { 'application/problem+json': { schema: ProblemAnswer } }
    }
  }
  return { ...returns, ...described } as R & Record<number, TSchema>
}

const HEADERS = {
  'if-match': Type.Optional(Type.String({ description: 'ETags of which one must be current, or * (must exist)' })),
  'if-none-match': Type.Optional(Type.String({ description: 'GET: ETags that are at hand already; PUT: * (must not exist)' })),
  idempotency: Type.Optional(Type.String({ maxLength: 128, description: 'The same key with the same request gives the stored answer for 24 hours' })),
  message: Type.Optional(Type.String({ description: 'Why, percent-encoded; up to 500 characters when decoded' }))
}
const HEADER_NAMES = { 'if-match': 'if-match', 'if-none-match': 'if-none-match', idempotency: 'idempotency-key', message: 'x-change-message' }

/** The headers that an operation understands; they are read where they are used, and described here. */
export function headers (...names: Array<keyof typeof HEADERS>): TSchema {
  return Type.Object(Object.fromEntries(names.map((name) => [HEADER_NAMES[name], HEADERS[name]])))
}

export const deletedAnswer = Type.Object({
  revision: Type.Integer(),
  deleted: Type.Array(Type.Object({ kind: Type.Enum(['application', 'configuration']), id: Type.String({ format: 'uuid' }), reference: Type.String() })),
  count: Type.Integer()
})

export const rollbackBody = Type.Object({ version: Type.Integer({ minimum: 1, maximum: 2147483647 }) }, { additionalProperties: false })

export const patchBody = {
  content: {
    'application/merge-patch+json': { schema: Type.Object({}, { description: 'RFC 7396; application/json means the same', examples: [{ description: 'What it is for' }] }) },
    'application/json': { schema: Type.Object({}, { description: 'RFC 7396', examples: [{ description: 'What it is for' }] }) },
    'application/json-patch+json': {
      schema: Type.Array(Type.Object({ op: Type.Enum(['add', 'remove', 'replace', 'move', 'copy', 'test']), path: Type.String(), from: Type.Optional(Type.String()), value: Type.Optional(Type.Unknown()) }), { description: 'RFC 6902', examples: [[{ op: 'replace', path: '/description', value: 'What it is for' }]] })
    }
  }
} as unknown as TSchema

/** /openapi.json from the schemas of the routes, and /docs to browse it. */
export async function describeApi (app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'config-service', version, description: 'Applications own configurations; every change has a revision and a history. Problems are described at /problems.', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      tags: [{ name: 'applications' }, { name: 'configurations' }, { name: 'history' }, { name: 'access' }, { name: 'health' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'A token (cfg_…) or a JWT; where access is open, none is needed' } } },
      security: [{ bearer: [] }]
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `schema-${i}`) }
  })
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { docExpansion: 'list', deepLinking: true, tryItOutEnabled: true }, theme: { title: 'config-service', css: [{ filename: 'theme.css', content: '.swagger-ui .topbar { display: none }' }] } })
}
