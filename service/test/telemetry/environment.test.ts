import fc from 'fast-check'
import t from 'tap'
import { telemetryEnvironment } from '../../src/telemetry/environment.js'
import { version } from '../../src/package.js'

t.test('a variable that the user has set is never touched', async (t) => {
  const names = ['OTEL_SERVICE_NAME', 'OTEL_TRACES_EXPORTER', 'OTEL_METRICS_EXPORTER', 'OTEL_LOGS_EXPORTER', 'OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_PROMETHEUS_HOST', 'OTEL_NODE_ENABLED_INSTRUMENTATIONS', 'OTEL_NODE_RESOURCE_DETECTORS']
  fc.assert(fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ minLength: 1 })), fc.constantFrom('development', 'testing', 'staging', 'production', undefined), (user, environment) => {
    const added = telemetryEnvironment({ ...user, ...(environment === undefined ? {} : { OTEL_ENVIRONMENT: environment }) })
    for (const name of names) t.equal(name in added, !(name in user), name)
  }), { numRuns: 50 })
})

t.test('development, staging and production export by OTLP over gRPC and Prometheus; testing is silent', async (t) => {
  for (const environment of ['development', 'staging', 'production']) {
    t.match(telemetryEnvironment({ OTEL_ENVIRONMENT: environment }), { OTEL_SERVICE_NAME: 'config-service', OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_METRICS_EXPORTER: 'prometheus' })
  }
  t.match(telemetryEnvironment({ OTEL_ENVIRONMENT: 'testing' }), { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' })
})

t.test('version and environment become resource attributes beside those of the user', async (t) => {
  t.equal(telemetryEnvironment({}).OTEL_RESOURCE_ATTRIBUTES, `service.version=${version},deployment.environment.name=development`)
  t.equal(telemetryEnvironment({ OTEL_SERVICE_VERSION: '2.0', OTEL_ENVIRONMENT: 'staging', OTEL_RESOURCE_ATTRIBUTES: 'team=a,deployment.environment.name=x' }).OTEL_RESOURCE_ATTRIBUTES,
    'service.version=2.0,team=a,deployment.environment.name=x')
})
