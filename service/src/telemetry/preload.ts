import { randomUUID } from 'node:crypto'
import { telemetryEnvironment } from './environment.js'

// Runs before the SDK reads its environment: node --require preload.js --require …/register main.js
const { changes, complaints } = telemetryEnvironment(process.env, randomUUID())
for (const [name, value] of Object.entries(changes)) {
  if (value === null) delete process.env[name]
  else process.env[name] = value
}

/** For main.ts to log, once there is a log. */
export { complaints }
