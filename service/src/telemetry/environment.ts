import { version } from '../package.js'

type Environment = Readonly<NodeJS.ProcessEnv>

/** What is wrong with a telemetry setting, and what is done about it. The service starts all the same. */
export interface Complaint { name: string, message: string }

export interface TelemetryEnvironment {
  /** Variables to set before the SDK reads its environment; null takes a faulty one away. */
  changes: Record<string, string | null>
  complaints: Complaint[]
}

const ENVIRONMENTS = ['development', 'testing', 'staging', 'production']

/** Other names of a setting; that of OpenTelemetry always comes first. */
const OTHER_NAMES: Record<string, string[]> = {
  OTEL_ENVIRONMENT: ['OTEL_DEPLOYMENT_ENVIRONMENT'],
  OTEL_EXPORTER_OTLP_ENDPOINT: ['OTEL_OTLP_ENDPOINT'],
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ['OTEL_OTLP_TRACES_ENDPOINT'],
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: ['OTEL_OTLP_METRICS_ENDPOINT'],
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: ['OTEL_OTLP_LOGS_ENDPOINT'],
  OTEL_EXPORTER_OTLP_INSECURE: ['OTEL_OTLP_INSECURE'],
  OTEL_METRIC_EXPORT_INTERVAL: ['OTEL_METRICS_EXPORT_INTERVAL_MS'],
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: ['OTEL_TRACES_EXPORT_BATCH_SIZE'],
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: ['OTEL_LOGS_EXPORT_BATCH_SIZE'],
  OTEL_TRACES_SAMPLER_ARG: ['OTEL_TRACES_SAMPLE_RATE']
}

