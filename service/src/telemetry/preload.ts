import { telemetryEnvironment } from './environment.js'

// Runs before the SDK reads its environment: node --require preload.js --require …/register main.js
Object.assign(process.env, telemetryEnvironment(process.env))
