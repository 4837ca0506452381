// What scripts/trace runs: node trace.mjs ROOT ID. Prints a trace from the files that the sidecar's destination
// `file` writes: OTLP JSON, a batch on each line.
import { createReadStream, existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseEnv } from 'node:util'

const SHOWN = ['http.route', 'http.response.status_code', 'operation.type', 'resource.name', 'db.table', 'db.rows_affected', 'error.type']

const [root, given = ''] = process.argv.slice(2)
const id = given.trim().toLowerCase()
if (!/^[0-9a-f]{32}$/.test(id)) {
  console.error(`${JSON.stringify(given)} is no trace id: 32 hexadecimal digits, from the header x-trace-id of an answer or the trace_id of a log line`)
  process.exit(2)
}

const folder = telemetryFolder()
const spans = await recordsOf('traces', (batch) => batch.resourceSpans, (resource) => resource.scopeSpans, (scope) => scope.spans)
const logs = await recordsOf('logs', (batch) => batch.resourceLogs, (resource) => resource.scopeLogs, (scope) => scope.logRecords)
if (spans.length === 0 && logs.length === 0) {
  console.error(`Trace ${id} is not in ${folder}. A trace is written some 15 s after its request: try again then. ` +
    'In production only a share is kept, besides errors, slow traces and changes; and what is old gives way to what is new.')
  process.exit(1)
}

const known = new Set(spans.map((span) => span.spanId))
spans.sort((a, b) => compare(a.startTimeUnixNano, b.startTimeUnixNano))
for (const span of spans.filter((one) => !known.has(one.parentSpanId))) print(span, '')
if (spans.length === 0) console.log('Its spans are not kept, or not yet: they are written some 15 s after the request.')
if (logs.length > 0) console.log('')
logs.sort((a, b) => compare(a.timeUnixNano, b.timeUnixNano))
for (const log of logs) {
  const time = new Date(Number(BigInt(log.timeUnixNano) / 1_000_000n)).toISOString()
  console.log(clean(`${time}  ${(log.severityText ?? '').padEnd(5)}  ${valueOf(log.body ?? {})}`))
}

function print (span, indent) {
  const took = (Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6).toFixed(2)
  const failed = span.status?.code === 2 ? `  ERROR${span.status.message ? `: ${span.status.message}` : ''}` : ''
  console.log(clean(`${took.padStart(9)} ms  ${indent}${span.name}${inWords(span, SHOWN)}${failed}`))
  for (const event of span.events ?? []) console.log(clean(`${' '.repeat(14)}${indent}  * ${event.name}${inWords(event)}`))
  for (const child of spans.filter((one) => one.parentSpanId === span.spanId)) print(child, `${indent}  `)
}

/** ` name=value …`, of the attributes that are wanted, or of all but stack traces. */
function inWords ({ attributes = [] }, wanted) {
  return attributes.filter(({ key }) => wanted?.includes(key) ?? key !== 'exception.stacktrace')
    .map(({ key, value }) => `  ${key}=${valueOf(value)}`).join('')
}

function valueOf (value) {
  const [inner] = Object.values(value)
  return typeof inner === 'object' ? JSON.stringify(inner) : String(inner ?? '')
}

/** What came over the network does not steer the terminal. */
function clean (line) {
  return line.replace(/\p{Cc}+/gu, ' ')
}

function compare (a, b) {
  return Number(BigInt(a) - BigInt(b))
}

/** All spans or log lines of the trace, from the current file and those that were rotated. */
async function recordsOf (kind, ...levels) {
  const found = []
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(kind) && name.endsWith('.jsonl')) : []
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      if (!line.includes(id)) continue
      try {
        found.push(...levels.reduce((outer, inner) => outer.flatMap((one) => inner(one) ?? []), [JSON.parse(line)]).filter(({ traceId }) => traceId === id))
      } catch {} // the last line, which is being written
    }
  }
  return found
}

/** As scripts/start finds it: a relative path of the environment starts here, one of .env at the root. */
function telemetryFolder () {
  const file = existsSync(join(root, '.env')) ? parseEnv(readFileSync(join(root, '.env'), 'utf8')) : {}
  const path = (name) => process.env[name] ? resolve(process.env[name]) : !(name in process.env) && file[name] ? resolve(root, file[name]) : undefined
  return path('COLLECTOR_FILE_DIR') ?? join(path('DATA_DIR') ?? join(root, '.data'), 'telemetry')
}
