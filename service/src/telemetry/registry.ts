import { problemTypes } from '../errors.js'

// Everything that the service emits: attributes, spans, metrics and log events. Types, the metrics reference,
// the sidecar's compat names and what tests expect come from here. Names are those of the semantic conventions
// where there is one (https://opentelemetry.io/docs/specs/semconv/).

const errorTypes = [...new Set(Object.values(problemTypes).map(({ errorType }) => errorType))]

/** The kinds of an operation on a resource (`operation.type`). */
export const operationTypes = ['create', 'read', 'update', 'delete', 'list', 'rollback'] as const

/**
 * `values`: the only ones there are. `bounded`: few different ones, so that a metric may carry it; neither:
 * as many as there are resources or requests. `compat`: the older name that the sidecar adds to spans.
 */
export const attributes = {
  'operation.type': { type: 'string', values: operationTypes, compat: 'config.operation_type', what: 'what the operation does' },
  'resource.kind': { type: 'string', values: ['application', 'configuration', 'version'], what: 'what it does it to' },
  'resource.id': { type: 'string', compat: 'document.id', what: 'id of the application or configuration, as far as it is known' },
  'resource.name': { type: 'string', what: 'its name, or application:configuration' },
  'db.type': { type: 'string', values: ['postgresql', 'memory'], what: 'where the answer came from' },
  'db.operation': { type: 'string', values: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], what: 'what the repository does' },
  'db.table': { type: 'string', bounded: true, compat: 'db.collection', what: 'the table it does it to' },
  'db.rows_affected': { type: 'number', what: 'rows returned or written' },
  'query.limit': { type: 'number', what: 'greatest length of the list that was asked for' },
  'query.result_count': { type: 'number', what: 'length of the list that was returned' },
  'config.application_id': { type: 'string', what: 'id of the application that owns it' },
  'config.configuration_id': { type: 'string', what: 'id of the configuration' },
  'config.change': { type: 'boolean', what: 'true where something was changed: such traces are always kept' },
  'config.revision': { type: 'number', what: 'revision of the store that the change has made' },
  'config.version': { type: 'number', what: 'version of the resource that was made or read' },
  'config.extends.count': { type: 'number', what: 'how many configurations it extends' },
  'config.batch.size': { type: 'number', what: 'changes that were committed together with this one, itself included' },
  'cascade.enabled': { type: 'boolean', what: 'whether what depends on it is deleted as well' },
  'error.type': { type: 'string', values: errorTypes, what: 'what kind of error' },
  status: { type: 'string', values: ['success', 'error'], what: 'how it ended' },
  'user.id': { type: 'string', what: 'who asks' },
  'user.role': { type: 'string', values: ['reader', 'editor', 'admin'], what: 'what they may do' },
  'http.route': { type: 'string', bounded: true, what: 'the route with its parameters unfilled' },
  'http.request.method': { type: 'string', bounded: true, compat: 'http.method', what: 'the method' },
  'http.response.status_code': { type: 'number', bounded: true, compat: 'http.status_code', what: 'the status' },
  'url.full': { type: 'string', compat: 'http.url', what: 'the address of a request to somebody else; for requests that come in, the sidecar puts it together' },
  'url.scheme': { type: 'string', bounded: true, what: 'http or https' },
  'user_agent.original': { type: 'string', compat: 'http.user_agent', what: 'what the client calls itself' },
  'db.system.name': { type: 'string', bounded: true, compat: 'db.system', what: 'postgresql' },
  'otel.signal': { type: 'string', values: ['traces', 'metrics', 'logs', 'unknown'], what: 'which kind of telemetry' }
} as const satisfies Record<string, AttributeEntry>

interface AttributeEntry { type: 'string' | 'number' | 'boolean', values?: readonly string[], bounded?: boolean, compat?: string, what: string }

const operation = ['operation.type', 'resource.kind', 'resource.id', 'resource.name', 'db.type', 'config.application_id', 'config.configuration_id', 'config.version', 'error.type', 'user.id', 'user.role'] as const
const list = [...operation, 'query.limit', 'query.result_count'] as const
const change = [...operation, 'config.change', 'config.revision'] as const
const repository = ['db.type', 'db.operation', 'db.table', 'db.rows_affected', 'error.type', 'user.id', 'user.role'] as const
const commit = [...repository, 'config.batch.size'] as const

