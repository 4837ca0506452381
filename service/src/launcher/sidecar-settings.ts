import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StartFault } from '../database/embedded-fault.js'
import { telemetryEnvironment } from '../telemetry/environment.js'
import type { PortWish } from './ports.js'
import type { Environment } from './settings.js'

/** What is wanted of the sidecar. */
export interface SidecarSettings {
  /** Why there is to be none, in words. */
  unwanted: string | undefined
  /** Its configuration; later files add to earlier ones. */
  configs: string[]
  destinations: string[]
  host: string
  ports: PortWish[]
  /** What waits to be sent is kept here. */
  storageDir: string
  /** What the destination `file` writes. */
  fileDir: string
  /** For the sidecar, without the ports. */
  environment: Environment
  /** All that the configuration reads. */
  names: string[]
  /** Whether the service sends OTLP over HTTP. */
  overHttp: boolean
  /** Whether spans may go to the terminal when there can be no sidecar: nobody has said where they go. */
  mayPrint: boolean
  /** Faulty settings that nobody else will see, since the launcher sets them to its own sidecar. */
  complaints: string[]
}

/** @throws StartFault when a setting is none that can be meant */
export function readSidecarSettings (root: string, environment: Environment, dataDir: string, absolute: (name: string) => string | undefined): SidecarSettings {
  const value = (name: string) => environment[name] === '' ? undefined : environment[name]
  const { changes, complaints } = telemetryEnvironment(environment)
  const names = collectorNames(root)
  const destinations = destinationsOf(root, value('COLLECTOR_DESTINATIONS'))
  const configs = [join(root, 'collector', 'config.yaml'), ...destinations.map((name) => destinationFile(root, name))]
  const unwanted = reasonAgainst(value, changes)
  const storageDir = absolute('COLLECTOR_STORAGE_DIR') ?? join(dataDir, 'collector', 'queue')
  const fileDir = absolute('COLLECTOR_FILE_DIR') ?? join(dataDir, 'telemetry')
  const usable = Object.fromEntries(Object.entries(changes).filter(([name]) => names.includes(name)).map(([name, change]) => [name, change ?? undefined]))
  const own: Environment = {
    COLLECTOR_STORAGE_DIR: storageDir,
    COLLECTOR_FILE_DIR: fileDir,
    // The garbage collector is to work harder before the memory limiter refuses.
    GOMEMLIMIT: value('GOMEMLIMIT') ?? `${Math.round(Number(/^\d+$/.exec(value('COLLECTOR_MEMORY_LIMIT_MIB') ?? '') ?? 200) * 0.8)}MiB`,
    // For people: its log is a file here.
    COLLECTOR_LOG_FORMAT: value('COLLECTOR_LOG_FORMAT') ?? 'console'
  }
  return {
    unwanted,
    configs,
    destinations,
    host: value('COLLECTOR_HOST') ?? '127.0.0.1',
    ports: unwanted === undefined ? portsOf(value) : [],
    storageDir,
    fileDir,
    environment: { ...environment, ...usable, ...own },
    names: [...names, 'GOMEMLIMIT'],
    overHttp: (changes['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? value('OTEL_EXPORTER_OTLP_PROTOCOL') ?? '').startsWith('http'),
    mayPrint: (value('OTEL_ENVIRONMENT') ?? changes['OTEL_ENVIRONMENT'] ?? 'development') === 'development' &&
      !Object.keys(environment).some((name) => EXPORTERS.test(name) && value(name) !== undefined),
    complaints: unwanted === undefined ? complaints.filter(({ name }) => ENDPOINTS.includes(name)).map(({ message }) => message) : []
  }
}

/** The variables that the Collector's configuration reads: `${env:NAME:-default}`. */
export function collectorNames (root: string): string[] {
  const files = [join(root, 'collector', 'config.yaml'), ...knownDestinations(root).map((name) => destinationFile(root, name))]
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'))
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\$\{env:(\w+)/g)].map(([, name = '']) => name)))]
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_OTLP_ENDPOINT']
const EXPORTERS = /^OTEL_(?:EXPORTER_TYPE|EXPORTER_OTLP_\w+|OTLP_\w+|TRACES_EXPORTER|LOGS_EXPORTER)$/

function reasonAgainst (value: (name: string) => string | undefined, changes: Record<string, string | null>): string | undefined {
  const choice = value('SIDECAR') ?? 'auto'
  if (choice !== 'auto' && choice !== 'off') throw new StartFault(`SIDECAR=${choice} means nothing: auto runs a sidecar where one can be had, off runs none.`)
  if (choice === 'off') return 'off (SIDECAR=off)'
  const final = (name: string) => name in changes ? changes[name] ?? undefined : value(name)
  if (final('OTEL_SDK_DISABLED') === 'true') return 'none, since telemetry is switched off'
  const endpoint = final('OTEL_EXPORTER_OTLP_ENDPOINT')
  if (endpoint !== undefined) {
    const name = ENDPOINTS.find((name) => value(name) === endpoint)
    return `none: telemetry goes to your own, ${URL.canParse(endpoint) ? new URL(endpoint).host : 'elsewhere'} (${name})`
  }
  const exporters = ['TRACES', 'METRICS', 'LOGS'].map((signal) => final(`OTEL_${signal}_EXPORTER`) ?? '')
  return exporters.some((list) => list.includes('otlp')) ? undefined : 'none, since nothing is to be sent to one (OTEL_…_EXPORTER)'
}

function knownDestinations (root: string): string[] {
  const folder = join(root, 'collector', 'destinations')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -'.yaml'.length)).sort()
}

function destinationFile (root: string, name: string): string {
  return join(root, 'collector', 'destinations', `${name}.yaml`)
}

function destinationsOf (root: string, text = 'file'): string[] {
  const wanted = [...new Set(text.split(',').map((name) => name.trim()).filter((name) => name !== ''))]
  const known = knownDestinations(root)
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0 && known.length > 0) {
    throw new StartFault(`COLLECTOR_DESTINATIONS names ${unknown.join(', ')}, which is not in collector/destinations. There are: ${known.join(', ')}`)
  }
  return wanted
}

const PORTS = {
  COLLECTOR_OTLP_GRPC_PORT: 4317,
  COLLECTOR_OTLP_HTTP_PORT: 4318,
  COLLECTOR_SPAN_METRICS_PORT: 8889,
  COLLECTOR_METRICS_PORT: 8888,
  COLLECTOR_HEALTH_PORT: 13133
}

function portsOf (value: (name: string) => string | undefined): PortWish[] {
  return Object.entries(PORTS).map(([name, usual]) => {
    const set = value(name)
    const port = set === undefined ? usual : /^\d+$/.test(set) ? Number(set) : NaN
    if (!(port > 0 && port < 65_536)) throw new StartFault(`${name}=${set} is no port: a whole number from 1 to 65535.`)
    return { name, port, chosen: set !== undefined }
  })
}

/** @returns a setting as an absolute path, made for `readSidecarSettings` */
export function absolutePaths (root: string, given: Environment, file: Environment, cwd: string): (name: string) => string | undefined {
  const set = (environment: Environment, name: string) => environment[name] === '' ? undefined : environment[name]
  return (name) => {
    const inner = set(given, name)
    if (inner !== undefined) return resolve(cwd, inner)
    const outer = given[name] === undefined ? set(file, name) : undefined
    return outer === undefined ? undefined : resolve(root, outer)
  }
}
