import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'

// Stands for the Collector where the launcher is what is tested: takes its ports, says how it is, and
// ends on SIGTERM. COLLECTOR_STAND_IN makes it misbehave. MEETS is where it writes how it was called.
const { COLLECTOR_STAND_IN: behaviour, EVENTS: events, MEETS: meets, COLLECTOR_HOST: host = '127.0.0.1' } = process.env
const tell = (event: string) => { if (events !== undefined) appendFileSync(events, `${event}\n`) }

if (process.argv[2] === 'validate') {
  if (behaviour === 'faulty') process.stderr.write(`2026-01-01T00:00:00.000Z\tinfo\tcaller.go:1\tbefore\nError: failed to get config: decoding failed due to the following error(s):\n\n'limit_mib' expected ${'x'.repeat(900)} the end\n`)
  process.exit(behaviour === 'faulty' ? 1 : 0)
}
const isRefusing = () => behaviour === 'refuse' && !existsSync(process.env['MENDED'] ?? '')

if (isRefusing()) {
  process.stderr.write('2026-01-01T00:00:00.000Z\tinfo\tcaller.go:1\tordinary\n')
  process.stderr.write('Error: failed to get config: receivers: unknown type "oltp"\n')
  process.exit(1)
}
if (meets !== undefined) writeFileSync(meets, JSON.stringify({ arguments: process.argv.slice(2), environment: process.env, cwd: process.cwd() }))

process.on('SIGTERM', () => {
  tell('sidecar asked by SIGTERM')
  if (behaviour !== 'stubborn') process.exit(0)
})
process.on('SIGINT', () => {
  tell('sidecar asked by SIGINT')
  process.exit(0)
})

const ports = ['COLLECTOR_OTLP_GRPC_PORT', 'COLLECTOR_OTLP_HTTP_PORT', 'COLLECTOR_SPAN_METRICS_PORT', 'COLLECTOR_METRICS_PORT', 'COLLECTOR_HEALTH_PORT']
for (const name of ports) {
  createServer((_request, response) => { response.end(name) }).listen(Number(process.env[name]), host)
}
