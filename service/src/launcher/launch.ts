import { setTimeout as sleep } from 'node:timers/promises'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../database/embedded.js'
import { StartFault } from '../database/embedded-fault.js'
import { type FolderLock, lockFolder } from '../database/embedded-lock.js'
import { type ProcessIdentity, ended, identify, signal } from '../database/embedded-processes.js'
import { checkPorts, holdPorts } from './ports.js'
import { createRestarts } from './restarts.js'
import { type ServiceCommand, type ServiceProcess, startService } from './service.js'
import { type Environment, type LauncherSettings, readSettings } from './settings.js'
import { type Sidecar, startSidecar } from './sidecar.js'
import { type StopRequest, listenForStop } from './stop.js'
import { welcome, withoutPassword } from './welcome.js'

interface LaunchOptions {
  /** The repository's folder: `.env`, the sidecar's configuration and, by default, `.data` are there. */
  root: string
  service: ServiceCommand
  environment: Environment
  cwd: string
  /** Progress, a line or several at a time. */
  say: (text: string) => void
  /** Faults. */
  complain: (text: string) => void
}

/**
 * Runs the database, the service and its sidecar until a signal comes or one of the first two cannot
 * be kept alive.
 *
 * @returns the exit code: 0 stopped in order; 1 a fault, or given up; the service's own when it
 * ended before it was ready; 128 + the signal's number when stopping took killing something
 */
export async function launch (options: LaunchOptions): Promise<number> {
  const stop = listenForStop()
  const running: Running = { options, stop, remembered: new Map() }
  try {
    return await run(running)
  } catch (error) {
    if (stop.isRequested() && error instanceof StartFault) return await stopInOrder(running)
    options.complain(error instanceof StartFault ? error.message : `Unexpected, please report it: ${error instanceof Error ? error.stack : String(error)}`)
    await stopAll(running)
    return 1
  } finally {
    running.lock?.release()
    stop.end()
  }
}

interface Running {
  options: LaunchOptions
  stop: StopRequest
  lock?: FolderLock
  database?: EmbeddedDatabase | undefined
  service?: ServiceProcess | undefined
  sidecar?: Sidecar
  settings?: LauncherSettings
  /** What the next start has to end should this one be killed. */
  remembered: Map<'service' | 'sidecar', ProcessIdentity>
}

type Event =
  | { what: 'stop' }
  | { what: 'ready', url: string }
  | { what: 'service', code: number, reason: string }
  | { what: 'database', reason: string }

async function run (running: Running): Promise<number> {
  const { options, stop } = running
  const prepared = await Promise.race([prepare(running), stop.hurried])
  // What was being started ends with this process: the guard and the closed channel see to it.
  if (typeof prepared === 'string') return stop.exitCode()
  const { settings, lock, metricsPort } = prepared
  const restarts = createRestarts()
  let wasReady = false
  let isReady = false
  if (!stop.isRequested()) await serve(running, metricsPort)

  for (;;) {
    const event = await nextEvent(running, isReady)
    if (event.what === 'stop') return await stopInOrder(running)
    if (event.what === 'ready') {
      isReady = true
      lock.serves(event.url)
      options.say(wasReady ? `The service is back at ${event.url}` : welcome(event.url, settings, metricsPort, running))
      wasReady = true
      continue
    }
    if (event.what === 'service' && (!wasReady || event.code === 0)) {
      if (event.code === 0) options.say('The service has ended by itself: stopping the rest')
      else options.complain(`The service could not start (${event.reason}); what it said is above.`)
      await stopAll(running)
      return event.code
    }
    const name = event.what === 'service' ? 'The service' : 'PostgreSQL'
    const delayMs = restarts.next()
    if (delayMs === undefined) {
      options.complain(`${name} has ended unexpectedly (${event.reason}), for the sixth time within a minute: giving up.` +
        (event.what === 'database' ? ` What it said: ${running.database?.logFile}` : ' What it said is above.'))
      await stopAll(running)
      return 1
    }
    options.complain(`${name} has ended unexpectedly (${event.reason}): starting it again in ${delayMs / 1_000} s`)
    await Promise.race([sleep(delayMs), stop.requested])
    if (stop.isRequested()) continue
    if (event.what === 'database') {
      const before = running.database?.url
      await openDatabase(running)
      // The service knows the old port only.
      if (running.database?.url !== before) {
        await running.service?.stop(settings.shutdownTimeoutMs)
        running.service = undefined
      }
    } else {
      running.service = undefined
    }
    if (running.service === undefined) {
      isReady = false
      await serve(running, metricsPort)
    }
  }
}

/** Everything that can be refused comes before anything is started. */
async function prepare (running: Running): Promise<{ settings: LauncherSettings, lock: FolderLock, metricsPort: number | undefined }> {
  const { options, stop } = running
  const settings = running.settings = readSettings(options.root, options.environment, options.cwd)
  for (const { name, meant } of settings.unknownNames) {
    options.complain(`.env sets ${name}, which nothing here reads; ${meant === undefined ? '' : `did you mean ${meant}? `}.env.example lists what is read.`)
  }
  const lock = running.lock = await lockFolder(settings.dataDir)
  await endLeftovers(lock, settings, options.say)
  const metricsPort = await checkPorts(settings, options.say)
  await openSidecar(running, [settings.port, metricsPort])
  if (!stop.isRequested()) await openDatabase(running)
  return { settings, lock, metricsPort }
}

