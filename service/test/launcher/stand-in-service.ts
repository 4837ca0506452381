import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

// Stands for the service where the launcher is what is tested: it keeps the same promises
// (ready, SIGTERM, disconnect) and uses the database to its last moment. STAND_IN makes it misbehave.
const { STAND_IN: behaviour, EVENTS: events, PORT: port = '8000', DATABASE_URL: connectionString = '' } = process.env
const tell = (event: string) => { if (events !== undefined) appendFileSync(events, `${event}\n`) }

async function drain (why: string): Promise<void> {
  tell(`asked by ${why}`)
  if (behaviour === 'stubborn') return
  await sleep(200)
  await query('SELECT 1')
  tell('drained with the database there')
  process.exit(0)
}

async function query (text: string): Promise<void> {
  if (connectionString.includes('elsewhere')) return
  const client = new Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  await client.query(text)
  await client.end()
}

async function main (): Promise<void> {
  if (behaviour === 'refuse') {
    process.stderr.write('PORT is no number\n')
    process.exit(3)
  }
  process.on('SIGTERM', () => { drain('SIGTERM').catch(() => { process.exit(9) }) })
  process.on('disconnect', () => { drain('disconnect').catch(() => { process.exit(9) }) })
  await query('CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now()); INSERT INTO starts DEFAULT VALUES')
  createServer((_request, response) => { response.end(JSON.stringify(process.env)) }).listen(Number(port), '127.0.0.1', () => {
    tell('ready')
    process.send?.({ type: 'ready', url: `http://127.0.0.1:${port}` })
  })
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exit(4)
})
