import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Head } from '../database/head.js'
import { nameRoute } from '../telemetry/server-span.js'
import { currentTrace, type TraceIdentity } from '../telemetry/trace-headers.js'
import { nobody } from './access.js'
import { etag, notModified } from './preconditions.js'

declare module 'fastify' {
  interface FastifyRequest {
    trace: TraceIdentity
  }
  interface FastifyReply {
    /** The revision that the answer speaks of; the head where it speaks of none. */
    revision: number | undefined
  }
}

/** What every request is given and every answer carries: trace, caller, revision and epoch. */
export function markAnswers (app: FastifyInstance, head: Head): void {
  app.decorateRequest('trace')
  app.decorateRequest('user')
  app.decorateReply('revision', undefined)
  app.addHook('onRequest', async (request, reply) => {
    nameRoute(request.routeOptions.url)
    request.trace = currentTrace(request.headers.traceparent as string | undefined)
    request.user = nobody()
    reply.headers({ traceparent: request.trace.traceparent, 'x-trace-id': request.trace.traceId, 'x-content-type-options': 'nosniff' })
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.headers(storeHeaders(head, reply.revision))
  })
}

/** Revision (the head where the answer speaks of none) and epoch; nothing before the store has been opened. */
export function storeHeaders (head: Head, revision: number | undefined = head.revision): Record<string, string> {
  return head.epoch === '' ? {} : { 'x-config-revision': String(revision), 'x-config-epoch': head.epoch }
}

/** Sends JSON text that is ready. */
export function sendJson (reply: FastifyReply, revision: number, text: string): FastifyReply {
  reply.revision = revision
  return reply.type('application/json; charset=utf-8').send(text)
}

/** Answers a GET of an object with its ETag, or 304 when the caller has it already. */
export function sendObject (request: FastifyRequest, reply: FastifyReply, read: { revision: number, version: number, text: () => string }): FastifyReply {
  const tag = etag(read.version)
  reply.revision = read.revision
  reply.header('etag', tag)
  if (notModified(request.headers, tag)) return reply.code(304).send()
  return sendJson(reply, read.revision, read.text())
}

/** Answers a write with the whole object: 201 and Location when it is new. */
export function sendWritten (reply: FastifyReply, written: { created: boolean, head: number, version: number }, object: { location: string, text: string }): FastifyReply {
  if (written.created) reply.code(201).header('location', object.location)
  reply.header('etag', etag(written.version))
  return sendJson(reply, written.head, object.text)
}
