import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { eventually, noCollector, startCollector } from '../support/collector.js'
import { startService } from '../support/service.js'
import { buildWall } from '../support/wall.js'
import { cloneDatabase } from '../support/database.js'

// Each level as TELEMETRY_LEVEL fixes it, with the real start line and the real Collector. How the levels are
// entered and left by themselves is in degradation.test.ts and monitor.test.ts.

for (const { level, spans, otlpLines, file, lines } of [
  { level: 1, spans: true, otlpLines: ['info', 'error'], file: false, lines: true },
  { level: 2, spans: false, otlpLines: ['error'], file: false, lines: true },
  { level: 3, spans: false, otlpLines: [], file: true, lines: true },
  { level: 4, spans: false, otlpLines: [], file: false, lines: false }
]) {
  t.test(`level ${level}: what is left of telemetry, and requests are as ever`, { skip: noCollector }, async (t) => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'levels-'))
    t.teardown(() => { rmSync(dataDir, { recursive: true, force: true }) })
    const wall = await buildWall(t, await cloneDatabase(t))
    const collector = await startCollector(t)
    const service = await startService(t, {
      databaseUrl: wall.url,
      env: {
        TELEMETRY_LEVEL: String(level),
        DATA_DIR: dataDir,
        DATABASE_STATEMENT_TIMEOUT_MS: '500',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.grpc}`,
        OTEL_METRICS_EXPORTER: 'prometheus',
        OTEL_EXPORTER_PROMETHEUS_PORT: String(29470 + level),
        OTEL_BSP_SCHEDULE_DELAY: '100',
        OTEL_BLRP_SCHEDULE_DELAY: '100'
      }
    })
    const created = await service.call('POST', '/applications', { name: 'a' })
    t.equal(created.status, 201)
    t.match(created.headers.get('traceparent'), /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/, 'ids in the answer at every level')
    wall.cut()
    t.equal((await service.call('GET', '/applications/a')).status, 503)
    wall.mend()
    await eventually(async () => (await service.call('GET', '/applications/a')).status === 200, 'the database')
    t.match(await (await fetch(`${service.url}/health`)).json(), { status: level > 1 ? 'degraded' : 'healthy', telemetry: { level, forced: true, reason: String, since: /^\d{4}-/, sidecar: 'absent' } })
    const page = await (await fetch(`${service.url}/metrics`)).text()
    t.match(page, new RegExp(`^telemetry_degradation_level\\{.*\\} ${level}$`, 'm'))
    t.equal(/^crud_operation_count_total\{/m.test(page), level <= 2, 'metrics of operations up to level 2')
    const told = service.lines.find((line) => line['event.name'] === 'application.changed')
    if (lines) t.match(told, { trace_id: created.traceId, span_id: /^(?!0{16})[0-9a-f]{16}$/, 'user.id': 'anonymous' }, 'lines and answers can be put together at every level')
    t.equal(await service.stop(), 0)
    await collector.stop()

    t.equal(collector.spans().length > 0, spans, 'spans')
    t.same([...new Set(collector.logs().map(({ attributes, severity }) => attributes['event.name'] === 'operation.failed' ? 'error' : severity.toLowerCase()))].filter((one) => one === 'info' || one === 'error').sort(), [...otlpLines].sort(), 'lines by OTLP')
    t.equal(service.lines.some((line) => line['event.name'] === 'operation.failed'), lines, 'lines on standard output')
    const errors = tryRead(path.join(dataDir, 'errors.log'))
    t.equal(errors.includes('operation.failed'), file, 'errors.log')
    for (const line of errors.split('\n').filter((one) => one !== '')) t.ok(['error', 'warn'].includes(JSON.parse(line).level), 'only errors, and why there is a file')
  })
}

function tryRead (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
