import fc from 'fast-check'
import t from 'tap'
import { version } from '../../src/package.js'
import { telemetryEnvironment } from '../../src/telemetry/environment.js'

/** The environment as the SDK reads it in the end. */
function resulting (user: Record<string, string>): Record<string, string> {
  const result = { ...user }
  for (const [name, value] of Object.entries(telemetryEnvironment(user).changes)) {
    if (value === null) delete result[name]
    else result[name] = value
  }
  return result
}

const usable: Record<string, fc.Arbitrary<string>> = {
  OTEL_SERVICE_NAME: fc.constantFrom('a', 'b c'),
  OTEL_TRACES_EXPORTER: fc.constantFrom('otlp', 'console', 'none', 'otlp,console'),
  OTEL_METRICS_EXPORTER: fc.constantFrom('prometheus', 'none', 'prometheus,otlp'),
  OTEL_LOGS_EXPORTER: fc.constantFrom('otlp', 'none'),
  OTEL_EXPORTER_OTLP_PROTOCOL: fc.constantFrom('grpc', 'http/protobuf'),
  OTEL_EXPORTER_OTLP_ENDPOINT: fc.webUrl(),
  OTEL_EXPORTER_PROMETHEUS_HOST: fc.constant('0.0.0.0'),
  OTEL_NODE_ENABLED_INSTRUMENTATIONS: fc.constant('http'),
  OTEL_NODE_RESOURCE_DETECTORS: fc.constant('none'),
  OTEL_METRIC_EXPORT_INTERVAL: fc.integer({ min: 1, max: 100_000 }).map(String),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: fc.integer({ min: 1, max: 4096 }).map(String),
  OTEL_TRACES_SAMPLER_ARG: fc.constantFrom('0', '1', '0.25', '.5'),
  OTEL_TRACES_SAMPLER: fc.constantFrom('always_on', 'parentbased_always_off', 'traceidratio'),
  SAMPLING: fc.constantFrom('sidecar', 'head'),
  SAMPLING_TRUST_PARENT: fc.constantFrom('true', 'false'),
  READ_SAMPLING_RATIO: fc.constantFrom('0', '0.5'),
  SLOW_TRACE_MS: fc.constantFrom('1', '1000'),
  TELEMETRY_LEVEL: fc.constantFrom('auto', '3'),
  SIDECAR_HEALTH_URL: fc.constantFrom('off', 'http://127.0.0.1:1')
}
const faulty: Record<string, string[]> = {
  OTEL_TRACES_EXPORTER: ['jaeger', 'otlp;console'],
  OTEL_METRICS_EXPORTER: ['prom'],
  OTEL_EXPORTER_OTLP_PROTOCOL: ['http'],
  OTEL_EXPORTER_OTLP_ENDPOINT: ['localhost:4317', 'http://'],
  OTEL_METRIC_EXPORT_INTERVAL: ['0', '-1', '1s', '1e3'],
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: ['many'],
  OTEL_TRACES_SAMPLER_ARG: ['2', '10%', '-0.1'],
  OTEL_EXPORTER_PROMETHEUS_PORT: ['65536', 'x'],
  OTEL_ENABLED: ['no'],
  OTEL_TRACES_SAMPLER: ['jaeger_remote'],
  SAMPLING: ['tail'],
  SAMPLING_PERCENTAGE: ['101', '-1', '10%'],
  READ_SAMPLING_RATIO: ['1.1'],
  SLOW_TRACE_MS: ['0', '1s'],
  TELEMETRY_LEVEL: ['0', '5', 'on'],
  SIDECAR_HEALTH_URL: ['127.0.0.1:13133', 'no']
}

t.test('a variable that the user has set to something usable is never touched', async (t) => {
  fc.assert(fc.property(fc.record(usable, { requiredKeys: [] }), fc.constantFrom('development', 'testing', 'staging', 'production', undefined), (user, environment) => {
    const set = Object.fromEntries(Object.entries(user).filter(([, value]) => value !== undefined)) as Record<string, string>
    const result = resulting({ ...set, ...(environment === undefined ? {} : { OTEL_ENVIRONMENT: environment }) })
    for (const [name, value] of Object.entries(set)) t.equal(result[name], value, name)
  }), { numRuns: 100 })
})

