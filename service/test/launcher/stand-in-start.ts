import { join } from 'node:path'
import { launch } from '../../src/launcher/launch.js'

// What scripts/start runs, with the stand-in for the service. ROOT is the repository's folder.
launch({
  root: process.env['ROOT'] ?? '',
  service: { arguments: [join(__dirname, 'stand-in-service.js')], folder: __dirname },
  environment: process.env,
  cwd: process.cwd(),
  say: (text) => { process.stdout.write(`${text}\n`) },
  complain: (text) => { process.stderr.write(`${text}\n`) }
}).then((code) => { process.exit(code) })
