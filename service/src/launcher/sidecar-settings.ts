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
  /** For the service when there is no sidecar: nothing is sent to whoever listens at the usual address. */
  without: Environment
  /** What is kept, for people. */
  sampling: string
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
  const without = withoutSidecar(value, changes)
  const unwanted = reasonAgainst(value, changes, without)
  const unitless = durationNames(configs).filter((name) => /^\d*[1-9]\d*$/.test(value(name) ?? ''))
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
    environment: { ...environment, ...usable, ...own, ...Object.fromEntries(unitless.map((name) => [name, undefined])) },
    names: [...names, 'GOMEMLIMIT'],
    overHttp: (changes['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? value('OTEL_EXPORTER_OTLP_PROTOCOL') ?? '').startsWith('http'),
    without: unwanted === undefined || value('SIDECAR') === 'off' ? without : {},
    sampling: samplingInWords(finalOf(value, changes)),
    complaints: unwanted === undefined
      ? [
          ...complaints.filter(({ name }) => ENDPOINTS.includes(name)).map(({ message }) => message),
          // The Collector would take nanoseconds.
          ...unitless.map((name) => `${name}=${value(name)} has no unit (${value(name)}s, ${value(name)}ms); it is left out of account`)
        ]
      : []
  }
}

/** The variables that the Collector's configuration reads: `${env:NAME:-default}`. */
export function collectorNames (root: string): string[] {
  const files = [join(root, 'collector', 'config.yaml'), ...knownDestinations(root).map((name) => destinationFile(root, name))]
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'))
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\$\{env:(\w+)/g)].map(([, name = '']) => name)))]
}

/** What the service will read under a name. */
function finalOf (value: (name: string) => string | undefined, changes: Record<string, string | null>): (name: string) => string | undefined {
  return (name) => name in changes ? changes[name] ?? undefined : value(name)
}

/** Those of them that are durations, by their defaults. */
function durationNames (configs: string[]): string[] {
  const texts = configs.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'))
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\$\{env:(\w+):-\d+(?:ms|s|m|h)\}/g)].map(([, name = '']) => name)))]
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_OTLP_ENDPOINT']

/** Silences what would leave by default; what the user has set to something usable stays as it is. */
function withoutSidecar (value: (name: string) => string | undefined, changes: Record<string, string | null>): Environment {
  const final = finalOf(value, changes)
  // A usable value of the user's is not changed.
  const set = (name: string) => name in changes ? undefined : value(name)
  const type = set('OTEL_EXPORTER_TYPE')
  const traces = set('OTEL_TRACES_EXPORTER') ?? (type === 'console' ? type : undefined)
  const logs = set('OTEL_LOGS_EXPORTER')
  const hasEndpoint = ['', 'TRACES_', 'LOGS_'].some((signal) => final(`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`) !== undefined)
  if (hasEndpoint || type === 'grpc' || type === 'http' || traces?.includes('otlp') === true || logs?.includes('otlp') === true) return {}
  return {
    ...traces === undefined ? { OTEL_TRACES_EXPORTER: 'none' } : {},
    ...logs === undefined ? { OTEL_LOGS_EXPORTER: 'none' } : {},
    ...set('SIDECAR_HEALTH_URL') === undefined ? { SIDECAR_HEALTH_URL: 'off' } : {}
  }
}

function samplingInWords (final: (name: string) => string | undefined): string {
  const percentage = final('SAMPLING_PERCENTAGE') ?? '100'
  const sampler = final('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  if (sampler.endsWith('traceidratio')) {
    return `${Number((Number(final('OTEL_TRACES_SAMPLER_ARG') ?? 1) * 100).toFixed(6))} %, taken by the service, and nothing besides`
  }
  if (!sampler.endsWith('always_on')) return `as OTEL_TRACES_SAMPLER=${sampler} says`
  return Number(percentage) === 100 ? 'every trace' : `${percentage} %, besides errors, slow traces and changes`
}

function reasonAgainst (value: (name: string) => string | undefined, changes: Record<string, string | null>, without: Environment): string | undefined {
  const choice = value('SIDECAR') ?? 'auto'
  if (choice !== 'auto' && choice !== 'off') throw new StartFault(`SIDECAR=${choice} means nothing: auto runs a sidecar where one can be had, off runs none.`)
  const final = finalOf(value, changes)
  if (choice === 'off' && without['OTEL_TRACES_EXPORTER'] === 'none') return 'off (SIDECAR=off); traces go nowhere'
  const none = choice === 'off' ? 'off (SIDECAR=off)' : 'none'
  if (choice !== 'off' && final('OTEL_SDK_DISABLED') === 'true') return 'none, since telemetry is switched off'
  const endpoint = final('OTEL_EXPORTER_OTLP_ENDPOINT')
  if (endpoint !== undefined) {
    const name = ENDPOINTS.find((name) => value(name) === endpoint)
    return `${none}: telemetry goes to your own, ${URL.canParse(endpoint) ? new URL(endpoint).host : 'elsewhere'} (${name})`
  }
  if (choice === 'off') return none
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