t.test('a faulty setting is complained of by its name and replaced by its default; the others take effect', async (t) => {
  for (const [name, values] of Object.entries(faulty)) {
    for (const value of values) {
      const { complaints } = telemetryEnvironment({ [name]: value, OTEL_SERVICE_NAME: 'mine' })
      t.same(complaints.map((complaint) => complaint.name), [name], `${name}=${value}`)
      const result = resulting({ [name]: value, OTEL_SERVICE_NAME: 'mine' })
      t.equal(result[name], resulting({})[name], `${name}=${value} becomes the default`)
      t.equal(result.OTEL_SERVICE_NAME, 'mine')
    }
  }
})

t.test('the result is usable and asks for nothing more when it is translated again', async (t) => {
  const anything = fc.dictionary(fc.constantFrom(...Object.keys(usable), ...Object.keys(faulty), 'OTEL_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLE_RATE', 'OTEL_OTLP_INSECURE', 'OTEL_EXPORTER_TYPE', 'OTEL_DEPLOYMENT_ENVIRONMENT', 'OTEL_ENVIRONMENT'),
    fc.oneof(fc.string(), fc.constantFrom('true', 'http', 'console', '0.5', '5', 'staging', 'http://x:1')))
  fc.assert(fc.property(anything, (user) => {
    const once = resulting(user)
    const again = telemetryEnvironment(once)
    const own = new Set(Object.keys(usable).concat(Object.keys(faulty)))
    t.same(again.complaints.filter(({ name }) => own.has(name)), [])
    for (const name of own) t.equal(resulting(once)[name], once[name], name)
  }), { numRuns: 200 })
})

