import { setTimeout as sleep } from 'node:timers/promises'
import { clockMs } from '../clock.js'
import { openConnection, requestText, type Connection } from '../connection.js'
import { readName, valuesOf, type Failure, type LoadOrder, type LoadReport } from './load-order.js'
import { createTurns, type Turns } from './turns.js'

// The load generator: a process of its own, so that its work and that of the service do not wait for one another.

let stop = (): void => {}

process.on('message', (message: LoadOrder | { type: 'stop' }) => {
  if (message.type === 'stop') stop()
  else load(message).catch((error: unknown) => { tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }) })
})
process.once('disconnect', () => { process.exit(0) })

function tell (report: LoadReport): void {
  process.send?.(report)
}

/** After a failure, so that a service that is away is not asked thousands of times. */
const PAUSE_MS = 50
/** So much of an answer tells why; what follows differs from request to request. */
const SHOWN = 120

interface Request { text: string, expected: number }

async function load (order: LoadOrder): Promise<void> {
  const answeredAt: number[] = []
  const latencies: number[] = []
  const failures: Failure[] = []
  const turns = createTurns(order.rate, clockMs)
  const next = requests(order)
  const limit = setTimeout(() => { turns.end() }, order.atMostMs)
  stop = () => { turns.end() }

  async function work (turns: Turns): Promise<void> {
    let connection: Connection | undefined
    for (let due = await turns.next(); due !== undefined; due = await turns.next()) {
      const { text, expected } = next()
      try {
        connection ??= await openConnection(order.port)
        const { status, body } = await connection.send(text)
        if (status !== expected) throw new Error(`${status} ${body.toString('latin1', 0, SHOWN)}`)
        const now = clockMs()
        answeredAt.push(now)
        latencies.push(now - due)
      } catch (error) {
        failures.push({ at: clockMs(), what: (error as Error).message })
        connection?.close()
        connection = undefined
        await sleep(PAUSE_MS)
      }
    }
    connection?.close()
  }

  await Promise.all(Array.from({ length: order.connections }, async () => { await work(turns) }))
  clearTimeout(limit)
  tell({ type: 'done', answeredAt: Float64Array.from(answeredAt), latencies: Float64Array.from(latencies), failures })
}

/** Texts of requests, one after the other; reads and writes are spread evenly. */
function requests ({ application, toRead, prefix, valueBytes, writeShare }: LoadOrder): () => Request {
  const reads = Array.from({ length: toRead }, (_, n) => requestText('GET', `/api/v1/configurations/${application}:${readName(n)}`))
  const placeholder = `${prefix}-00000000`
  const whole = requestText('POST', '/api/v1/configurations', JSON.stringify({ application, name: placeholder, values: valuesOf(valueBytes) }))
  const at = whole.indexOf(placeholder)
  const [before, after] = [whole.slice(0, at), whole.slice(at + placeholder.length)]
  let [read, written, owed] = [0, 0, 0]
  return () => {
    owed += writeShare
    // A share such as 0.1 added ten times is a little less than 1.
    if (owed > 1 - 1e-9) {
      owed -= 1
      return { text: `${before}${prefix}-${String(written++).padStart(8, '0')}${after}`, expected: 201 }
    }
    return { text: String(reads[read++ % reads.length]), expected: 200 }
  }
}
