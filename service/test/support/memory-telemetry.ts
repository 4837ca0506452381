import { context, metrics as api, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'

export interface MetricPoint { name: string, attributes: Record<string, unknown>, value: number }

export interface MemoryTelemetry {
  /** Spans that have ended since the last call. */
  takeSpans (): ReadableSpan[]
  /** Spans that have been started and not ended. */
  openSpans (): number
  /** The present value of every series; of a histogram its count. */
  collect (): Promise<MetricPoint[]>
}

/** An SDK in this process that keeps everything in memory. To be called once, before anything is traced. */
export function memoryTelemetry (): MemoryTelemetry {
  const spans = new InMemorySpanExporter()
  let open = 0
  const counter: SpanProcessor = {
    onStart () { open += 1 },
    onEnd () { open -= 1 },
    async forceFlush () {},
    async shutdown () {}
  }
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [counter, new SimpleSpanProcessor({ exporter: spans })] }))
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
  api.setGlobalMeterProvider(provider)
  return {
    takeSpans () {
      const taken = [...spans.getFinishedSpans()]
      spans.reset()
      return taken
    },
    openSpans: () => open,
    async collect () {
      exporter.reset()
      await provider.forceFlush()
      return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => ({ name: descriptor.name, attributes, value: typeof value === 'number' ? value : value.count })))))
    }
  }
}
