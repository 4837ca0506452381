import { execFile } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startGuarded } from '../../src/launcher/process.js'
import type { Cleanup } from '../cleanup.js'
import { lastingPorts, repository } from '../places.js'

/** A Collector in a process of its own, which can be stopped, killed and started again on the same ports and storage. */
export interface Collector {
  /** NaN while there is none. */
  pid (): number
  /** Where OTLP over gRPC goes, as host:port. */
  grpc: string
  /** What the service has to know of it. */
  environment: Record<string, string>
  /** Its own metrics. */
  metricsUrl: string
  /** Starts it and waits until it is healthy. */
  start (): Promise<void>
  /** SIGTERM: what waits is written down first. */
  stop (): Promise<void>
  /** SIGKILL. */
  kill (): Promise<void>
  /** SIGSTOP: it is there, takes connections, and says nothing. SIGCONT ends that. */
  hang (): void
  wake (): void
}

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 15_000
const MOST_ATTEMPTS = 3

/** Builds it when it is missing, which takes minutes. @returns its path */
export async function buildCollector (cleanup: Cleanup): Promise<string> {
  const building = promisify(execFile)('sh', [join(repository, 'scripts', 'lib', 'collector.sh'), 'build'])
  // What it does, and why it can't.
  building.child.stderr?.pipe(process.stderr)
  cleanup.later(() => { building.child.kill() })
  return (await building).stdout.trim()
}

interface CollectorOptions {
  program: string
  /** For its folder and its log. */
  name: string
  /** Where its storage, its files and its log go, in a folder of their own. */
  folder: string
  /** What follows --config, each. */
  configs: string[]
  environment?: Record<string, string>
  cleanup: Cleanup
}

/** Paths of the sidecar's configuration with these destinations. */
export function sidecarConfigs (...destinations: string[]): string[] {
  return ['config.yaml', ...destinations.map((name) => `destinations/${name}.yaml`)].map((file) => join(repository, 'collector', file))
}

/** Starts one on free ports of 127.0.0.1. It ends with this process, also when that is killed. */
export async function startCollector ({ program, name, folder: parent, configs, environment = {}, cleanup }: CollectorOptions): Promise<Collector> {
  const folder = join(parent, name)
  mkdirSync(folder, { recursive: true })
  for (let attempt = 1; ; attempt++) {
    const [grpc = 0, http = 0, spanMetrics = 0, metrics = 0, health = 0] = await lastingPorts(5)
    const healthUrl = `http://127.0.0.1:${health}/`
    const collector = onPorts({
      program,
      folder,
      args: configs.map((config) => `--config=${config}`),
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        COLLECTOR_OTLP_GRPC_PORT: String(grpc),
        COLLECTOR_OTLP_HTTP_PORT: String(http),
        COLLECTOR_SPAN_METRICS_PORT: String(spanMetrics),
        COLLECTOR_METRICS_PORT: String(metrics),
        COLLECTOR_HEALTH_PORT: String(health),
        COLLECTOR_STORAGE_DIR: join(folder, 'queue'),
        COLLECTOR_FILE_DIR: join(folder, 'telemetry'),
        // As scripts/start sets it.
        GOMEMLIMIT: '160MiB',
        ...environment
      },
      healthUrl,
      cleanup
    })
    try {
      await collector.start()
      return {
        ...collector,
        grpc: `127.0.0.1:${grpc}`,
        environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${grpc}`, SIDECAR_HEALTH_URL: healthUrl },
        metricsUrl: `http://127.0.0.1:${metrics}/metrics`
      }
    } catch (error) {
      await collector.kill()
      // Somebody else may take a port between the look and the start.
      if (attempt === MOST_ATTEMPTS || !String(error).includes('address already in use')) throw error
    }
  }
}

type Running = Omit<Collector, 'grpc' | 'environment' | 'metricsUrl'>

function onPorts ({ program, folder, args, env, healthUrl, cleanup }: { program: string, folder: string, args: string[], env: Record<string, string>, healthUrl: string, cleanup: Cleanup }): Running {
  const log = join(folder, 'log')
  let child: ReturnType<typeof startGuarded> | undefined
  const send = (signal: NodeJS.Signals): void => { if (child?.pid !== undefined) process.kill(child.pid, signal) }
  const kill = async (): Promise<void> => {
    await child?.kill()
    child = undefined
  }
  cleanup.later(kill)

  return {
    pid: () => child?.pid ?? NaN,
    async start () {
      const descriptor = openSync(log, 'a')
      const started = startGuarded(program, args, { cwd: folder, env, output: descriptor })
      closeSync(descriptor)
      child = started
      let reason: string | undefined
      void started.exited.then((exit) => { reason = exit.reason })
      for (const begun = performance.now(); !await isHealthy(healthUrl);) {
        if (reason !== undefined) throw new Error(`the Collector has ended: ${reason}. Its last words:\n${readFileSync(log, 'utf8').slice(-2000)}`)
        if (performance.now() - begun > START_TIMEOUT_MS) throw new Error(`the Collector is not healthy after ${START_TIMEOUT_MS} ms; see ${log}`)
        await sleep(50)
      }
    },
    async stop () {
      await child?.stop(STOP_TIMEOUT_MS)
      child = undefined
    },
    kill,
    hang () { send('SIGSTOP') },
    wake () { send('SIGCONT') }
  }
}

async function isHealthy (url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await answer.body?.cancel()
    return answer.ok
  } catch {
    return false
  }
}
