import { context, trace } from '@opentelemetry/api'
import { installSwitch } from '../../src/telemetry/switch.js'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { createLog } from '../../src/telemetry/log.js'
import { createMonitor, type MonitorOptions } from '../../src/telemetry/monitor.js'
import { quiet } from '../../src/telemetry/quiet.js'

/** What the parent hands over in the environment, as JSON. */
export interface ChildOptions {
  databaseUrl?: string
  monitor?: Pick<MonitorOptions, 'forced' | 'sidecarHealthUrl' | 'dataDir' | 'thresholds' | 'intervalMs' | 'sidecarTimeoutMs' | 'errorFileBytes'>
}

const tracing = installSwitch()
const options = JSON.parse(process.env.CHILD_OPTIONS ?? '{}') as ChildOptions
const log = createLog({ level: 'info', format: 'json' })
const pool = options.databaseUrl === undefined ? undefined : new pg.Pool({ connectionString: options.databaseUrl })
const tracer = trace.getTracer('child')
const seen = { exportErrors: [] as unknown[], internalErrors: 0, levels: [] as number[] }
const monitor = options.monitor === undefined
  ? undefined
  : createMonitor({
    ...options.monitor,
    sidecarHealthUrl: options.monitor.sidecarHealthUrl,
    log,
    tracing,
    onExportError (kind) { seen.exportErrors.push(kind ?? null); throw new Error('counting failed') },
    onInternalError () { seen.internalErrors += 1 }
  })
monitor?.onLevel(() => { throw new Error('a listener failed') })
monitor?.onLevel((level) => { seen.levels.push(level) })

/** A server span with a span of its own, a query and a request below it. */
async function work (slow = false): Promise<void> {
  await tracer.startActiveSpan('outer', async (outer) => {
    if (slow) await new Promise((resolve) => setTimeout(resolve, 500))
    await pool?.query({ name: 'one', text: 'select 1' })
    await fetch(`${url()}/bare`)
    await tracer.startActiveSpan('inner', {}, async (inner) => { inner.end() })
    outer.end()
  })
}

async function quietWork (): Promise<void> {
  await quiet(async () => {
    await work()
    await new Promise((resolve) => setTimeout(resolve, 10))
    await pool?.query('select 2')
    await new Promise((resolve) => { http.get(`${url()}/bare`, (answer) => { answer.resume().on('end', resolve) }) })
  })
}

const server = http.createServer((request: IncomingMessage, answer: ServerResponse) => {
  void (async () => {
    const path = request.url ?? ''
    if (path.startsWith('/job')) await work(path === '/job/slow')
    const span = trace.getSpanContext(context.active())
    answer.end(JSON.stringify({ traceparent: request.headers.traceparent, span }))
  })()
})
const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const commands: Record<string, (argument: never) => unknown> = {
  on: () => { tracing.on() },
  off: () => { tracing.off() },
  sample: (ratio: number) => { tracing.rules.sampleReads = { matches: (path) => path.startsWith('/job/read'), ratio } },
  quietWork,
  log: ({ level, message }: { level: 'info', message: string }) => { log[level](message) },
  spans: (n: number) => { for (let i = 0; i < n; i++) tracer.startSpan('one of many').end() },
  endTwice: () => { const span = tracer.startSpan('twice'); span.end(); span.end() },
  block: (ms: number) => { for (const end = performance.now() + ms; performance.now() < end;); },
  status: () => monitor?.status(),
  seen: () => seen,
  scrape: () => { monitor?.noteScrape() },
  flush: async () => { await tracing.delegate.forceFlush?.() },
  close: async () => { await monitor?.close() },
  usage: () => process.cpuUsage()
}

process.on('message', ({ id, command, argument }: { id: number, command: string, argument: never }) => {
  void (async () => { process.send?.({ id, result: await commands[command]?.(argument) }) })()
})
process.on('disconnect', () => { process.exit() })
server.listen(0, '127.0.0.1', () => { process.send?.({ id: 0, result: url() }) })
