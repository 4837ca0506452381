import type { Pool } from 'pg'
import { createApp } from '../../src/app.js'
import { readSettings } from '../../src/env.js'
import { createCommitter, type Committer } from '../../src/revisions/committer.js'
import { createLog } from '../../src/telemetry/log.js'
import { createTelemetry } from '../../src/telemetry/telemetry.js'
import { createNaiveCommitter } from './naive-committer.js'
import { WAY_VARIABLE, type Way } from './ways.js'

// The service in place of src/main.ts: the same parts wired the same way, except that the way of committing can be
// another and that it tells over its channel how many changes shared a commit.

process.removeAllListeners('SIGTERM')

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
})

async function main (): Promise<void> {
  const settings = readSettings(process.env)
  const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT })
  const commit = committerFor(process.env[WAY_VARIABLE] as Way, settings.DATABASE_STATEMENT_TIMEOUT_MS)
  const app = await createApp({ settings, telemetry: createTelemetry({ settings, log }), ...(commit === undefined ? {} : { commit }) })

  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    // Through exit, so that a profile that was asked for is written.
    app.close().then(() => { process.exit(0) }, () => { process.exit(1) })
  }
  process.once('SIGTERM', stop)
  process.once('disconnect', stop)
  process.on('message', ({ type }: { type?: unknown }) => {
    if (type === 'stats') process.send?.({ type: 'stats', ...app.committer.stats })
  })

  await app.server.listen({ host: settings.HOST, port: settings.PORT })
  await app.open()
  const address = app.server.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : settings.PORT
  process.send?.({ type: 'ready', url: `http://${settings.HOST}:${port}` })
}

function committerFor (way: Way, maxWaitMs: number): ((pools: { reads: Pool, commits: Pool }) => Committer) | undefined {
  switch (way) {
    case 'batched': return undefined
    case 'single': return ({ commits }) => createCommitter({ pool: commits, maxWaitMs, maxBatch: 1 })
    case 'naive': return ({ reads }) => createNaiveCommitter(reads)
  }
}
