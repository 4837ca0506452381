import { createApp } from './app.js'
import { describeDatabase, message } from './database/pool.js'
import { readSettings, SettingsError, type Settings } from './env.js'
import { errorTypeOf } from './errors.js'
import { version } from './package.js'
import { noteInternalError } from './telemetry/internal-errors.js'
import { logEvent, type Log } from './telemetry/log.js'
import { complaints } from './telemetry/preload.js'
import { startTelemetry } from './telemetry/start.js'

// A full disk or a reader that went away costs lines, not the service.
for (const stream of [process.stdout, process.stderr]) stream.on('error', noteInternalError)

// The SDK's own listener would shut telemetry down at once and lose what is under way.
process.removeAllListeners('SIGTERM')

void main()

/** Owns the process: environment, listen, drain, exit. */
async function main (): Promise<void> {
  let settings: Settings
  try {
    settings = readSettings(process.env)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`config-service: ${error.message}\n`)
    process.exit(1)
  }
  const { telemetry, flush } = startTelemetry(settings)
  const { log } = telemetry
  logEvent(log, 'service.start', `config-service ${version} starts`, { environment: settings.OTEL_ENVIRONMENT, database: describeDatabase(settings.DATABASE_URL) })
  for (const { message } of complaints) logEvent(log, 'telemetry.setting', message)
  const app = await createApp({ settings, telemetry })

  let stopping: Promise<void> | undefined
  const stop = (why: string, code: number): void => {
    stopping ??= drain(why, code)
  }
  async function drain (why: string, code: number): Promise<void> {
    logEvent(log, 'service.draining', `draining: ${why}`)
    const limit = setTimeout(() => {
      logEvent(log, 'service.stopped', `requests were still under way after ${settings.SHUTDOWN_TIMEOUT_MS} ms`, {}, 'error')
      process.exit(1)
    }, settings.SHUTDOWN_TIMEOUT_MS)
    const until = performance.now() + settings.SHUTDOWN_TIMEOUT_MS
    await app.close().catch((error: unknown) => { logEvent(log, 'service.failed', 'closing failed', { error }) })
    clearTimeout(limit)
    logEvent(log, 'service.stopped', 'stopped')
    await flush(until - performance.now())
    process.exit(code)
  }

  process.once('SIGTERM', () => { stop('SIGTERM', 0) })
  process.once('SIGINT', () => { stop('SIGINT', 0) })
  // Whoever started this process with a channel to it is gone.
  process.once('disconnect', () => { stop('the launcher is gone', 0) })
  process.on('uncaughtException', (error) => { fatal(log, error, () => { stop('a fatal error', 1) }) })
  process.on('unhandledRejection', (error) => { fatal(log, error, () => { stop('a fatal error', 1) }) })

  try {
    await app.server.listen({ host: settings.HOST, port: settings.PORT })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? `port ${settings.PORT} of ${settings.HOST} is in use; set PORT to another one` : message(error)
    process.stderr.write(`config-service: cannot listen: ${why}\n`)
    process.exit(1)
  }
  try {
    if (!await app.open()) return
  } catch (error) {
    // What the database says of a wrong password or name is enough; a stack would only bury it.
    logEvent(log, 'service.failed', `the store at ${describeDatabase(settings.DATABASE_URL)} cannot be opened: ${message(error)}; see DATABASE_URL`, { 'error.type': errorTypeOf(error) })
    stop('the store cannot be opened', 1)
    return
  }
  const address = app.server.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : settings.PORT
  const url = `http://${settings.HOST.includes(':') ? `[${settings.HOST}]` : settings.HOST}:${port}`
  logEvent(log, 'service.ready', `ready at ${url}`, { url })
  process.send?.({ type: 'ready', url })
}

let failed = false

function fatal (log: Log, error: unknown, stop: () => void): void {
  if (failed) process.exit(1)
  failed = true
  logEvent(log, 'service.failed', 'a fatal error', { error: error instanceof Error ? error : new Error(String(error)) })
  stop()
}