async function nextEvent ({ stop, service, database }: Running, isReady: boolean): Promise<Event> {
  const events: Array<Promise<Event>> = [stop.requested.then(() => ({ what: 'stop' }))]
  if (service !== undefined) {
    events.push(service.exited.then((exit) => ({ what: 'service', ...exit })))
    if (!isReady) events.push(service.ready.then((url) => ({ what: 'ready', url })))
  }
  if (database !== undefined) events.push(database.exited.then((reason) => ({ what: 'database', reason })))
  return await Promise.race(events)
}

async function openDatabase (running: Running): Promise<void> {
  const { options, settings, lock, database, stop } = running
  if (settings === undefined || lock === undefined) return
  if (settings.databaseUrl !== undefined) {
    options.say(`Using the database ${withoutPassword(settings.databaseUrl)} (DATABASE_URL is set, so none is started here)`)
    return
  }
  const port = database === undefined ? {} : { port: database.port }
  const { dataDir } = settings
  running.database = await startEmbeddedDatabase({ dataDir, lock, abort: stop.aborted, log: options.say, ...port })
  options.say(`PostgreSQL ${running.database.version} runs on 127.0.0.1:${running.database.port}`)
}

/** It goes on by itself from here: neither the database nor the service waits for it. */
async function openSidecar (running: Running, otherPorts: Array<number | undefined>): Promise<void> {
  const { options: { root, say, complain }, settings, stop } = running
  if (settings === undefined || settings.sidecar.unwanted !== undefined) return
  for (const complaint of settings.sidecar.complaints) complain(complaint)
  const moves: string[] = []
  const held = await holdPorts(settings.sidecar.host, settings.sidecar.ports, otherPorts, (line) => { moves.push(line) })
  if (stop.isRequested()) return
  running.sidecar = startSidecar({ root, settings, held, moves, say, complain, remember: (pid) => { remember(running, 'sidecar', pid) } })
}

async function serve (running: Running, metricsPort: number | undefined): Promise<void> {
  const { options, settings, database, sidecar, stop } = running
  if (settings === undefined) return
  const ofSidecar = await Promise.race([sidecar?.environment ?? settings.sidecar.without, stop.requested.then(() => 'stop' as const)])
  if (ofSidecar === 'stop') return
  options.say('Starting the service')
  running.service = startService(options.service, {
    ...settings.environment,
    ...ofSidecar,
    DATABASE_URL: database?.url ?? settings.databaseUrl,
    DATA_DIR: settings.dataDir,
    ...metricsPort === undefined ? {} : { OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort) }
  })
  remember(running, 'service', running.service.pid)
}

function remember ({ remembered, lock }: Running, what: 'service' | 'sidecar', pid: number | undefined): void {
  const found = pid === undefined ? undefined : identify(pid)
  if (found === undefined) remembered.delete(what)
  else remembered.set(what, found)
  lock?.remember([...remembered.values()])
}

/** A service whose launcher was killed drains for a while and holds its port meanwhile. */
async function endLeftovers (lock: FolderLock, settings: LauncherSettings, say: (text: string) => void): Promise<void> {
  const { leftovers } = lock
  if (leftovers.length === 0) return
  say('An earlier start has left something running: waiting for it to stop')
  // The service drains already; a sidecar whose guard was killed as well has yet to be asked.
  for (const { pid } of leftovers) signal(-pid, 'SIGINT')
  if (await ended(leftovers, settings.shutdownTimeoutMs)) return
  for (const { pid } of leftovers) signal(-pid, 'SIGKILL')
  await ended(leftovers, 5_000)
}

/** After a signal: everything in its order, unless a second one comes. */
async function stopInOrder (running: Running): Promise<number> {
  const { options, stop, service, sidecar, database } = running
  const everything = [...service === undefined ? [] : ['the service'], ...sidecar === undefined ? [] : ['the sidecar'], ...database === undefined ? [] : ['PostgreSQL']]
  options.say(everything.length === 0 ? '\nStopping' : `\nStopping ${everything.join(', then ')} (once more to kill)`)
  const orderly = stopAll(running)
  let killed = false
  const hurried = stop.hurried.then(async () => {
    killed = true
    options.complain(`Asked twice: killing ${sidecar === undefined ? 'the service' : 'the service and the sidecar'}` +
      (database === undefined ? '' : ', and ending PostgreSQL at once; the next start recovers from its journal'))
    await Promise.all([service?.kill(), sidecar?.kill()])
    await database?.stop({ now: true })
    return false
  })
  // The orderly way ends as well once the service has been killed, sometimes first.
  const inTime = await Promise.race([orderly, hurried]) && !killed
  if (killed) await hurried
  if (inTime) options.say('Stopped.')
  return inTime ? 0 : stop.exitCode()
}

/** @returns whether nothing had to be killed */
async function stopAll ({ options, stop, service, sidecar, database, settings }: Running): Promise<boolean> {
  const graceMs = 2_000
  const drained = await service?.stop((settings?.shutdownTimeoutMs ?? 10_000) + graceMs) ?? true
  const killed = (what: string) => { if (!stop.isHurried()) options.complain(what) }
  if (!drained) killed(`The service did not drain within ${settings?.shutdownTimeoutMs} ms (SHUTDOWN_TIMEOUT_MS) and was killed.`)
  // Only now has it got the last spans. What it cannot send in time stays on its disk.
  const stored = await sidecar?.stop() ?? true
  if (!stored) killed('The sidecar did not end within 5 s and was killed.')
  await database?.stop()
  return drained && stored
}
