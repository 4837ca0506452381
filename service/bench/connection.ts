import { connect as connectSocket } from 'node:net'

/** An answer, as far as a benchmark looks at it. */
export interface Answer {
  status: number
  /** The header x-config-revision; NaN without one. */
  revision: number
  body: Buffer
}

/** A connection that sends one request after the other. */
export interface Connection {
  /** @param request the bytes of a whole request @throws ConnectionLost when no whole answer came */
  send (request: string): Promise<Answer>
  close (): void
}

/** Whether a request that it was thrown for had an effect is not known. */
export class ConnectionLost extends Error {}

/**
 * Opens a connection to 127.0.0.1. It knows as much of HTTP as the service's answers need (a status, a length, a
 * body) and no more: an ordinary client would take more of the machine's time than what is to be measured.
 * @param answerTimeoutMs after this an answer counts as lost
 */
export async function openConnection (port: number, answerTimeoutMs = 20_000): Promise<Connection> {
  const socket = connectSocket({ host: '127.0.0.1', port, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (error) => { reject(new ConnectionLost(error.message)) })
  })
  let waiting: { resolve: (answer: Answer) => void, reject: (error: Error) => void } | undefined
  let received: Buffer | undefined
  let lost: ConnectionLost | undefined

  const lose = (why: string): void => {
    lost ??= new ConnectionLost(why)
    socket.destroy()
    waiting?.reject(lost)
    waiting = undefined
  }
  socket.on('error', (error) => { lose(error.message) })
  socket.on('close', () => { lose('the connection was closed') })
  socket.setTimeout(answerTimeoutMs, () => { lose(`no answer within ${answerTimeoutMs} ms`) })
  socket.on('data', (chunk: Buffer) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const answer = readAnswer(received)
    if (answer === undefined) return
    received = undefined
    const { resolve } = waiting ?? {}
    waiting = undefined
    resolve?.(answer)
  })

  return {
    async send (request) {
      if (lost !== undefined) throw lost
      return await new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(request)
      })
    },
    close () { socket.destroy() }
  }
}

const END_OF_HEAD = '\r\n\r\n'

/** @returns nothing while it is not complete */
function readAnswer (bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(END_OF_HEAD)
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const start = end + END_OF_HEAD.length
  const length = header(head, 'content-length')
  if (Number.isNaN(length)) throw new Error(`an answer without content-length: ${head}`)
  if (bytes.length < start + length) return undefined
  return { status: Number(head.slice(9, 12)), revision: header(head, 'x-config-revision'), body: bytes.subarray(start, start + length) }
}

// The service writes the names of headers in small letters.
function header (head: string, name: string): number {
  const at = head.indexOf(`\r\n${name}: `)
  return at === -1 ? NaN : Number.parseInt(head.slice(at + name.length + 4, at + name.length + 20), 10)
}

/** The bytes of a request; `headers` are whole lines. */
export function requestText (method: string, path: string, body = '', headers: readonly string[] = []): string {
  const type = body === '' ? [] : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]
  return [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', ...type, ...headers, '', body].join('\r\n')
}
