import { sumOf } from '../parts/exposition.js'

/** What a service and its sidecar have counted since they were started. */
export interface SpanCounts {
  /** Spans that were started and are to be sent. */
  recorded: number
  /** Those of them that the SDK has thrown away, its queue being full or the sidecar away. */
  dropped: number
  /** Spans that the sidecar would not take; the SDK may send them again. */
  refused: number
  /** Traces that the sidecar had to forget before it could decide on them. */
  forgotten: number
}

export const NO_SPANS: SpanCounts = { recorded: 0, dropped: 0, refused: 0, forgotten: 0 }

/** How far the service has reduced its telemetry by itself: 1 not at all; 0 when its metrics do not say. */
export function levelOf (service: string): number {
  return sumOf(service, 'telemetry_degradation_level')
}

/** @param service page of the service's metrics @param collector that of the sidecar's own */
export function spanCounts (service: string, collector: string): SpanCounts {
  return {
    recorded: sumOf(service, 'otel_sdk_span_started', /otel_span_sampling_result="RECORD_AND_SAMPLE"/),
    // Those that went well are counted by the same metric, without a type of error.
    dropped: sumOf(service, 'otel_sdk_processor_span_processed', /error_type="[^"]/),
    refused: sumOf(collector, 'otelcol_receiver_refused_spans'),
    forgotten: sumOf(collector, 'otelcol_processor_tail_sampling_sampling_trace_dropped_too_early')
  }
}

export function difference (before: SpanCounts, after: SpanCounts): SpanCounts {
  return {
    recorded: after.recorded - before.recorded,
    dropped: after.dropped - before.dropped,
    refused: after.refused - before.refused,
    forgotten: after.forgotten - before.forgotten
  }
}
