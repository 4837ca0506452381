import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileFault } from '../database/embedded-fault.js'
import type { HeldPorts } from './ports.js'
import { type Child, startGuarded } from './process.js'
import { createRestarts } from './restarts.js'
import type { Environment, LauncherSettings } from './settings.js'
import { buildCollector } from './sidecar-build.js'
import { containerName, dockerRun, image } from './sidecar-docker.js'
import { openSidecarLog } from './sidecar-log.js'
import { type Program, findProgram, run } from './sidecar-program.js'

interface SidecarOptions {
  /** The repository's folder. */
  root: string
  settings: LauncherSettings
  /** Held until the sidecar comes to listen there. */
  held: HeldPorts
  say: (text: string) => void
  complain: (text: string) => void
  /** Is told which process there is now, for the next start should this one be killed. */
  remember: (pid: number | undefined) => void
  patience?: Patience
}

interface Patience {
  restarts: typeof createRestarts
  /** Between attempts once it could not be kept alive. */
  slowMs: number
}

export interface Sidecar {
  /** What the service has to know of it, as soon as it is clear whether there can be one. */
  environment: Promise<Environment>
  /** Name and value of what a person may want to know now. */
  describe (): Array<[string, string]>
  /** It writes what it still holds to disk. @returns whether nothing had to be killed */
  stop (): Promise<boolean>
  kill (): Promise<void>
}

interface Command {
  program: string
  args: string[]
  env: Environment
  /** Removes what a kill may have left. */
  clearAway?: () => Promise<void>
}

const drainMs = 5_000

/**
 * Runs a Collector beside the service: the one that is built, else builds it first, else one in
 * Docker. It comes when it can, is started again when it ends, and nothing that befalls it reaches
 * the service.
 *
 * @throws StartFault when its folders cannot be made
 */
