import { dirname, join } from 'node:path'
import { launch } from './launch.js'

/** What scripts/start runs: the database and the service of this clone, with the real start line. */
const service = dirname(dirname(__dirname))

// A terminal that was closed, or a reader that went away, is no reason to leave anything running.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

launch({
  root: dirname(service),
  service: {
    arguments: [
      '--require', './dist/telemetry/preload.js',
      '--require', '@opentelemetry/auto-instrumentations-node/register',
      join('dist', 'main.js')
    ],
    folder: service
  },
  environment: process.env,
  cwd: process.cwd(),
  say: (text) => { process.stdout.write(`${text}\n`) },
  complain: (text) => { process.stderr.write(`${text}\n`) }
}).then((code) => { process.exit(code) }, (error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
})