/** The service's own spans; those of the automatic instrumentations are in `automaticSpans`. */
export const spans = {
  'application.create': { attributes: change, what: 'creates an application' },
  'application.read': { attributes: operation, what: 'reads an application' },
  'application.list': { attributes: list, what: 'lists applications' },
  'application.update': { attributes: change, what: 'replaces or patches an application' },
  'application.rollback': { attributes: change, what: 'brings back an earlier version of an application' },
  'application.delete': { attributes: [...change, 'cascade.enabled'], what: 'deletes an application' },
  'configuration.create': { attributes: change, what: 'creates a configuration' },
  'configuration.read': { attributes: operation, what: 'reads a configuration' },
  'configuration.list': { attributes: list, what: 'lists configurations' },
  'configuration.update': { attributes: change, what: 'replaces or patches a configuration' },
  'configuration.rollback': { attributes: change, what: 'brings back an earlier version of a configuration' },
  'configuration.delete': { attributes: [...change, 'cascade.enabled'], what: 'deletes a configuration' },
  'configuration.validate': { attributes: ['error.type', 'user.id', 'user.role'], what: 'checks the schema of a configuration, and its values against it' },
  'configuration.check_cycles': { attributes: ['config.extends.count', 'error.type', 'user.id', 'user.role'], what: 'makes sure that configurations do not extend one another in a circle' },
  'version.list': { attributes: list, what: 'lists the versions of a resource' },
  'version.read': { attributes: operation, what: 'reads a version of a resource' },
  'version.diff': { attributes: operation, what: 'compares two versions of a resource' },
  'applications.find': { attributes: repository, what: 'looks for an application' },
  'applications.list': { attributes: repository, what: 'looks for applications' },
  'applications.insert': { attributes: commit, what: 'commits a new application' },
  'applications.update': { attributes: commit, what: 'commits a changed application' },
  'applications.delete': { attributes: commit, what: 'commits the end of an application' },
  'configurations.find': { attributes: repository, what: 'looks for a configuration' },
  'configurations.list': { attributes: repository, what: 'looks for configurations' },
  'configurations.parents': { attributes: repository, what: 'looks whether what is to be extended may be' },
  'configurations.ancestors': { attributes: repository, what: 'looks for everything that a configuration would inherit from' },
  'configurations.insert': { attributes: commit, what: 'commits a new configuration' },
  'configurations.update': { attributes: commit, what: 'commits a changed configuration' },
  'configurations.delete': { attributes: commit, what: 'commits the end of a configuration' },
  'versions.identify': { attributes: repository, what: 'looks for the resource whose history is asked for' },
  'versions.list': { attributes: repository, what: 'looks for versions' },
  'versions.find': { attributes: repository, what: 'looks for one version' },
  'tokens.insert': { attributes: repository, what: 'stores a new token' },
  'tokens.revoke': { attributes: repository, what: 'takes a token back' },
  'versions.replay': { attributes: repository, what: 'looks for the answer that an idempotency key has had' }
} as const satisfies Record<string, { attributes: readonly AttributeName[], what: string }>

/** What the automatic instrumentations emit for this service: a pattern of their names, and their attributes. */
export const automaticSpans = [
  {
    name: '{METHOD} {route}',
    pattern: /^[A-Z]+(?: \/\S*)?$/,
    scope: '@opentelemetry/instrumentation-http',
    attributes: ['http.request.method', 'http.request.method_original', 'http.route', 'http.response.status_code', 'http.request.header.', 'url.scheme', 'url.path', 'url.query', 'server.address', 'server.port', 'network.peer.address', 'network.peer.port', 'network.protocol.version', 'network.protocol.name', 'client.address', 'user_agent.original', 'user_agent.synthetic.type', 'error.type', 'user.id', 'user.role'],
    what: 'a request, from its first byte to the last of its answer'
  },
  {
    name: 'pg.query:{statement} {database}',
    pattern: /^pg\.query:\S+ \S+$/,
    scope: '@opentelemetry/instrumentation-pg',
    attributes: ['db.system.name', 'db.namespace', 'server.address', 'server.port', 'db.query.text', 'db.postgresql.plan', 'db.operation.name', 'db.response.status_code', 'error.type'],
    what: 'a statement, from being sent to its last row'
  },
  {
    name: 'pg-pool.connect',
    pattern: /^pg-pool\.connect$/,
    scope: '@opentelemetry/instrumentation-pg',
    attributes: ['db.system.name', 'db.namespace', 'server.address', 'server.port', 'db.postgresql.idle.timeout.millis', 'db.postgresql.max.client', 'error.type'],
    what: 'waits for a connection of the pool; the sidecar keeps those longer than 1 ms'
  },
  {
    name: 'pg.connect',
    pattern: /^pg\.connect$/,
    scope: '@opentelemetry/instrumentation-pg',
    attributes: ['db.system.name', 'db.namespace', 'server.address', 'server.port', 'error.type'],
    what: 'opens a connection to the database; the sidecar keeps those longer than 1 ms'
  }
] as const

