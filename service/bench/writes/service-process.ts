import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Cleanup } from '../cleanup.js'
import { freePort, serviceFolder } from '../places.js'
import { WAY_VARIABLE, type Way } from './ways.js'

/** A service under measurement, in a process of its own. */
export interface ServiceProcess {
  way: Way
  pid: number
  port: number
  /** How many changes went through how many transactions so far. */
  stats (): Promise<{ changes: number, batches: number }>
  /** Asks it to drain and waits for its end. */
  stop (): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const compiled = join(__dirname, '..', '..')

/**
 * Starts the service with its real start line (telemetry on), another main file aside. There is no collector: the
 * ports of telemetry are free ones, so that nothing of the machine is disturbed.
 */
export async function startServiceProcess (options: {
  way: Way
  databaseUrl: string
  /** Where its output and its files go. */
  folder: string
  environment: Record<string, string>
  /** More arguments for node. */
  node?: readonly string[]
  cleanup: Cleanup
}): Promise<ServiceProcess> {
  const { way, databaseUrl, folder, environment, node = [], cleanup } = options
  const output = join(folder, `${way}.log`)
  const descriptor = openSync(output, 'a')
  const metricsPort = await freePort()
  const nobody = await freePort([metricsPort])
  const child = spawn(process.execPath, [
    ...node,
    '--require', `./${relative(serviceFolder, join(compiled, 'src', 'telemetry', 'preload.js'))}`,
    '--require', '@opentelemetry/auto-instrumentations-node/register',
    relative(serviceFolder, join(__dirname, 'service.js'))
  ], {
    cwd: serviceFolder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      DATABASE_URL: databaseUrl,
      DATA_DIR: folder,
      OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${nobody}`,
      ...environment,
      [WAY_VARIABLE]: way
    },
    // Ctrl-C reaches everyone in a group at once, and the order of stopping is not to be left to that.
    detached: true,
    stdio: ['ignore', descriptor, descriptor, 'ipc']
  })
  closeSync(descriptor)
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => { resolve(error.message) })
    child.once('exit', (code, signal) => { resolve(signal ?? `exit code ${code}`) })
  })
  const ended = (reason: string): never => {
    throw new Error(`the service (${way}) has ended: ${reason}. Its last words:\n${readFileSync(output, 'utf8').slice(-2000)}`)
  }
  const answer = async <T>(type: string, withinMs: number): Promise<T> => {
    const found = Promise.withResolvers<T>()
    const listen = (message: { type?: unknown }): void => { if (message.type === type) found.resolve(message as T) }
    const timer = setTimeout(() => { found.reject(new Error(`the service (${way}) said no ${type} within ${withinMs} ms; see ${output}`)) }, withinMs)
    child.on('message', listen)
    try {
      return await Promise.race([found.promise, exited.then(ended)])
    } finally {
      clearTimeout(timer)
      child.off('message', listen)
    }
  }
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => { child.kill('SIGKILL') }, STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
  cleanup.later(stop)

  const { url } = await answer<{ url: string }>('ready', START_TIMEOUT_MS)
  return {
    way,
    pid: Number(child.pid),
    port: Number(new URL(url).port),
    stop,
    async stats () {
      const told = answer<{ changes: number, batches: number }>('stats', START_TIMEOUT_MS)
      child.send({ type: 'stats' })
      return await told
    }
  }
}
