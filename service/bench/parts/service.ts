import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Cleanup } from '../cleanup.js'
import { openConnection, requestText } from '../connection.js'
import { freePort, serviceFolder } from '../places.js'

/** A service under measurement, in a process of its own. */
export interface ServiceProcess {
  pid: number
  port: number
  /** Of its own metrics, while its telemetry is on. */
  metricsUrl: string
  /** Sends it a message and waits for the one of the same type. */
  ask<T> (type: string): Promise<T>
  /** Asks it to drain and waits for its end. */
  stop (): Promise<void>
}

export interface ServiceOptions {
  /** For messages and for the name of its log. */
  name: string
  databaseUrl: string
  /** Where its output and its files go. */
  folder: string
  /** On top of what it needs to start. */
  environment: Record<string, string>
  /** The compiled file that is started; the service's own unless given. */
  main?: string
  /** Whether OpenTelemetry's automatic instrumentation is loaded, as it always is in earnest. */
  automatic?: boolean
  /** More arguments for node. */
  node?: readonly string[]
  cleanup: Cleanup
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const compiled = join(__dirname, '..', '..')

/**
 * Starts the service with its real start line, telemetry on. Unless the environment says more there is no collector:
 * the ports of telemetry are free ones, so that nothing of the machine is disturbed.
 */
export async function startService (options: ServiceOptions): Promise<ServiceProcess> {
  const { name, databaseUrl, folder, environment, main = join(compiled, 'src', 'main.js'), automatic = true, node = [], cleanup } = options
  const output = join(folder, `${name}.log`)
  const descriptor = openSync(output, 'a')
  const metricsPort = await freePort()
  const nobody = await freePort([metricsPort])
  const child = spawn(process.execPath, [
    ...node,
    '--require', `./${relative(serviceFolder, join(compiled, 'src', 'telemetry', 'preload.js'))}`,
    ...(automatic ? ['--require', '@opentelemetry/auto-instrumentations-node/register'] : []),
    relative(serviceFolder, main)
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
      SIDECAR_HEALTH_URL: 'off',
      ...environment
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
    throw new Error(`the service (${name}) has ended: ${reason}. Its last words:\n${readFileSync(output, 'utf8').slice(-2000)}`)
  }
  const told = async <T>(type: string): Promise<T> => {
    const found = Promise.withResolvers<T>()
    const listen = (message: { type?: unknown }): void => { if (message.type === type) found.resolve(message as T) }
    const timer = setTimeout(() => { found.reject(new Error(`the service (${name}) said no ${type} within ${START_TIMEOUT_MS} ms; see ${output}`)) }, START_TIMEOUT_MS)
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

  const { url } = await told<{ url: string }>('ready')
  return {
    pid: Number(child.pid),
    port: Number(new URL(url).port),
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    stop,
    async ask<T> (type: string) {
      const answer = told<T>(type)
      child.send({ type })
      return await answer
    }
  }
}

/** @throws Error when the service does not answer 201 */
export async function create (port: number, kind: 'applications' | 'configurations', body: object): Promise<void> {
  const connection = await openConnection(port)
  try {
    const { status, body: answer } = await connection.send(requestText('POST', `/api/v1/${kind}`, JSON.stringify(body)))
    if (status !== 201) throw new Error(`${JSON.stringify(body)} could not be made: ${status} ${answer.toString()}`)
  } finally {
    connection.close()
  }
}