const crud = ['operation.type', 'resource.kind', 'db.type', 'status'] as const

/** The service's own metrics. Durations are in seconds. On /metrics dots are underscores, and counters end in `_total`. */
export const metrics = {
  'crud.operation.duration': { kind: 'histogram', unit: 's', attributes: crud, what: 'how long an operation took' },
  'crud.operation.count': { kind: 'counter', unit: '{operation}', attributes: crud, what: 'operations that have ended' },
  'crud.operation.errors': { kind: 'counter', unit: '{operation}', attributes: [...crud, 'error.type'], what: 'operations that were refused or failed' },
  'crud.resources.total': { kind: 'gauge', unit: '{resource}', attributes: ['resource.kind', 'db.type'], what: 'applications and configurations in the store; every replica shows the same, so aggregate with max' },
  'http.server.active_requests': { kind: 'upDownCounter', unit: '{request}', attributes: ['http.request.method', 'url.scheme'], what: 'requests that wait for their answer' },
  errors: { kind: 'counter', unit: '{error}', attributes: ['error.type', 'http.route'], what: 'requests that were answered with a problem' },
  'applications.created': { kind: 'counter', unit: '{application}', attributes: [], what: 'applications that this replica has created' },
  'configurations.created': { kind: 'counter', unit: '{configuration}', attributes: [], what: 'configurations that this replica has created' },
  'commit.batch.size': { kind: 'histogram', unit: '{change}', attributes: [], what: 'changes that were committed together' },
  'config.revision': { kind: 'gauge', unit: '{revision}', attributes: [], what: 'newest revision that this replica knows of; aggregate with max' },
  'telemetry.degradation.level': { kind: 'gauge', unit: '{level}', attributes: [], what: 'how far telemetry is reduced: 1 not at all, 4 switched off' },
  'telemetry.internal.errors': { kind: 'counter', unit: '{error}', attributes: [], what: 'faults of telemetry itself; no request notices them' },
  'otel.export.errors': { kind: 'counter', unit: '{error}', attributes: ['otel.signal'], what: 'batches of telemetry that could not be sent' }
} as const satisfies Record<string, MetricEntry>

interface MetricEntry { kind: 'counter' | 'histogram' | 'gauge' | 'upDownCounter', unit: string, attributes: readonly AttributeName[], what: string }

