import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'

/** The repository's folder collector/. */
export const collectorFolder = path.join(packageRoot, '..', 'collector')

const binary = findBinary()

/** For the option `skip` of a test: false, or why there is no Collector to test with. */
export const noCollector = binary === undefined && 'there is no Collector: run `sh scripts/lib/collector.sh build`, or name one in TEST_COLLECTOR'

export interface Collector {
  /** `host:port` of OTLP over gRPC. */
  grpc: string
  /** Base URL of OTLP over HTTP. */
  http: string
  spanMetricsUrl: string
  metricsUrl: string
  healthUrl: string
  /** Where the file destination writes. */
  output: string
  /** Sends spans; each is of the service `config-service` unless `resource` says otherwise. Resolves to the HTTP status. */
  send (spans: SpanToSend[], resource?: Attributes): Promise<number>
  sendLogs (records: LogToSend[], resource?: Attributes): Promise<number>
  /** What the file destination has so far. */
  spans (): Span[]
  logs (): Log[]
  metrics (): Point[]
  /** The value of one of the Collector's own counters, summed over its series whose labels match. */
  counter (name: string, labels?: RegExp): Promise<number>
  /** What the Collector has said on standard error since it was first started. */
  said (): string
  /** SIGTERM: decides on what waits, writes everything down, and ends. */
  stop (): Promise<void>
  /** SIGKILL. */
  kill (): Promise<void>
  /** Again on the same ports with the same storage, with these variables changed. */
  restart (env?: Record<string, string>): Promise<void>
}

export interface CollectorOptions {
  /** Variables on top of those that make decisions and flushes quick. */
  env?: Record<string, string>
  /** Names of files in collector/destinations; `file` unless given. */
  destinations?: string[]
  /** Paths of further configurations, merged last. */
  configs?: string[]
}

export type Attributes = Record<string, unknown>
export interface SpanEvent { name: string, attributes: Attributes }
export interface SpanToSend {
  name: string
  traceId?: string
  spanId?: string
  parentSpanId?: string
  traceState?: string
  /** 1 internal (as if not given), 2 server, 3 client. */
  kind?: number
  /** 1 unless given; ends now. */
  durationMs?: number
  attributes?: Attributes
  /** 2 is an error. */
  status?: { code?: number, message?: string }
  events?: SpanEvent[]
}
export interface Span extends Required<Omit<SpanToSend, 'durationMs'>> { durationMs: number, resource: Attributes }
export interface LogToSend { body: unknown, attributes?: Attributes }
export interface Log extends Required<LogToSend> { resource: Attributes, traceId: string, spanId: string, severity: string }
/** A data point, whatever its kind. */
export interface Point { name: string, unit: string, attributes: Attributes, resource: Attributes }

