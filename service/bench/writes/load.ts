import { openConnection, requestText, type Connection } from '../connection.js'
import { valuesOf } from '../parts/load-order.js'
import { nameOf, type LoadOrder, type LoadReport } from './load-order.js'

// The load generator: a process of its own, so that its work and that of the service do not wait for one another.

process.on('message', (order: LoadOrder) => {
  load(order).catch((error: unknown) => { tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }) })
})
process.once('disconnect', () => { process.exit(0) })

function tell (report: LoadReport): void {
  process.send?.(report)
}

async function load (order: LoadOrder): Promise<void> {
  const { port, connections, warmUpMs, measureMs } = order
  const open = await Promise.all(Array.from({ length: connections }, async () => await openConnection(port)))
  const measuredFrom = performance.now() + warmUpMs
  const measuredUntil = measuredFrom + measureMs
  const cpu = { begin: 0, end: 0 }
  setTimeout(() => {
    cpu.begin = cpuSeconds()
    tell({ type: 'begun' })
  }, warmUpMs)
  const end = new Promise<void>((resolve) => setTimeout(() => {
    cpu.end = cpuSeconds()
    tell({ type: 'ended' })
    resolve()
  }, warmUpMs + measureMs))

  const latencies: number[] = []
  const refusals = { count: 0, first: '' }
  const template = requestTemplate(order)

  async function work (connection: Connection, number: number): Promise<Float64Array> {
    const revisions: number[] = []
    for (let sent = performance.now(); sent < measuredUntil;) {
      const answer = await connection.send(template(nameOf(order.slice, number, revisions.length)))
      const now = performance.now()
      revisions.push(answer.status === 201 ? answer.revision : NaN)
      if (answer.status !== 201) {
        refusals.count += 1
        if (refusals.first === '') refusals.first = `${answer.status} ${answer.body.toString()}`
      } else if (now >= measuredFrom && now < measuredUntil) {
        latencies.push(now - sent)
      }
      sent = now
    }
    return Float64Array.from(revisions)
  }

  try {
    const revisions = await Promise.all(open.map(work))
    await end
    tell({
      type: 'done',
      writes: latencies.length,
      latencies: Float64Array.from(latencies).sort(),
      cpuSeconds: cpu.end - cpu.begin,
      revisions,
      refused: refusals.count,
      refusal: refusals.first
    })
  } finally {
    for (const connection of open) connection.close()
  }
}

/** Everything but the name is made once. */
function requestTemplate ({ application, valueBytes }: LoadOrder): (name: string) => string {
  const placeholder = nameOf(0, 0, 0)
  const whole = requestText('POST', '/api/v1/configurations', JSON.stringify({ application, name: placeholder, values: valuesOf(valueBytes) }))
  const at = whole.indexOf(placeholder)
  const [before, after] = [whole.slice(0, at), whole.slice(at + placeholder.length)]
  return (name) => before + name + after
}

function cpuSeconds (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
