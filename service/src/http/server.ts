import type { Socket } from 'node:net'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyHttpOptions, FastifyInstance, FastifyRequest } from 'fastify'
import { isLoopback } from '../loopback.js'
import { malformed, Problem } from '../errors.js'
import type { Head } from '../database/head.js'
import { currentTrace, type TraceIdentity } from '../telemetry/trace-headers.js'
import { storeHeaders } from './answers.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { problemText, sendProblem } from './problems.js'
import { tellBroken, tellProblem, whenOver } from './telemetry.js'

const MAX_HEADER_BYTES = 16 * 1024

/** How the HTTP server behaves towards clients that are slow, large or broken. */
export function serverOptions ({ bodyLimitBytes, head, telemetry }: { bodyLimitBytes: number, head: Head, telemetry: Telemetry }): FastifyHttpOptions<Server> {
  return {
    logger: false,
    bodyLimit: bodyLimitBytes,
    // A whole request has to arrive within this; answers may take longer.
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    // A client that neither sends nor takes its answer is cut off.
    connectionTimeout: 90_000,
    // Idle connections end at once when draining; requests under way and those behind them are answered.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: 2000 },
    // A request without Host is refused by a hook, with a problem and all headers.
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: 15_000, connectionsCheckingInterval: 5000, requireHostHeader: false },
    clientErrorHandler: (error, socket) => { answerBrokenRequest(error, socket, head, telemetry) },
    frameworkErrors: (error, request, reply) => {
      // Errors of the router, before any hook has run.
      request.trace = currentTrace(request.headers.traceparent as string | undefined)
      reply.headers(answerHeaders(request.trace, head))
      const message = error.code === 'FST_ERR_BAD_URL' ? 'has a percent-encoding that is not valid' : 'is longer than anything that exists here'
      const problem = malformed([{ in: 'path', path: '', message }])
      tellProblem(telemetry, request, problem, problem)
      sendProblem(request, reply as never, problem)
    }
  }
}

/** What has to be told to the server itself: requests that never reach a route. */
export function guardConnections (app: FastifyInstance, head: Head, { open, telemetry }: { open: boolean, telemetry: Telemetry }): void {
  endConnections(app)
  followAnswers(app)
  app.addHook('onRequest', async (request) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw malformed([{ in: 'header', path: 'host', message: 'is missing' }])
    }
    // Whoever has a token says so in a header that no web page of elsewhere can send.
    if (open) refuseForeign(request.headers)
  })
  // An expectation that is not known may be ignored (RFC 9110, section 10.1.1).
  app.server.on('checkExpectation', (request, response) => { app.server.emit('request', request, response) })
  app.server.on('connect', (_request, socket) => {
    refuseOnSocket(socket as Socket, new Problem('malformed-request', 'This is no proxy: CONNECT is not possible.'), head, telemetry)
  })
}

/**
 * When draining, Node ends the connections that are idle at that moment. One that still has a request under way
 * is to end with its answer: the client is told, and should it be too late for that, it is closed once idle.
 */
function endConnections (app: FastifyInstance): void {
  let draining = false
  app.addHook('preClose', async () => { draining = true })
  app.addHook('onSend', async (_request, reply) => { if (draining) reply.header('connection', 'close') })
  app.addHook('onResponse', async () => { if (draining) setImmediate(() => { app.server.closeIdleConnections() }) })
}

/**
 * Whoever reaches the address may do everything, so a web page must not: one whose name has been pointed at
 * this machine (DNS rebinding) sends its own name as Host, one that posts from elsewhere its own Origin.
 */
function refuseForeign (headers: IncomingHttpHeaders): void {
  const { host, origin } = headers
  if (host !== undefined && host !== lastHost) {
    if (!isLoopback(hostname(`http://${host}`))) throw new Problem('forbidden', 'Host names another machine; only loopback names and addresses are served.', { faults: [{ in: 'header', path: 'host', message: 'is not a loopback name or address' }] })
    lastHost = host
  }
  // A proxy on this machine would let in whomever it serves.
  const proxied = FORWARDING.find((name) => headers[name] !== undefined)
  if (proxied !== undefined) throw new Problem('forbidden', 'Requests that a proxy passes on are not served without tokens: set ACCESS=token.', { faults: [{ in: 'header', path: proxied, message: 'says that the request comes from elsewhere' }] })
  if (origin !== undefined && !isLoopback(hostname(origin))) {
    throw new Problem('forbidden', 'Requests that web pages of other origins make are not served.', { faults: [{ in: 'header', path: 'origin', message: 'is not of this machine' }] })
  }
}

const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

/** Whether a request was made on this machine, by nobody's web page and through no proxy. */
export function isLocal ({ ip, headers }: FastifyRequest): boolean {
  try {
    refuseForeign(headers)
    return isLoopback(ip)
  } catch {
    return false
  }
}

// The Host that was last found to be one of ours: nearly every request says the same, and none is parsed twice.
let lastHost: string | undefined

function hostname (url: string): string {
  return URL.parse(url)?.hostname.replace(/^\[|\]$/g, '') ?? ''
}

// Answers that a connection still owes, and what to write once they are sent.
const underWay = new WeakMap<Socket, Set<ServerResponse>>()
const broken = new WeakMap<Socket, () => void>()
// The request that has not arrived completely is the one that is broken: nobody waits for its answer.
function isOwing (socket: Socket): boolean {
  return underWay.get(socket)?.values().some(({ req }) => req.complete) === true
}

// What nginx calls a client that did not wait; nobody is sent it.
const CLIENT_CLOSED_REQUEST = 499

/**
 * Knows, at any moment, what a connection still owes: told by the server itself, since hooks run later than the
 * parser may find that what follows is broken. An answer that its client did not wait for counts as 499.
 */
function followAnswers (app: FastifyInstance): void {
  app.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    let owed = underWay.get(socket)
    if (owed === undefined) {
      const all = owed = new Set<ServerResponse>()
      underWay.set(socket, all)
      // Before the instrumentation looks at the status.
      socket.prependListener('close', () => { for (const one of all) if (!one.writableFinished) one.statusCode = CLIENT_CLOSED_REQUEST })
    }
    owed.add(response)
    whenOver(response, () => {
      owed.delete(response)
      if (!isOwing(socket)) broken.get(socket)?.()
    })
  })
}

function answerHeaders (trace: TraceIdentity, head: Head): Record<string, string> {
  return { traceparent: trace.traceparent, 'x-trace-id': trace.traceId, ...storeHeaders(head) }
}

// What Node's parser refuses never becomes a request: the answer is written to the socket by hand, but not
// before the answers of the requests that came ahead of it on the same connection.
function answerBrokenRequest (error: NodeJS.ErrnoException, socket: Socket, head: Head, telemetry: Telemetry): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = error.code === 'HPE_HEADER_OVERFLOW'
    ? new Problem('headers-too-large', `The headers are larger than ${MAX_HEADER_BYTES} bytes.`)
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new Problem('malformed-request', 'The request did not arrive completely in time.')
      : new Problem('malformed-request', 'The request is not valid HTTP.')
  const answer = (): void => { refuseOnSocket(socket, problem, head, telemetry) }
  if (isOwing(socket)) broken.set(socket, answer)
  else answer()
}

function refuseOnSocket (socket: Socket, problem: Problem, head: Head, telemetry: Telemetry): void {
  const trace = currentTrace(undefined)
  tellBroken(telemetry, problem, trace.traceId)
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
