import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { startService } from '../support/service.js'

t.test('every answer carries the trace of its server span, which goes on from the caller\'s', async (t) => {
  const { url } = await startService(t)
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  for (const path of ['/health', '/api/v1/applications', '/api/v1/applications/nobody', '/nowhere']) {
    const answer = await fetch(`${url}${path}`, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } })
    t.equal(answer.headers.get('x-trace-id'), traceId, path)
    t.match(answer.headers.get('traceparent'), new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`), path)
    const own = await fetch(`${url}${path}`)
    t.match(own.headers.get('x-trace-id'), /^(?!0{32})[0-9a-f]{32}$/)
    t.not(own.headers.get('x-trace-id'), traceId)
  }
})

t.test('the history says under which trace a version was made', async (t) => {
  const { url } = await startService(t)
  const created = await fetch(`${url}/api/v1/applications`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"a"}' })
  t.equal(created.status, 201)
  const { items } = await (await fetch(`${url}/api/v1/applications/a/versions`)).json() as { items: Array<{ trace_id: string }> }
  t.equal(items[0]?.trace_id, created.headers.get('x-trace-id'))
})

t.test('SIGTERM lets requests under way finish, says so, and ends the process by itself', async (t) => {
  const { child, url, lines } = await startService(t)
  const post = async (n: number): Promise<number> => (await fetch(`${url}/api/v1/applications`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"name":"a${n}"}` })).status
  const writes = Array.from({ length: 50 }, async (_, n) => await post(n))
  await post(99)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  const results = await Promise.allSettled(writes)
  t.ok(results.every((result) => result.status === 'rejected' || result.value === 201), JSON.stringify(results))
  t.ok(results.filter((result) => result.status === 'fulfilled').length > 0)
  t.same(lines.map((line) => line['event.name']).filter((name) => String(name).startsWith('service.')), ['service.start', 'service.ready', 'service.draining', 'service.stopped'])
})

t.test('a service whose launcher is gone drains and ends', async (t) => {
  const { child } = await startService(t)
  child.disconnect()
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('faulty settings end the start with all of them listed', async (t) => {
  const child = fork(path.join(packageRoot, 'build/src/main.js'), {
    execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { ...process.env, PORT: 'x', LOG_LEVEL: 'loud' }
  })
  let errors = ''
  child.stderr?.on('data', (data) => { errors += String(data) })
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  for (const name of ['PORT', 'LOG_LEVEL', 'DATABASE_URL']) t.match(errors, new RegExp(`^ {2}${name}: `, 'm'))
})

t.test('a faulty telemetry setting is logged, and the service starts all the same', async (t) => {
  const { lines, url } = await startService(t, { env: { OTEL_TRACES_SAMPLER_ARG: '200', OTEL_ENVIRONMENT: 'prod' } })
  t.equal((await fetch(`${url}/health`)).status, 200)
  t.same(lines.filter((line) => line['event.name'] === 'telemetry.setting').map((line) => [line.level, String(line.message).split('=')[0]]), [['warn', 'OTEL_ENVIRONMENT'], ['warn', 'OTEL_TRACES_SAMPLER_ARG']])
})

t.test('a port that is taken is said with what to do', async (t) => {
  const { url } = await startService(t)
  const { port } = new URL(url)
  const child = fork(path.join(packageRoot, 'build/src/main.js'), { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { ...process.env, DATABASE_URL: 'postgres://nobody@localhost:1/x', PORT: port } })
  let errors = ''
  child.stderr?.on('data', (data) => { errors += String(data) })
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  t.match(errors, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use; set PORT`))
})
