import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { malformed, type Fault } from '../errors.js'
import { whenGiven } from '../optional.js'
import type { ChangeContext } from '../revisions/change.js'

const MAX_MESSAGE_CHARACTERS = 500
const MAX_KEY_CHARACTERS = 128

/**
 * Who changes something, why and under which trace; for POST also under which idempotency key.
 * @throws Problem malformed-request
 */
export function changeContext (request: FastifyRequest): ChangeContext {
  const faults: Fault[] = []
  const message = readMessage(request.headers['x-change-message'], faults)
  const key = request.method === 'POST' ? readKey(request.headers['idempotency-key'], faults) : undefined
  if (faults.length > 0) throw malformed(faults)
  return {
    author: request.user.id,
    ...whenGiven('only', request.user.applications),
    message,
    traceId: request.trace.traceId,
    traceparent: request.trace.traceparent,
    ...(key === undefined ? {} : { idempotency: { key, requestHash: hashRequest(request) } })
  }
}

function readMessage (header: string | string[] | undefined, faults: Fault[]): string | null {
  if (header === undefined) return null
  const fault = (message: string): null => {
    faults.push({ in: 'header', path: 'x-change-message', message })
    return null
  }
  let text: string
  try {
    text = decodeURIComponent(String(header))
  } catch {
    return fault('has a percent-encoding that is not valid')
  }
  if (text.includes('\0')) return fault('contains a null character')
  if (text.length > MAX_MESSAGE_CHARACTERS) return fault(`is longer than ${MAX_MESSAGE_CHARACTERS} characters`)
  return text === '' ? null : text
}

function readKey (header: string | string[] | undefined, faults: Fault[]): string | undefined {
  if (header === undefined) return undefined
  const key = String(header)
  if (/^[\x21-\x7e]{1,128}$/.test(key)) return key
  faults.push({ in: 'header', path: 'idempotency-key', message: `must be 1 to ${MAX_KEY_CHARACTERS} visible ASCII characters` })
  return undefined
}

// The body's bytes, not its meaning: whoever retries sends the same bytes and the same precondition.
function hashRequest (request: FastifyRequest): string {
  return createHash('sha256').update(`${request.method} ${request.url}\n${request.headers['if-match'] ?? ''}\n`).update(request.bodyBytes ?? '').digest('base64')
}
