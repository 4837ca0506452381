import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parse, toPlain, type Json, type JsonObject } from '../json/index.js'
import { malformed } from '../errors.js'
import { MAX_BODY_DEPTH, type Patch } from '../revisions/patch.js'
import { unsupportedMediaType } from './problems.js'

const JSON_TYPE = 'application/json'
const MERGE_PATCH = 'application/merge-patch+json'
const JSON_PATCH = 'application/json-patch+json'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body with key order and numbers as they were sent; `request.body` is the same as plain data. */
    document: Json | null
    /** The body as it came. */
    bodyBytes: Buffer | null
  }
}

/** Reads JSON bodies twice over: as plain data for the shape check, and exactly. Other types answer 415. */
export function readBodies (app: FastifyInstance): void {
  app.decorateRequest('document', null)
  app.decorateRequest('bodyBytes', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser([JSON_TYPE, MERGE_PATCH, JSON_PATCH], { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) => {
    const { type, charset } = contentType(request)
    if (charset !== undefined && charset !== 'utf-8') throw unsupportedMediaType('The body must be in UTF-8.')
    if (type !== JSON_TYPE && request.method !== 'PATCH') throw unsupportedMediaType(`${type} is for PATCH; the body must be ${JSON_TYPE}.`)
    // Some clients name a type whether they send a body or not.
    if (bytes.length === 0 && (request.method === 'DELETE' || request.method === 'GET')) return undefined
    request.bodyBytes = bytes
    request.document = parse(bytes, { maxDepth: MAX_BODY_DEPTH })
    // Not JSON.parse: V8 14.6 can give keys with escapes a wrong name (nodejs/node#63785).
    return toPlain(request.document)
  })
  app.addHook('preParsing', async (request) => {
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') throw unsupportedMediaType('The body must be sent without a Content-Encoding.', 'content-encoding')
  })
}

/** The body as an object; the shape check has made sure that it is one. */
export function documentOf (request: FastifyRequest): JsonObject {
  return request.document as JsonObject
}

/** The patch in a body: by its type RFC 6902 or, else, RFC 7396. */
export function patchOf (request: FastifyRequest): Patch {
  const document = request.document as Json
  if (contentType(request).type === JSON_PATCH) return { kind: 'json', document }
  if (!(document instanceof Map)) throw malformed([{ in: 'body', path: '', message: 'must be an object; a JSON Patch is sent as application/json-patch+json' }])
  return { kind: 'merge', document }
}

function contentType (request: FastifyRequest): { type: string, charset: string | undefined } {
  const header = (request.headers['content-type'] ?? '').toLowerCase()
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim())
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))
  return { type, charset: charset?.slice('charset='.length).replaceAll('"', '') }
}