export function startSidecar (options: SidecarOptions): Sidecar {
  const { root, settings, held, say, complain, remember } = options
  const { patience = { restarts: createRestarts, slowMs: 60_000 } } = options
  const { sidecar: wish, dataDir } = settings
  const folder = join(dataDir, 'collector')
  const log = inFolders([folder, wish.storageDir, wish.fileDir], () => openSidecarLog(join(folder, 'log')))
  const environment = withoutEmpty({ ...wish.environment, ...numbersAsText(held.ports) }, wish.names)
  const at = wish.host === '0.0.0.0' ? '127.0.0.1' : wish.host.includes(':') ? `[${wish.host === '::' ? '::1' : wish.host}]` : wish.host
  const urlOf = (name: string) => `http://${at}:${held.ports[name]}`
  const goesTo = wish.destinations.map((name) => name === 'file' ? wish.fileDir : name).join(', ') || 'nobody'
  const abort = new AbortController()
  const { signal } = abort
  let child: Child | undefined
  let command: Command | undefined
  let state = 'starting'

  const become = (started: Child | undefined) => {
    child = started
    remember(started?.pid)
  }

  function commandOf (program: Program): Command | undefined {
    if (program.kind === 'built') return { program: program.path, args: wish.configs.flatMap((path) => ['--config', path]), env: environment }
    if (program.kind !== 'docker') return undefined
    const name = containerName(dataDir)
    const user = program.rootless || process.getuid === undefined || process.getgid === undefined ? undefined : { uid: process.getuid(), gid: process.getgid() }
    say(`The sidecar runs in Docker (${image}, which is fetched first if it is not there)`)
    return {
      program: 'docker',
      args: dockerRun(wish, held.ports, { name, environment, user: program.rootless ? { uid: 0, gid: 0 } : user }),
      env: environment,
      clearAway: async () => { await run('docker', ['rm', '--force', name], environment, 10_000) }
    }
  }

  async function build (): Promise<Program> {
    say('There is no sidecar yet (OpenTelemetry Collector): it is built in the background, only this once. The service does not wait for it.')
    state = 'being built; it joins when it is ready'
    const building = buildCollector(root, settings.environment, (line) => { if (!signal.aborted) say(line) })
    become(building.process)
    const { path, fault } = await building.result
    become(undefined)
    if (path !== undefined || signal.aborted) return path === undefined ? { kind: 'none', missing: 'stopped' } : { kind: 'built', path }
    complain([`The sidecar could not be built (${fault.reason}):`, ...fault.lines].join('\n'))
    return await findProgram(root, settings.environment, false)
  }

  function doWithout (missing: string, prints: boolean): void {
    state = `none: ${missing}${prints ? '; spans are printed here (OTEL_TRACES_EXPORTER=none silences them)' : ''}`
    complain(`There is no sidecar: ${missing}. Install Go (https://go.dev/dl) or start Docker, then start again; SIDECAR=off if none is wanted. ` +
      (prints ? 'Until then spans are printed here (OTEL_TRACES_EXPORTER=none silences them).' : 'The service runs without: its traces reach nobody.'))
  }

  async function live (found: Program, prints: boolean): Promise<void> {
    const program = found.kind === 'buildable' && !signal.aborted ? await build() : found
    if (signal.aborted) return
    if (program.kind === 'none') {
      doWithout(program.missing, prints)
      await held.end()
      return
    }
    command = commandOf(program)
    if (command === undefined) return
    await command.clearAway?.()
    await held.release()
    await keepAlive(command)
  }

  async function keepAlive ({ program, args, env }: Command): Promise<void> {
    let restarts = patience.restarts()
    let slow = false
    let told = false
    let before = false
    while (!signal.aborted) {
      log.begin()
      const started = startGuarded(program, args, { cwd: folder, env, output: log.descriptor })
      become(started)
      const began = Date.now()
      const healthy = await becomesHealthy(started)
      if (healthy) {
        state = `running; what it says: ${log.path}`
        say(before ? 'The sidecar is back' : `The sidecar runs on ${at}:${held.ports['COLLECTOR_OTLP_GRPC_PORT']}; telemetry goes to ${goesTo}`)
        before = true
        told = false
      }
      const { reason } = await started.exited
      become(undefined)
      if (signal.aborted) return
      state = `not running (${reason}); what it said: ${log.path}`
      if (healthy && Date.now() - began > 60_000) {
        slow = false
        restarts = patience.restarts()
      }
      const soonMs = slow ? undefined : restarts.next()
      const delayMs = soonMs ?? patience.slowMs
      if (soonMs === undefined && !slow) {
        slow = true
        complain(`The sidecar cannot be kept alive (${reason}, six times): it is tried again every ${patience.slowMs / 1_000} s, and the service goes on without. What it said: ${log.path}`)
      } else if (!told) {
        complain([`The sidecar has ended unexpectedly (${reason}): starting it again in ${delayMs / 1_000} s. The service goes on. Its last words:`,
          ...log.lastWords()].join('\n'))
      }
      told = true
      await command?.clearAway?.()
      await sleep(delayMs, undefined, { signal }).catch(() => {})
    }
  }

  async function becomesHealthy (started: Child): Promise<boolean> {
    let ended = false
    void started.exited.then(() => { ended = true })
    let complainAt = Date.now() + (command?.clearAway === undefined ? 30_000 : 300_000)
    while (!ended && !signal.aborted) {
      const answer = await fetch(urlOf('COLLECTOR_HEALTH_PORT'), { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
      void answer?.body?.cancel()
      if (answer?.ok === true) return !ended
      if (Date.now() > complainAt) {
        complain(`The sidecar does not say that it is well (${urlOf('COLLECTOR_HEALTH_PORT')}). What it said: ${log.path}`)
        complainAt = Infinity
      }
      await Promise.race([sleep(Date.now() > complainAt - 20_000 ? 1_000 : 100, undefined, { signal }).catch(() => {}), started.exited])
    }
    return false
  }

  const choice = findProgram(root, settings.environment).then((found) => ({ found, prints: found.kind === 'none' && wish.mayPrint }))
  const over = choice.then(async ({ found, prints }) => { await live(found, prints) })
    .catch((error: unknown) => { complain(`The sidecar is not supervised any more, please report it: ${error instanceof Error ? error.stack : String(error)}`) })

  return {
    environment: choice.then(({ found, prints }) => found.kind === 'none'
      // Logs are on the terminal anyhow; sent to nobody they would count as a failing export.
      ? prints ? { OTEL_EXPORTER_TYPE: 'console', OTEL_LOGS_EXPORTER: 'none' } : {}
      : {
          OTEL_EXPORTER_OTLP_ENDPOINT: urlOf(wish.overHttp ? 'COLLECTOR_OTLP_HTTP_PORT' : 'COLLECTOR_OTLP_GRPC_PORT'),
          SIDECAR_HEALTH_URL: settings.environment['SIDECAR_HEALTH_URL'] || urlOf('COLLECTOR_HEALTH_PORT')
        }),
    describe: () => state.startsWith('none')
      ? [['Sidecar', state]]
      : [['Sidecar', state], ['Telemetry', goesTo], ['Span metrics', `${urlOf('COLLECTOR_SPAN_METRICS_PORT')}/metrics`]],
    async stop () {
      abort.abort()
      const inTime = await child?.stop(drainMs) ?? true
      await over
      if (!inTime) await command?.clearAway?.()
      await held.end()
      log.close()
      return inTime
    },
    async kill () {
      abort.abort()
      await child?.kill()
      await command?.clearAway?.()
    }
  }
}

/** For this user only: telemetry may tell more than the service's answers do. */
function inFolders<T> (folders: string[], open: () => T): T {
  let path = folders[0] as string
  try {
    for (path of folders) mkdirSync(path, { recursive: true, mode: 0o700 })
    return open()
  } catch (error) {
    throw fileFault(error, path)
  }
}

/** The Collector takes an empty variable for a value; here it counts as not set. */
function withoutEmpty (environment: Environment, names: string[]): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name, value]) => value !== '' || !names.includes(name)))
}

function numbersAsText (ports: Record<string, number>): Environment {
  return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
}