/** Those of the automatic instrumentations and of the SDK: name, unit, attributes. */
export const automaticMetrics = {
  'http.server.request.duration': { kind: 'histogram', unit: 's', attributes: ['http.request.method', 'http.route', 'http.response.status_code', 'url.scheme', 'network.protocol.version', 'error.type'], what: 'how long a request took' },
  'http.client.request.duration': { kind: 'histogram', unit: 's', attributes: ['http.request.method', 'http.response.status_code', 'server.address', 'server.port', 'url.scheme', 'network.protocol.version', 'error.type'], what: 'how long a request to somebody else took' },
  'db.client.operation.duration': { kind: 'histogram', unit: 's', attributes: ['db.system.name', 'db.namespace', 'db.operation.name', 'server.address', 'server.port', 'error.type'], what: 'how long a statement took' },
  'db.client.connection.count': { kind: 'upDownCounter', unit: '{connection}', attributes: ['db.client.connection.state', 'db.client.connection.pool.name'], what: 'connections of a pool, idle or used' },
  'db.client.connection.max': { kind: 'upDownCounter', unit: '{connection}', attributes: ['db.client.connection.pool.name'], what: 'connections that a pool may have' },
  'db.client.connection.pending_requests': { kind: 'upDownCounter', unit: '{request}', attributes: ['db.client.connection.pool.name'], what: 'who waits for a connection of a pool' },
  'process.cpu.time': { kind: 'counter', unit: 's', attributes: ['cpu.mode'], what: 'CPU time of the process' },
  'process.cpu.utilization': { kind: 'gauge', unit: '1', attributes: ['cpu.mode'], what: 'share of all CPUs since the last collection' },
  'process.memory.usage': { kind: 'upDownCounter', unit: 'By', attributes: [], what: 'resident memory of the process' },
  'nodejs.eventloop.delay.min': { kind: 'gauge', unit: 's', attributes: [], what: 'shortest delay of the event loop' },
  'nodejs.eventloop.delay.max': { kind: 'gauge', unit: 's', attributes: [], what: 'longest' },
  'nodejs.eventloop.delay.mean': { kind: 'gauge', unit: 's', attributes: [], what: 'mean' },
  'nodejs.eventloop.delay.stddev': { kind: 'gauge', unit: 's', attributes: [], what: 'standard deviation' },
  'nodejs.eventloop.delay.p50': { kind: 'gauge', unit: 's', attributes: [], what: 'median' },
  'nodejs.eventloop.delay.p90': { kind: 'gauge', unit: 's', attributes: [], what: '90th percentile' },
  'nodejs.eventloop.delay.p99': { kind: 'gauge', unit: 's', attributes: [], what: '99th percentile' },
  'nodejs.eventloop.time': { kind: 'counter', unit: 's', attributes: ['nodejs.eventloop.state'], what: 'time of the event loop, active or idle' },
  'nodejs.eventloop.utilization': { kind: 'gauge', unit: '1', attributes: [], what: 'share of time that the event loop is active' },
  'v8js.gc.duration': { kind: 'histogram', unit: 's', attributes: ['v8js.gc.type'], what: 'how long garbage collections took' },
  'v8js.memory.heap.used': { kind: 'gauge', unit: 'By', attributes: ['v8js.heap.space.name'], what: 'heap in use' },
  'v8js.memory.heap.space.size': { kind: 'gauge', unit: 'By', attributes: ['v8js.heap.space.name'], what: 'size of a heap space' },
  'v8js.memory.heap.space.available_size': { kind: 'gauge', unit: 'By', attributes: ['v8js.heap.space.name'], what: 'what is left of it' },
  'v8js.memory.heap.space.physical_size': { kind: 'gauge', unit: 'By', attributes: ['v8js.heap.space.name'], what: 'what it takes of the machine' },
  'v8js.resource.active': { kind: 'gauge', unit: '{resource}', attributes: ['v8js.resource.type'], what: 'what keeps the event loop alive' },
  'otel.sdk.span.started': { kind: 'counter', unit: '{span}', attributes: ['otel.span.parent.origin', 'otel.span.sampling_result'], what: 'spans started' },
  'otel.sdk.span.live': { kind: 'upDownCounter', unit: '{span}', attributes: ['otel.span.sampling_result'], what: 'spans that have not ended yet' },
  'otel.sdk.log.created': { kind: 'counter', unit: '{log_record}', attributes: [], what: 'log records made' },
  'otel.sdk.processor.span.processed': { kind: 'counter', unit: '{span}', attributes: ['otel.component.type', 'otel.component.name', 'error.type'], what: 'spans handed to the exporter; with error.type those that were dropped' },
  'otel.sdk.processor.span.queue.size': { kind: 'upDownCounter', unit: '{span}', attributes: ['otel.component.type', 'otel.component.name'], what: 'spans that wait to be sent' },
  'otel.sdk.processor.span.queue.capacity': { kind: 'upDownCounter', unit: '{span}', attributes: ['otel.component.type', 'otel.component.name'], what: 'spans that may wait' },
  'otel.sdk.processor.log.processed': { kind: 'counter', unit: '{log_record}', attributes: ['otel.component.type', 'otel.component.name', 'error.type'], what: 'log records handed to the exporter; with error.type those that were dropped' },
  'otel.sdk.processor.log.queue.size': { kind: 'upDownCounter', unit: '{log_record}', attributes: ['otel.component.type', 'otel.component.name'], what: 'log records that wait to be sent' },
  'otel.sdk.metric_reader.collection.duration': { kind: 'histogram', unit: 's', attributes: ['otel.component.type', 'otel.component.name', 'error.type'], what: 'how long it took to collect metrics that are sent by OTLP' },
  'otel.sdk.processor.log.queue.capacity': { kind: 'upDownCounter', unit: '{log_record}', attributes: ['otel.component.type', 'otel.component.name'], what: 'log records that may wait' }
} as const

