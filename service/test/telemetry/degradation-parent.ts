import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { ChildOptions } from './degradation-child.js'

export interface Child {
  process: ChildProcess
  url: string
  /** Lines of standard output and of standard error, parsed. */
  out: Array<Record<string, unknown>>
  err: Array<Record<string, unknown>>
  call (command: string, argument?: unknown): Promise<any>
}

/** The child program on the start line of the service: preload, register, program. */
export async function startChild (t: Test, options: ChildOptions, env: Record<string, string>): Promise<Child> {
  const child = fork(path.join(__dirname, 'degradation-child.js'), {
    execArgv: ['--require', path.join(__dirname, '../../src/telemetry/preload.js'), '--require', '@opentelemetry/auto-instrumentations-node/register'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '', OTEL_METRICS_EXPORTER: 'none', CHILD_OPTIONS: JSON.stringify(options), OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_BLRP_SCHEDULE_DELAY: '100', ...env }
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const out: Child['out'] = []
  const err: Child['err'] = []
  for (const [stream, lines] of [[child.stdout, out], [child.stderr, err]] as const) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => { lines.push(line.startsWith('{') ? JSON.parse(line) : { text: line }) })
  }
  const waiting = new Map<number, (result: unknown) => void>()
  let calls = 0
  child.on('message', ({ id, result }: { id: number, result: unknown }) => { waiting.get(id)?.(result) })
  const [{ result: url }] = await once(child, 'message') as [{ result: string }]
  return {
    process: child,
    url,
    out,
    err,
    call: async (command, argument) => await new Promise((resolve) => {
      waiting.set(++calls, resolve)
      child.send({ id: calls, command, argument })
    })
  }
}

interface Otlp { name?: string, spanId: string, parentSpanId?: string, traceId: string, kind: number, severityText?: string, body?: { stringValue: string } }

export interface Receiver {
  env: Record<string, string>
  spans: Otlp[]
  logs: Otlp[]
  requests: number
  /** ok; 400 (refused for good); hang. */
  mode: 'ok' | 'refuse' | 'hang'
}

/** Takes OTLP over HTTP as JSON and keeps it. */
export async function startReceiver (t: Test): Promise<Receiver> {
  const receiver: Receiver = { env: {}, spans: [], logs: [], requests: 0, mode: 'ok' }
  const server = http.createServer((request, answer) => {
    let body = ''
    request.setEncoding('utf8').on('data', (data) => { body += String(data) }).on('end', () => {
      receiver.requests += 1
      if (receiver.mode === 'hang') return
      if (receiver.mode === 'refuse') { answer.writeHead(400).end(); return }
      const { resourceSpans = [], resourceLogs = [] } = JSON.parse(body) as any
      receiver.spans.push(...resourceSpans.flatMap((of: any) => of.scopeSpans.flatMap((scope: any) => scope.spans)))
      receiver.logs.push(...resourceLogs.flatMap((of: any) => of.scopeLogs.flatMap((scope: any) => scope.logRecords)))
      answer.setHeader('content-type', 'application/json').end('{}')
    })
  })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  receiver.env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  return receiver
}

/** Waits until something holds; fails with what it saw last. */
export async function until<T> (look: () => T | Promise<T>, holds: (seen: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (holds(seen)) return seen
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(seen)} after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
