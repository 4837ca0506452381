import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { cloneDatabase } from './database.js'

export interface TestService {
  child: ChildProcess
  url: string
  databaseUrl: string
  /** The lines of its log, parsed. */
  lines: Array<Record<string, unknown>>
  /** A request below /api/v1 with a JSON body. */
  call (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ServiceAnswer>
  /** SIGTERM; the exit code once it has ended. */
  stop (): Promise<number | null>
}

export interface ServiceAnswer { status: number, headers: Headers, traceId: string, json: Record<string, any> }

const START_LINE = ['--require', './build/src/telemetry/preload.js', '--require', '@opentelemetry/auto-instrumentations-node/register']

/** The service as it is started for real: preload, register, main; in a process of its own, over a real socket. */
export async function startService (t: Test, { env = {}, databaseUrl }: { env?: Record<string, string>, databaseUrl?: string } = {}): Promise<TestService> {
  const database = databaseUrl ?? await cloneDatabase(t)
  const child = fork(path.join(packageRoot, 'build/src/main.js'), {
    cwd: packageRoot,
    execArgv: START_LINE,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: database, PORT: '0', OTEL_METRICS_EXPORTER: 'none', SIDECAR_HEALTH_URL: 'off', LOG_FORMAT: 'json', ...env }
  })
  const lines: TestService['lines'] = []
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => { lines.push(JSON.parse(line)) })
  t.teardown(() => { child.kill('SIGKILL') })
  const [message] = await once(child, 'message') as [{ type: string, url: string }]
  t.equal(message.type, 'ready')
  const { url } = message
  return {
    child,
    url,
    databaseUrl: database,
    lines,
    async call (method, path, body, headers = {}) {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const text = await answer.text()
      return { status: answer.status, headers: answer.headers, traceId: answer.headers.get('x-trace-id') ?? '', json: text === '' ? {} : JSON.parse(text) }
    },
    async stop () {
      const exited = once(child, 'close')
      child.kill('SIGTERM')
      const [code] = await exited as [number | null]
      return code
    }
  }
}
