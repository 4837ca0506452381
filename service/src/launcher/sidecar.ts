import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileFault } from '../database/embedded-fault.js'
import { settings as serviceSettings } from '../env.js'
import type { HeldPorts } from './ports.js'
import { type Child, startGuarded } from './process.js'
import { createRestarts } from './restarts.js'
import type { Environment, LauncherSettings } from './settings.js'
import { buildCollector } from './sidecar-build.js'
import { containerName, dockerRun, image } from './sidecar-docker.js'
import { gist, openSidecarLog } from './sidecar-log.js'
import { type Program, findProgram, run } from './sidecar-program.js'

interface SidecarOptions {
  /** The repository's folder. */
  root: string
  settings: LauncherSettings
  /** Held until the sidecar comes to listen there. */
  held: HeldPorts
  /** Which of them are not the usual ones, to be said once there is a sidecar. */
  moves: string[]
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
// How long a build or a download may take before the service counts the sidecar as missing.
const graceMs = 900_000

/**
 * Runs a Collector beside the service: the one that is built, else builds it first, else one in
 * Docker. It comes when it can, is started again when it ends, and nothing that befalls it reaches
 * the service.
 *
 * @throws StartFault when its folders cannot be made
 */
export function startSidecar (options: SidecarOptions): Sidecar {
  const { root, settings, held, moves, say, complain, remember } = options
  const { patience = { restarts: createRestarts, slowMs: 60_000 } } = options
  const { sidecar: wish, dataDir } = settings
  const folder = join(dataDir, 'collector')
  const log = inFolders([folder, wish.storageDir, wish.fileDir], () => openSidecarLog(join(folder, 'log')))
  const environment = forCollector({ ...wish.environment, ...numbersAsText(held.ports) }, wish.names)
  const at = wish.host === '0.0.0.0' ? '127.0.0.1' : wish.host.includes(':') ? `[${wish.host === '::' ? '::1' : wish.host}]` : wish.host
  const configArgs = wish.configs.flatMap((path) => ['--config', path])
  const urlOf = (name: string) => `http://${at}:${held.ports[name]}`
  const goesTo = wish.destinations.map((name) => name === 'file' ? wish.fileDir : name).join(', ') || 'nobody'
  const abort = new AbortController()
  const { signal } = abort
  let child: Child | undefined
  let command: Command | undefined
  let state = 'starting'
  let joins = false

  const become = (started: Child | undefined) => {
    child = started
    remember(started?.pid)
  }

  function commandOf (program: Program): Command | undefined {
    if (program.kind === 'built') return { program: program.path, args: configArgs, env: environment }
    if (program.kind !== 'docker') return undefined
    const name = containerName(dataDir)
    const user = program.rootless || process.getuid === undefined || process.getgid === undefined ? undefined : { uid: process.getuid(), gid: process.getgid() }
    say(`The sidecar runs in Docker (${image}${program.fetched ? '' : ', which is fetched first'})`)
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
    if (path !== undefined) return await checked({ kind: 'built', path })
    const other: Program = signal.aborted ? { kind: 'none', missing: 'stopped', remedy: '' } : await findProgram(root, settings.environment, false)
    const words = [`(${fault.reason}):`, ...fault.lines].join('\n')
    if (other.kind === 'none') return { ...other, remedy: `What the build said ${words}\nMend that and start again` }
    complain(`The sidecar could not be built ${words}`)
    return other
  }

  /** A faulty setting is known before the start, and trying again would not mend it. */
  async function checked (program: Program): Promise<Program> {
    if (program.kind !== 'built') return program
    const { code, complaint } = await run(program.path, ['validate', ...configArgs], environment, 5_000)
    // One that was killed, or knows no such command, has its chance.
    if (code === 0 || !/^Error: /m.test(complaint)) return program
    const remedy = ['It refuses its settings:', ...gist(complaint.split('\n')), 'Mend them (collector/README.md lists what it reads), then start again'].join('\n')
    return { kind: 'none', missing: 'its settings are faulty', remedy }
  }

  /** @param isTold whether the service has been told beforehand, so that it sends nothing */
  function doWithout (missing: string, remedy: string, isTold: boolean): void {
    const silent = isTold && wish.without['OTEL_TRACES_EXPORTER'] === 'none'
    state = `none: ${missing}${silent ? '; traces go nowhere' : ''}`
    complain(`There is no sidecar: ${missing}. ${remedy}; SIDECAR=off if none is wanted. ` +
      (silent ? 'Until then traces go nowhere; OTEL_EXPORTER_TYPE=console scripts/start prints them.' : 'The service runs without.'))
  }

  async function live (found: Program): Promise<void> {
    if (found.kind !== 'none') for (const line of moves) say(line)
    joins = mayTakeLong(found)
    const program = found.kind === 'buildable' && !signal.aborted ? await build() : found
    if (signal.aborted) return
    if (program.kind === 'none') {
      doWithout(program.missing, program.remedy, found.kind === 'none')
      // Those that the service sends to stay taken: nobody else is to get its traces.
      if (found.kind === 'none') await held.end()
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
        say(before
          ? 'The sidecar is back'
          : `The sidecar runs on ${at}:${held.ports['COLLECTOR_OTLP_GRPC_PORT']}; ` +
            (joins ? 'traces are kept from now on, the first appear within a minute' : `telemetry goes to ${goesTo}`))
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
        const words = log.lastWords()
        complain([`The sidecar has ended unexpectedly (${reason}): starting it again in ${delayMs / 1_000} s. The service goes on. ` +
          (words.length === 0 ? `What it said: ${log.path}` : 'Its last words:'), ...words].join('\n'))
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

  const choice = findProgram(root, settings.environment).then(checked)
  const over = choice.then(live)
    .catch((error: unknown) => { complain(`The sidecar is not supervised any more, please report it: ${error instanceof Error ? error.stack : String(error)}`) })

  return {
    environment: choice.then((found) => found.kind === 'none'
      ? wish.without
      : {
          ...mayTakeLong(found) && !settings.environment['SIDECAR_GRACE_MS'] ? { SIDECAR_GRACE_MS: String(graceMs) } : {},
          OTEL_EXPORTER_OTLP_ENDPOINT: urlOf(wish.overHttp ? 'COLLECTOR_OTLP_HTTP_PORT' : 'COLLECTOR_OTLP_GRPC_PORT'),
          SIDECAR_HEALTH_URL: settings.environment['SIDECAR_HEALTH_URL'] || urlOf('COLLECTOR_HEALTH_PORT')
        }),
    describe: () => state.startsWith('none')
      ? [['Sidecar', state]]
      : [['Sidecar', state], ['Telemetry', goesTo], ['Sampling', wish.sampling], ['Span metrics', `${urlOf('COLLECTOR_SPAN_METRICS_PORT')}/metrics`]],
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

function mayTakeLong (program: Program): boolean {
  return program.kind === 'buildable' || (program.kind === 'docker' && !program.fetched)
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

/** What only the service reads, passwords too, is not for the Collector; and that takes an empty variable for a value, while here it counts as not set. */
function forCollector (environment: Environment, names: string[]): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name, value]) => names.includes(name) ? value !== '' : !(name in serviceSettings.properties)))
}

function numbersAsText (ports: Record<string, number>): Environment {
  return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
}
