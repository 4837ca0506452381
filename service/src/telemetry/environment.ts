import { version } from '../package.js'

/**
 * What the OpenTelemetry SDK is to read beside what the user has set: defaults for the environment
 * (OTEL_ENVIRONMENT) and the translation of OTEL_SERVICE_VERSION and OTEL_ENVIRONMENT into resource
 * attributes. A variable that the user set always wins.
 * @returns the variables to add
 */
export function telemetryEnvironment (user: Readonly<NodeJS.ProcessEnv>): Record<string, string> {
  const isSet = (name: string): boolean => (user[name] ?? '') !== ''
  const environment = isSet('OTEL_ENVIRONMENT') ? user.OTEL_ENVIRONMENT as string : 'development'
  const silent = environment === 'testing'
  const defaults: Record<string, string> = {
    OTEL_SERVICE_NAME: 'config-service',
    OTEL_TRACES_EXPORTER: silent ? 'none' : 'otlp',
    OTEL_METRICS_EXPORTER: silent ? 'none' : 'prometheus',
    OTEL_LOGS_EXPORTER: silent ? 'none' : 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
    // A wrong name here is silent: these five are what the service uses.
    OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg,winston,undici,runtime-node',
    // `process` would put the whole command line into every signal.
    OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os,serviceinstance'
  }
  const added = Object.fromEntries(Object.entries(defaults).filter(([name]) => !isSet(name)))
  added.OTEL_RESOURCE_ATTRIBUTES = resourceAttributes(user, environment)
  return added
}

function resourceAttributes (user: Readonly<NodeJS.ProcessEnv>, environment: string): string {
  const given = user.OTEL_RESOURCE_ATTRIBUTES ?? ''
  const has = (name: string): boolean => given.split(',').some((pair) => pair.trim().startsWith(`${name}=`))
  const own = {
    'service.version': user.OTEL_SERVICE_VERSION || version,
    'deployment.environment.name': environment
  }
  return [
    ...Object.entries(own).filter(([name]) => !has(name)).map(([name, value]) => `${name}=${encodeURIComponent(value)}`),
    ...(given === '' ? [] : [given])
  ].join(',')
}