/** Starts a real Collector with collector/config.yaml on free ports and waits until it is healthy. It ends with the test. */
export async function startCollector (t: Test, { env = {}, destinations = ['file'], configs = [] }: CollectorOptions = {}): Promise<Collector> {
  if (binary === undefined) throw new Error(String(noCollector))
  const folder = mkdtempSync(path.join(tmpdir(), 'collector-'))
  const logFile = path.join(folder, 'log')
  const output = path.join(folder, 'output')
  const args = configArguments(destinations).concat(configs.map((config) => `--config=${config}`))
  let child: ChildProcess | undefined
  let ports: number[] = []

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const timer = setTimeout(() => child?.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(timer)
  }
  const start = async (changes: Record<string, string> = {}): Promise<void> => {
    env = { ...env, ...changes }
    const stderr = openSync(logFile, 'a')
    child = spawn(binary, args, {
      stdio: ['ignore', 'ignore', stderr],
      env: {
        COLLECTOR_OTLP_GRPC_PORT: String(ports[0]),
        COLLECTOR_OTLP_HTTP_PORT: String(ports[1]),
        COLLECTOR_SPAN_METRICS_PORT: String(ports[2]),
        COLLECTOR_METRICS_PORT: String(ports[3]),
        COLLECTOR_HEALTH_PORT: String(ports[4]),
        COLLECTOR_STORAGE_DIR: path.join(folder, 'storage'),
        COLLECTOR_FILE_DIR: output,
        COLLECTOR_FILE_FLUSH_INTERVAL: '50ms',
        COLLECTOR_LOG_LEVEL: 'warn',
        COLLECTOR_BATCH_TIMEOUT: '100ms',
        COLLECTOR_RETRY_INITIAL_INTERVAL: '100ms',
        COLLECTOR_RETRY_MAX_INTERVAL: '300ms',
        SAMPLING_DECISION_WAIT: '1s',
        SAMPLING_GROUP_TIMEOUT: '20ms',
        SPAN_METRICS_FLUSH_INTERVAL: '1s',
        ...env
      }
    })
    closeSync(stderr)
    await healthy(child, `http://127.0.0.1:${ports[4]}`, () => readFileSync(logFile, 'utf8'))
  }

  t.teardown(async () => {
    await end('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  })
  // Somebody else may take a port between the look and the start.
  for (let attempt = 1; ; attempt++) {
    ports = await freePorts(5)
    try {
      await start()
      break
    } catch (error) {
      await end('SIGKILL')
      if (attempt === 3 || !String(error).includes('address already in use')) throw error
    }
  }

  const http = `http://127.0.0.1:${ports[1]}`
  const metricsUrl = `http://127.0.0.1:${ports[3]}/metrics`
  const post = async (route: string, body: unknown): Promise<number> => {
    const answer = await fetch(http + route, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    await answer.text()
    return answer.status
  }
  return {
    grpc: `127.0.0.1:${ports[0]}`,
    http,
    spanMetricsUrl: `http://127.0.0.1:${ports[2]}/metrics`,
    metricsUrl,
    healthUrl: `http://127.0.0.1:${ports[4]}/`,
    output,
    send: (spans, resource = {}) => post('/v1/traces', { resourceSpans: [{ resource: ofService(resource), scopeSpans: [{ scope: { name: 'test' }, spans: spans.map(encodeSpan) }] }] }),
    sendLogs: (records, resource = {}) => post('/v1/logs', { resourceLogs: [{ resource: ofService(resource), scopeLogs: [{ scope: { name: 'test' }, logRecords: records.map(encodeLog) }] }] }),
    spans: () => records(output, 'traces', 'Spans', 'spans').map(({ record, resource }) => decodeSpan(record, resource)),
    logs: () => records(output, 'logs', 'Logs', 'logRecords').map(({ record, resource }) => decodeLog(record, resource)),
    metrics: () => records(output, 'metrics', 'Metrics', 'metrics').flatMap(({ record, resource }) => decodePoints(record, resource)),
    counter: async (name, labels = /.*/) => {
      const page = await (await fetch(metricsUrl)).text()
      const series = page.split('\n').filter((line) => new RegExp(`^${name}(_total)?[{ ]`).test(line) && labels.test(line))
      return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
    },
    said: () => readFileSync(logFile, 'utf8'),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async (changes) => {
      await end('SIGTERM')
      await start(changes)
    }
  }
}

/** What the Collector says of a configuration: exit code and standard error. */
export function validate (destinations: string[], env: Record<string, string> = {}): { status: number | null, stderr: string } {
  const { status, stderr } = spawnSync(String(binary), ['validate', ...configArguments(destinations)], { env, encoding: 'utf8' })
  return { status, stderr }
}

/** Asks again and again until there is an answer (not undefined, not false), 15 s at most. */
export async function eventually<T> (ask: () => T | Promise<T>, what: string): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + 15_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    if (Date.now() > deadline) throw new Error(`${what}: not within 15 s`)
    await sleep(50)
  }
}

export const newTraceId = (): string => randomBytes(16).toString('hex')
export const newSpanId = (): string => randomBytes(8).toString('hex')

function findBinary (): string | undefined {
  const named = process.env.TEST_COLLECTOR
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined
  const script = spawnSync('sh', [path.join(packageRoot, '..', 'scripts', 'lib', 'collector.sh'), 'path'], { encoding: 'utf8' })
  return script.status === 0 ? script.stdout.trim() : undefined
}

function configArguments (destinations: string[]): string[] {
  return ['config.yaml', ...destinations.map((name) => `destinations/${name}.yaml`)].map((file) => `--config=${path.join(collectorFolder, file)}`)
}

async function healthy (child: ChildProcess, url: string, said: () => string): Promise<void> {
  await eventually(async () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the Collector has ended: ${said()}`)
    try {
      const answer = await fetch(url)
      await answer.text()
      return answer.ok
    } catch {
      return false
    }
  }, 'a healthy Collector')
}

/** Below the range from which the system gives out ports by itself, so that they are still free after a restart. */
async function freePorts (count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(20_000, 32_000)
    if (!ports.includes(port) && await isFree(port)) ports.push(port)
  }
  return ports
}

function isFree (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => { server.close(() => { resolve(true) }) })
  })
}

/** What the whole lines of a signal's files hold, the rotated files included. OTLP nests all signals alike. */
function records (folder: string, signal: string, group: string, list: string): Array<{ record: any, resource: Attributes }> {
  if (!existsSync(folder)) return []
  const lines = readdirSync(folder).filter((name) => name.startsWith(signal)).flatMap((name) => {
    const text = readFileSync(path.join(folder, name), 'utf8')
    return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line !== '')
  })
  return lines.flatMap((line) => JSON.parse(line)[`resource${group}`].flatMap((ofResource: any) => {
    const resource = decodeAttributes(ofResource.resource.attributes)
    return ofResource[`scope${group}`].flatMap((ofScope: any) => ofScope[list].map((record: any) => ({ record, resource })))
  }))
}

function encodeSpan ({ durationMs = 1, attributes = {}, events = [], ...span }: SpanToSend): object {
  const end = BigInt(Date.now()) * 1_000_000n
  return {
    traceId: newTraceId(),
    spanId: newSpanId(),
    kind: 1,
    ...span,
    startTimeUnixNano: String(end - BigInt(Math.round(durationMs * 1_000_000))),
    endTimeUnixNano: String(end),
    attributes: encodeAttributes(attributes),
    events: events.map((event) => ({ name: event.name, timeUnixNano: String(end), attributes: encodeAttributes(event.attributes) }))
  }
}

function decodeSpan (span: any, resource: Attributes): Span {
  return {
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    traceState: span.traceState ?? '',
    kind: span.kind,
    durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1_000_000,
    attributes: decodeAttributes(span.attributes),
    status: span.status ?? {},
    events: (span.events ?? []).map((event: any) => ({ name: event.name, attributes: decodeAttributes(event.attributes) })),
    resource
  }
}

function encodeLog ({ body, attributes = {} }: LogToSend): object {
  return { timeUnixNano: String(BigInt(Date.now()) * 1_000_000n), severityNumber: 9, severityText: 'INFO', body: encode(body), attributes: encodeAttributes(attributes) }
}

function decodeLog (record: any, resource: Attributes): Log {
  return { body: decode(record.body ?? {}), attributes: decodeAttributes(record.attributes), resource, traceId: record.traceId ?? '', spanId: record.spanId ?? '', severity: record.severityText ?? '' }
}

function decodePoints ({ name, unit = '', ...kinds }: any, resource: Attributes): Point[] {
  return Object.values<any>(kinds).flatMap((kind) => kind.dataPoints ?? []).map((point) => ({ name, unit, attributes: decodeAttributes(point.attributes), resource }))
}

const ofService = (resource: Attributes): object => ({ attributes: encodeAttributes({ 'service.name': 'config-service', ...resource }) })

function encodeAttributes (attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: encode(value) }))
}

function encode (value: unknown): object {
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(encode) } }
  if (typeof value === 'object' && value !== null) return { kvlistValue: { values: encodeAttributes(value as Attributes) } }
  return { stringValue: String(value) }
}

function decodeAttributes (attributes: any[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, decode(value)]))
}

function decode (value: any): unknown {
  if ('intValue' in value) return Number(value.intValue)
  if ('arrayValue' in value) return (value.arrayValue.values ?? []).map(decode)
  if ('kvlistValue' in value) return decodeAttributes(value.kvlistValue.values)
  return Object.values(value)[0]
}
