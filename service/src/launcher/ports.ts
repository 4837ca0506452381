import { type Server, createServer } from 'node:net'
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

export interface PortWish {
  /** The variable that sets it. */
  name: string
  port: number
  /** By the user, so that no other will do. */
  chosen: boolean
}

export interface HeldPorts {
  ports: Record<string, number>
  /** Makes way for whoever is to listen there; other starts still keep away. */
  release (): Promise<void>
  /** They are free for everybody. */
  end (): Promise<void>
}

/**
 * Takes ports for a program that may come much later, and keeps them until then: another start would
 * find them free otherwise. Usual ones that are taken are replaced by the next that are free.
 *
 * @param except ports that are promised to others who do not listen yet
 * @throws StartFault when one that was asked for is not to be had
 */
export async function holdPorts (host: string, wishes: PortWish[], except: Array<number | undefined>, log: (line: string) => void): Promise<HeldPorts> {
  const held = new Map<string, { port: number, server: Server }>()
  const claims: Server[] = []
  const release = async () => { await Promise.all([...held.values()].map(async ({ server }) => { await close(server) })) }
  const end = async () => {
    await release()
    await Promise.all(claims.map(close))
  }
  const hold = async ({ name }: PortWish, port: number): Promise<string | undefined> => {
    if (except.includes(port)) return 'EADDRINUSE'
    const claim = await claimPort(port)
    if (claim === 'EADDRINUSE') return claim
    const server = await listen({ host, port })
    if (typeof server !== 'string') held.set(name, { port, server })
    if (typeof claim !== 'string') {
      if (typeof server === 'string') await close(claim)
      else claims.push(claim)
    }
    return typeof server === 'string' ? server : undefined
  }
  const moved: string[] = []
  try {
    const taken: PortWish[] = []
    for (const wish of wishes) {
      const fault = await hold(wish, wish.port)
      if (fault === undefined) continue
      if (fault !== 'EADDRINUSE') throw new StartFault(`The sidecar cannot listen on ${host}, port ${wish.port} (${fault}): set COLLECTOR_HOST or ${wish.name}.`)
      if (wish.chosen) throw new StartFault(`Port ${wish.port} on ${host} is taken, and ${wish.name} asks for it for the sidecar. Free it, or choose another.`)
      taken.push(wish)
    }
    for (const wish of taken) {
      let port = wish.port + 1
      while (port < wish.port + 200 && await hold(wish, port) !== undefined) port++
      if (!held.has(wish.name)) throw new StartFault(`No free port was found on ${host} after ${wish.port} for the sidecar: set ${wish.name}.`)
      moved.push(`${wish.port} → ${port}`)
    }
  } catch (error) {
    await end()
    throw error
  }
  if (moved.length > 0) log(`Usual ports of the sidecar are taken, so it moves: ${moved.join(', ')} (COLLECTOR_…_PORT sets them)`)
  return { ports: Object.fromEntries([...held].map(([name, { port }]) => [name, port])), release, end }
}

/** @returns the error's code, or nothing when it went well */
async function tryListen (host: string, port: number): Promise<string | undefined> {
  const result = await listen({ host, port })
  if (typeof result === 'string') return result
  await close(result)
  return undefined
}

/**
 * A name that only one process can have, and that goes with it: between making way and listening, and
 * between a crash and the next attempt, nobody has the port itself. Only Linux has such names; elsewhere
 * two starts at the very same moment may still collide.
 *
 * @returns the error's code where another has it, or where there are no such names
 */
async function claimPort (port: number): Promise<Server | string> {
  return process.platform === 'linux' ? await listen({ path: `\0config-service/port/${port}` }) : 'ENOTSUP'
}

/** @returns a server that turns everybody away, or the error's code */
async function listen (where: { host: string, port: number } | { path: string }): Promise<Server | string> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => { socket.destroy() })
    server.once('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message) })
    server.listen({ ...where, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

async function close (server: Server): Promise<void> {
  await new Promise<void>((resolve) => { server.close(() => { resolve() }) })
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
