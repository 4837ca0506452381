import { createServer } from 'node:net'
import { StartFault } from '../database/embedded-fault.js'
import type { LauncherSettings } from './settings.js'

/**
 * Makes sure, before anything is started, that the service will be able to listen.
 *
 * @returns the port for the metrics, another than the usual one when that is taken
 * @throws StartFault when a port that was asked for is not to be had
 */
export async function checkPorts (settings: LauncherSettings, log: (line: string) => void): Promise<number | undefined> {
  const { host, port, metrics } = settings
  if (port !== undefined) {
    const fault = await tryListen(host, port)
    if (fault !== undefined) throw new StartFault(serviceFault(fault, host, port, await nextFree(host, port + 1, metrics?.port)))
  }
  if (metrics === undefined) return undefined
  // A port that is taken would only show as metrics that never come.
  if (metrics.port !== port && await tryListen(metrics.host, metrics.port) === undefined) return metrics.port
  const next = await nextFree(metrics.host, metrics.port + 1, port)
  if (metrics.chosen) {
    const by = metrics.port === port ? 'the service itself' : 'another program'
    throw new StartFault(`Port ${metrics.port} on ${metrics.host} is taken by ${by}, and OTEL_EXPORTER_PROMETHEUS_PORT asks for it for the metrics. ` +
      `Free it, or choose another: OTEL_EXPORTER_PROMETHEUS_PORT=${next} scripts/start`)
  }
  log(`Port ${metrics.port} is taken, so the metrics are on ${next} (OTEL_EXPORTER_PROMETHEUS_PORT sets it)`)
  return next
}

/** @returns the error's code, or nothing when it went well */
async function tryListen (host: string, port: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message) })
    probe.listen({ port, host, exclusive: true }, () => { probe.close(() => { resolve(undefined) }) })
  })
}

async function nextFree (host: string, from: number, except?: number): Promise<number> {
  for (let port = from; port < from + 200 && port < 65_536; port++) {
    if (port !== except && await tryListen(host, port) === undefined) return port
  }
  return from
}

function serviceFault (code: string, host: string, port: number, next: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is taken by another program. Free it, or choose another: PORT=${next} scripts/start`
    case 'EACCES':
      return `Port ${port} on ${host} needs rights that this user lacks. Choose one above 1023: PORT=8000 scripts/start`
    default:
      return `It is not possible to listen on HOST=${host}, PORT=${port} (${code}). Set HOST to an address of this machine, for example 127.0.0.1`
  }
}
