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
  OTEL_EXPORTER_PROMETHEUS_PORT: { holds: (value) => /^\d+$/.test(value) && Number(value) <= 65535, rule: 'must be a port' },
  OTEL_TRACES_SAMPLER_ARG: { holds: (value) => /^\d*\.?\d+$/.test(value) && Number(value) <= 1, rule: 'must be a share from 0 to 1' }
}

/**
 * What the OpenTelemetry SDK is to read beside what the user has set: other names of settings, the defaults
 * of the environment, and OTEL_SERVICE_VERSION as resource attribute. A variable that the user has set to
 * something usable always wins; a faulty one is taken away, complained of, and its default used.
 */
export function telemetryEnvironment (user: Environment): TelemetryEnvironment {
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
      complaints.push({ name: source, message: `${source} ${rule.rule}; it is left out of account` })
    }
    return undefined
  }
  const values = Object.fromEntries(Object.keys(RULES).map((name) => [name, valueOf(name)]))

  if (isSet(user, 'OTEL_EXPORTER_JAEGER_ENDPOINT')) {
    complaints.push({ name: 'OTEL_EXPORTER_JAEGER_ENDPOINT', message: 'OTEL_EXPORTER_JAEGER_ENDPOINT is not read any more; Jaeger takes OTLP: set OTEL_EXPORTER_OTLP_ENDPOINT to its port 4317' })
  }
  const environment = values.OTEL_ENVIRONMENT ?? 'development'
  const defaults = defaultsOf(environment, values.OTEL_EXPORTER_TYPE)
  if (values.OTEL_ENABLED === 'false') defaults.OTEL_SDK_DISABLED = 'true'
  for (const [name, value] of Object.entries(defaults)) {
    if (typeof changes[name] !== 'string' && (changes[name] === null || !isSet(user, name))) changes[name] = value
  }
  changes.OTEL_RESOURCE_ATTRIBUTES = resourceAttributes(user, environment)
  return { changes, complaints }
}

function defaultsOf (environment: string, exporter: string | undefined): Record<string, string> {
  const silent = environment === 'testing'
  return {
    OTEL_SERVICE_NAME: 'config-service',
    OTEL_TRACES_EXPORTER: silent ? 'none' : exporter === 'console' ? 'console' : 'otlp',
    OTEL_METRICS_EXPORTER: silent ? 'none' : 'prometheus',
    OTEL_LOGS_EXPORTER: silent ? 'none' : 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: exporter === 'http' ? 'http/protobuf' : 'grpc',
    OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
    // A wrong name here is silent: these five are what the service uses.
    OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg,winston,undici,runtime-node',
    // `process` would put the whole command line into every signal.
    OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os,serviceinstance'
  }
}

function resourceAttributes (user: Environment, environment: string): string {
  const given = user.OTEL_RESOURCE_ATTRIBUTES ?? ''
  const has = (name: string): boolean => given.split(',').some((pair) => pair.trim().startsWith(`${name}=`))
  const own = {
    'service.version': isSet(user, 'OTEL_SERVICE_VERSION') ? user.OTEL_SERVICE_VERSION as string : version,
    'deployment.environment.name': environment
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

function whole (): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => /^[1-9]\d{0,8}$/.test(value), rule: 'must be a whole number above 0' }
}

function address (): { holds: (value: string) => boolean, rule: string } {
  return { holds: (value) => /^https?:\/\//.test(value) && URL.canParse(value), rule: 'must be an http or https address' }
}