const about = ['operation.type', 'resource.kind', 'resource.id', 'resource.name', 'db.type', 'duration_ms', 'status'] as const
const fault = ['error.type', 'error.message', 'error.stack_trace'] as const

/** Log lines by their `event.name`. Every line also has timestamp, level, message and service.name; trace_id, span_id, user.id and user.role within a request. */
export const events = {
  'service.start': { level: 'info', fields: ['environment', 'database'], what: 'the process begins' },
  'service.ready': { level: 'info', fields: ['url'], what: 'requests are served' },
  'service.draining': { level: 'info', fields: [], what: 'no new requests; those under way are finished' },
  'service.stopped': { level: 'info', fields: [], what: 'the process ends' },
  'service.failed': { level: 'error', fields: fault, what: 'the process cannot go on' },
  'database.migrated': { level: 'info', fields: ['migrations'], what: 'the schema of the database was brought up to date' },
  'database.waiting': { level: 'warn', fields: [], what: 'the database is not there yet' },
  'operation.started': { level: 'debug', fields: ['operation.type', 'resource.kind', 'resource.id', 'resource.name', 'db.type'], what: 'an operation begins' },
  'operation.completed': { level: 'info', fields: about, what: 'a write has ended and changed nothing; at debug: a read has ended' },
  'operation.slow': { level: 'warn', fields: about, what: 'an operation took longer than SLOW_OPERATION_MS' },
  'operation.refused': { level: 'info', fields: [...about, 'error.type', 'error.message'], what: 'an operation was refused: the caller has to change something' },
  'operation.failed': { level: 'error', fields: [...about, ...fault], what: 'an operation failed: something here has to be mended' },
  'application.changed': { level: 'info', fields: [...about, 'config.application_id', 'config.revision', 'config.version'], what: 'an application was created, changed or deleted' },
  'configuration.changed': { level: 'info', fields: [...about, 'config.application_id', 'config.revision', 'config.version'], what: 'a configuration was created, changed or deleted; also an event of the span' },
  'query.slow': { level: 'warn', fields: ['db.statement', 'duration_ms'], what: 'a statement took longer than SLOW_QUERY_MS' },
  'request.refused': { level: 'info', fields: ['http.request.method', 'http.route', 'http.response.status_code', 'error.type', 'error.message'], what: 'a request was refused before any operation began' },
  'request.failed': { level: 'error', fields: ['http.request.method', 'http.route', 'http.response.status_code', ...fault], what: 'a request failed outside of any operation' },
  'telemetry.setting': { level: 'warn', fields: [], what: 'a telemetry setting is faulty and left out of account' },
  'telemetry.degraded': { level: 'warn', fields: ['telemetry.level', 'reason'], what: 'telemetry is reduced' },
  'telemetry.recovered': { level: 'info', fields: ['telemetry.level', 'reason'], what: 'telemetry goes back a level' },
  'telemetry.export_failed': { level: 'warn', fields: ['failures'], what: 'telemetry could not be sent; at most a line a minute' }
} as const satisfies Record<string, { level: 'error' | 'warn' | 'info' | 'debug', fields: readonly string[], what: string }>

export type AttributeName = keyof typeof attributes
export type SpanName = keyof typeof spans
export type MetricName = keyof typeof metrics
export type EventName = keyof typeof events

type ValueOf<N extends AttributeName> =
  (typeof attributes)[N] extends { values: readonly (infer V)[] } ? V
    : (typeof attributes)[N] extends { type: 'number' } ? number
        : (typeof attributes)[N] extends { type: 'boolean' } ? boolean
            : string

/** Attributes by their names; what is undefined is left out. */
export type AttributesNamed<N extends AttributeName> = { [K in N]?: ValueOf<K> | undefined }
export type SpanAttributes<S extends SpanName> = AttributesNamed<(typeof spans)[S]['attributes'][number]>
export type MetricAttributes<M extends MetricName> = AttributesNamed<(typeof metrics)[M]['attributes'][number]>
