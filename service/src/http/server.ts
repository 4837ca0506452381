import type { Socket } from 'node:net'
import type { Server } from 'node:http'
import type { FastifyHttpOptions } from 'fastify'
import { malformed, Problem } from '../errors.js'
import type { Head } from '../database/head.js'
import { currentTrace, type TraceIdentity } from '../telemetry/trace-headers.js'
import { problemText, sendProblem } from './problems.js'

const MAX_HEADER_BYTES = 16 * 1024

/** How the HTTP server behaves towards clients that are slow, large or broken. */
export function serverOptions ({ bodyLimitBytes, head }: { bodyLimitBytes: number, head: Head }): FastifyHttpOptions<Server> {
  return {
    logger: false,
    bodyLimit: bodyLimitBytes,
    // A whole request has to arrive within this; answers may take longer.
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    // Idle connections end at once when draining; requests under way and those behind them are answered.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: 2000 },
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: 15_000, connectionsCheckingInterval: 5000 },
    clientErrorHandler: (error, socket) => { answerBrokenRequest(error, socket, head) },
    frameworkErrors: (_error, request, reply) => {
      // Errors before any hook has run: the URL cannot be decoded.
      request.trace = currentTrace(request.headers.traceparent as string | undefined)
      reply.headers(answerHeaders(request.trace, head))
      sendProblem(request, reply as never, malformed([{ in: 'path', path: '', message: 'has a percent-encoding that is not valid' }]))
    }
  }
}

function answerHeaders (trace: TraceIdentity, head: Head): Record<string, string> {
  return { traceparent: trace.traceparent, 'x-trace-id': trace.traceId, 'x-config-revision': String(head.revision), 'x-config-epoch': head.epoch }
}

// What Node's parser refuses never becomes a request: the answer is written to the socket by hand.
function answerBrokenRequest (error: NodeJS.ErrnoException & { bytesParsed?: number }, socket: Socket, head: Head): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = error.code === 'HPE_HEADER_OVERFLOW'
    ? new Problem('headers-too-large', `The headers are larger than ${MAX_HEADER_BYTES} bytes.`)
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new Problem('malformed-request', 'The request did not arrive completely in time.')
      : new Problem('malformed-request', 'The request is not valid HTTP.')
  const trace = currentTrace(undefined)
  const body = problemText(problem, { instance: '', traceId: trace.traceId })
  socket.end([
    `HTTP/1.1 ${problem.status} ${problem.status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(answerHeaders(trace, head)).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
    '',
    body
  ].join('\r\n'))
}