/** What a setting has to be; the sentence follows its name. */
const RULES: Record<string, { holds: (value: string) => boolean, rule: string }> = {
  OTEL_ENVIRONMENT: oneOf(...ENVIRONMENTS),
  OTEL_ENABLED: oneOf('true', 'false'),
  OTEL_EXPORTER_TYPE: oneOf('grpc', 'http', 'console'),
  OTEL_EXPORTER_OTLP_ENDPOINT: address(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: address(),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: address(),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: address(),
  OTEL_EXPORTER_OTLP_INSECURE: oneOf('true', 'false'),
  OTEL_EXPORTER_OTLP_PROTOCOL: oneOf('grpc', 'http/protobuf', 'http/json'),
  OTEL_TRACES_EXPORTER: listOf('otlp', 'console', 'none'),
  OTEL_METRICS_EXPORTER: listOf('prometheus', 'otlp', 'console', 'none'),
  OTEL_LOGS_EXPORTER: listOf('otlp', 'console', 'none'),
  OTEL_METRIC_EXPORT_INTERVAL: whole(),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: whole(),
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: whole(),
  OTEL_TRACES_SAMPLER: oneOf('always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'),
  SAMPLING: oneOf('sidecar', 'head'),
  SAMPLING_PERCENTAGE: { holds: (value) => /^\d+(?:\.\d+)?$/.test(value) && Number(value) <= 100, rule: 'must be a percentage from 0 to 100' },
  SAMPLING_TRUST_PARENT: oneOf('true', 'false'),
  READ_SAMPLING_RATIO: share(),
  SLOW_TRACE_MS: whole(),
  TELEMETRY_LEVEL: oneOf('auto', '1', '2', '3', '4'),
  SIDECAR_HEALTH_URL: { holds: (value) => value === 'off' || address().holds(value), rule: 'must be an http or https address, or off' },
  OTEL_EXPORTER_PROMETHEUS_PORT: { holds: (value) => /^\d+$/.test(value) && Number(value) <= 65535, rule: 'must be a port' },
  OTEL_TRACES_SAMPLER_ARG: share()
}

/**
 * What the OpenTelemetry SDK is to read beside what the user has set: other names of settings, the defaults
 * of the environment, and OTEL_SERVICE_VERSION as resource attribute. A variable that the user has set to
 * something usable always wins; a faulty one is taken away, complained of, and its default used. `instanceId`
 * becomes the resource attribute service.instance.id.
 */
export function telemetryEnvironment (user: Environment, instanceId?: string): TelemetryEnvironment {
  const complaints: Complaint[] = []
  const changes: Record<string, string | null> = {}

  /** The value of a setting under the first of its names that has a usable one. */
  const valueOf = (name: string): string | undefined => {
    for (const source of [name, ...OTHER_NAMES[name] ?? []]) {
      if (!isSet(user, source)) continue
      const value = user[source] as string
      const rule = RULES[name]
      if (rule === undefined || rule.holds(value)) {
        if (source !== name) changes[name] = value
        return value
      }
      if (source === name) changes[name] = null
      complaints.push({ name: source, message: `${source}${/ENDPOINT|URL/.test(source) ? '' : `=${value.slice(0, 100)}`} ${rule.rule}; it is left out of account` })
    }
    return undefined
  }
  const values = Object.fromEntries(Object.keys(RULES).map((name) => [name, valueOf(name)]))

  if (isSet(user, 'OTEL_EXPORTER_JAEGER_ENDPOINT')) {
    complaints.push({ name: 'OTEL_EXPORTER_JAEGER_ENDPOINT', message: 'OTEL_EXPORTER_JAEGER_ENDPOINT is not read any more; Jaeger takes OTLP: set OTEL_EXPORTER_OTLP_ENDPOINT to its port 4317' })
  }
  const environment = values.OTEL_ENVIRONMENT ?? 'development'
  const defaults = { ...defaultsOf(environment, values.OTEL_EXPORTER_TYPE, values.OTEL_ENABLED !== 'false' && user.OTEL_SDK_DISABLED !== 'true'), ...samplingOf(environment, values, changes, complaints) }
  defaults.SIDECAR_HEALTH_URL = hasSidecar(values, defaults) ? 'http://127.0.0.1:13133' : 'off'
  for (const [name, value] of Object.entries(defaults)) {
    if (typeof changes[name] !== 'string' && (changes[name] === null || !isSet(user, name))) changes[name] = value
  }
  changes.OTEL_RESOURCE_ATTRIBUTES = resourceAttributes(user, environment, instanceId)
  return { changes, complaints }
}

function defaultsOf (environment: string, exporter: string | undefined, enabled: boolean): Record<string, string> {
  const silent = environment === 'testing'
  return {
    ...(enabled ? {} : { OTEL_SDK_DISABLED: 'true' }),
    ...(environment === 'production' ? { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1024', OTEL_BSP_MAX_QUEUE_SIZE: '8192' } : {}),
    OTEL_SERVICE_NAME: 'config-service',
    OTEL_TRACES_EXPORTER: silent ? 'none' : exporter === 'console' ? 'console' : 'otlp',
    OTEL_METRICS_EXPORTER: silent ? 'none' : 'prometheus',
    OTEL_LOGS_EXPORTER: silent ? 'none' : 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: exporter === 'http' ? 'http/protobuf' : 'grpc',
    OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
    // A wrong name here is silent: these five are what the service uses.
    OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg,winston,undici,runtime-node',
    // `process` would put the whole command line into every signal.
    OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os',
    // What the SDK itself does: spans exported and dropped, length of its queues.
    OTEL_NODE_EXPERIMENTAL_SDK_METRICS: 'true',
    // A path may have 16 KiB; an attribute need not.
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '4096'
  }
}

type Values = Record<string, string | undefined>

/**
 * Who samples. By default the SDK sends what starts here and the sidecar keeps SAMPLING_PERCENTAGE of it, besides
 * errors, slow traces and changes. With SAMPLING=head, or a sampler that the user has set, the SDK takes its share
 * and the sidecar keeps all it gets: the share is never taken twice.
 */
function samplingOf (environment: string, values: Values, changes: TelemetryEnvironment['changes'], complaints: Complaint[]): Record<string, string> {
  const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg, SAMPLING_PERCENTAGE: percentage } = values
  const share = environment === 'production' ? 0.1 : 1
  const prefix = values.SAMPLING_TRUST_PARENT === 'false' ? '' : 'parentbased_'
  const result: Record<string, string> = { READ_SAMPLING_RATIO: String(share) }
  if (values.SAMPLING === 'head' || sampler?.endsWith('traceidratio') === true) {
    if (percentage !== undefined && Number(percentage) !== 100) {
      complaints.push({ name: 'SAMPLING_PERCENTAGE', message: 'SAMPLING_PERCENTAGE is for the sidecar, and here the SDK samples (SAMPLING=head or OTEL_TRACES_SAMPLER): set OTEL_TRACES_SAMPLER_ARG; it is left out of account' })
      changes.SAMPLING_PERCENTAGE = null
    }
    return { ...result, OTEL_TRACES_SAMPLER: `${prefix}traceidratio`, OTEL_TRACES_SAMPLER_ARG: String(share), SAMPLING_PERCENTAGE: '100' }
  }
  if (sampler !== undefined) return { ...result, SAMPLING_PERCENTAGE: '100' }
  return {
    ...result,
    ...(prefix === '' ? { OTEL_TRACES_SAMPLER: 'always_on' } : {}),
    SAMPLING_PERCENTAGE: String(Number(((arg === undefined ? share : Number(arg)) * 100).toFixed(6)))
  }
}

/** Whether there is a sidecar to ask how it is: OTLP goes out, and to nobody whom the user has named himself. */
function hasSidecar (values: Values, defaults: Record<string, string>): boolean {
  if (defaults.OTEL_SDK_DISABLED === 'true') return false
  const exporters = [values.OTEL_TRACES_EXPORTER ?? defaults.OTEL_TRACES_EXPORTER, values.OTEL_LOGS_EXPORTER ?? defaults.OTEL_LOGS_EXPORTER]
  if (!exporters.some((list) => list?.includes('otlp'))) return false
  return [values.OTEL_EXPORTER_OTLP_ENDPOINT, values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, values.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT].every((endpoint) => endpoint === undefined)
}

function resourceAttributes (user: Environment, environment: string, instanceId: string | undefined): string {
  const given = user.OTEL_RESOURCE_ATTRIBUTES ?? ''
  const has = (name: string): boolean => given.split(',').some((pair) => pair.trim().startsWith(`${name}=`))
  const own = {
    'service.version': isSet(user, 'OTEL_SERVICE_VERSION') ? user.OTEL_SERVICE_VERSION as string : version,
    'deployment.environment.name': environment,
    ...(instanceId === undefined ? {} : { 'service.instance.id': instanceId })
  }
  return [
    ...Object.entries(own).filter(([name]) => !has(name)).map(([name, value]) => `${name}=${encodeURIComponent(value)}`),
    ...(given === '' ? [] : [given])
  ].join(',')
}

function isSet (environment: Environment, name: string): boolean {
  return (environment[name] ?? '') !== ''
}

function oneOf (...allowed: string[]): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => allowed.includes(value), rule: `must be one of ${allowed.join(', ')}` }
}

function listOf (...allowed: string[]): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => value.split(',').every((part) => allowed.includes(part.trim())), rule: `must be made of ${allowed.join(', ')}` }
}

function share (): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => /^\d*\.?\d+$/.test(value) && Number(value) <= 1, rule: 'must be a share from 0 to 1' }
}

function whole (): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => /^[1-9]\d{0,8}$/.test(value), rule: 'must be a whole number above 0' }
}

function address (): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => /^https?:\/\//.test(value) && URL.canParse(value), rule: 'must be an http or https address' }
}