t.test('settings are also read under the names of the documents', async (t) => {
  const result = resulting({
    OTEL_OTLP_ENDPOINT: 'http://c:4317',
    OTEL_OTLP_TRACES_ENDPOINT: 'http://t:4317',
    OTEL_OTLP_METRICS_ENDPOINT: 'http://m:4317',
    OTEL_OTLP_LOGS_ENDPOINT: 'http://l:4317',
    OTEL_OTLP_INSECURE: 'true',
    OTEL_METRICS_EXPORT_INTERVAL_MS: '5000',
    OTEL_TRACES_EXPORT_BATCH_SIZE: '100',
    OTEL_LOGS_EXPORT_BATCH_SIZE: '200',
    OTEL_TRACES_SAMPLE_RATE: '0.2',
    OTEL_DEPLOYMENT_ENVIRONMENT: 'staging'
  })
  t.match(result, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t:4317',
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://m:4317',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://l:4317',
    OTEL_EXPORTER_OTLP_INSECURE: 'true',
    OTEL_METRIC_EXPORT_INTERVAL: '5000',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '100',
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '200',
    OTEL_TRACES_SAMPLER_ARG: '0.2',
    OTEL_ENVIRONMENT: 'staging'
  })
  t.equal(resulting({ OTEL_OTLP_ENDPOINT: 'http://a:1', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://b:1' }).OTEL_EXPORTER_OTLP_ENDPOINT, 'http://b:1', 'the name of OpenTelemetry comes first')
  t.equal(resulting({ OTEL_ENABLED: 'false' }).OTEL_SDK_DISABLED, 'true')
  t.match(telemetryEnvironment({ OTEL_EXPORTER_JAEGER_ENDPOINT: 'http://j:14268' }).complaints, [{ name: 'OTEL_EXPORTER_JAEGER_ENDPOINT', message: /OTEL_EXPORTER_OTLP_ENDPOINT/ }])
})

t.test('development, staging and production export by OTLP over gRPC and Prometheus; testing is silent', async (t) => {
  for (const environment of ['development', 'staging', 'production']) {
    t.match(resulting({ OTEL_ENVIRONMENT: environment }), { OTEL_SERVICE_NAME: 'config-service', OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_METRICS_EXPORTER: 'prometheus' })
  }
  t.match(resulting({ OTEL_ENVIRONMENT: 'testing' }), { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' })
  t.match(resulting({ OTEL_EXPORTER_TYPE: 'console' }), { OTEL_TRACES_EXPORTER: 'console' })
  t.match(resulting({ OTEL_EXPORTER_TYPE: 'http' }), { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' })
})

t.test('version and environment become resource attributes beside those of the user', async (t) => {
  t.equal(resulting({}).OTEL_RESOURCE_ATTRIBUTES, `service.version=${version},deployment.environment.name=development`)
  t.equal(resulting({ OTEL_SERVICE_VERSION: '2.0', OTEL_ENVIRONMENT: 'staging', OTEL_RESOURCE_ATTRIBUTES: 'team=a,deployment.environment.name=x' }).OTEL_RESOURCE_ATTRIBUTES,
    'service.version=2.0,team=a,deployment.environment.name=x')
})

t.test('the share is taken once: by the sidecar, or by the SDK and then by nobody else', async (t) => {
  const anything = fc.record({
    OTEL_ENVIRONMENT: fc.constantFrom('development', 'staging', 'production'),
    SAMPLING: fc.constantFrom('sidecar', 'head'),
    SAMPLING_TRUST_PARENT: fc.constantFrom('true', 'false'),
    OTEL_TRACES_SAMPLER: fc.constantFrom('always_on', 'parentbased_always_on', 'traceidratio', 'parentbased_traceidratio'),
    OTEL_TRACES_SAMPLER_ARG: fc.constantFrom('0', '0.25', '1'),
    SAMPLING_PERCENTAGE: fc.constantFrom('0', '33.3', '100')
  }, { requiredKeys: [] })
  fc.assert(fc.property(anything, (user) => {
    const result = resulting(user as Record<string, string>)
    const bySdk = result.OTEL_TRACES_SAMPLER?.endsWith('traceidratio') === true ? Number(result.OTEL_TRACES_SAMPLER_ARG) : 1
    const bySidecar = Number(result.SAMPLING_PERCENTAGE) / 100
    t.ok(bySdk >= 0 && bySdk <= 1 && bySidecar >= 0 && bySidecar <= 1)
    if (bySdk < 1) t.equal(bySidecar, 1, 'never the share of a share')
    const head = user.SAMPLING === 'head' || user.OTEL_TRACES_SAMPLER?.endsWith('traceidratio') === true
    t.equal(result.OTEL_TRACES_SAMPLER?.endsWith('traceidratio') === true, head && !(user.OTEL_TRACES_SAMPLER?.endsWith('always_on') === true), JSON.stringify(user))
    if (!head && user.OTEL_TRACES_SAMPLER === undefined && user.SAMPLING_PERCENTAGE === undefined) {
      t.equal(bySidecar, Number(user.OTEL_TRACES_SAMPLER_ARG ?? (user.OTEL_ENVIRONMENT === 'production' ? 0.1 : 1)), JSON.stringify(user))
    }
  }))
  t.match(resulting({ OTEL_ENVIRONMENT: 'production' }), { SAMPLING_PERCENTAGE: '10', READ_SAMPLING_RATIO: '0.1', OTEL_TRACES_SAMPLER: undefined })
  t.match(resulting({ OTEL_ENVIRONMENT: 'production', SAMPLING: 'head' }), { SAMPLING_PERCENTAGE: '100', OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' })
  t.match(resulting({ SAMPLING_TRUST_PARENT: 'false' }), { OTEL_TRACES_SAMPLER: 'always_on', SAMPLING_PERCENTAGE: '100' })
  t.match(telemetryEnvironment({ SAMPLING: 'head', SAMPLING_PERCENTAGE: '10' }).complaints, [{ name: 'SAMPLING_PERCENTAGE', message: /OTEL_TRACES_SAMPLER_ARG/ }])
})

t.test('the sidecar is asked where there may be one: nobody has said where OTLP goes', async (t) => {
  t.equal(resulting({}).SIDECAR_HEALTH_URL, 'http://127.0.0.1:13133')
  t.equal(resulting({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:14317', SIDECAR_HEALTH_URL: 'http://127.0.0.1:1' }).SIDECAR_HEALTH_URL, 'http://127.0.0.1:1')
  const without: Array<Record<string, string>> = [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4317' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317' }, { OTEL_ENABLED: 'false' }, { OTEL_SDK_DISABLED: 'true' }, { OTEL_ENVIRONMENT: 'testing' }, { OTEL_TRACES_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' }]
  for (const user of without) t.equal(resulting(user).SIDECAR_HEALTH_URL, 'off', JSON.stringify(user))
})
