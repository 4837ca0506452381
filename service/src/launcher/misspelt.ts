/** The words that names of OpenTelemetry's settings are made of: more stable than a list of the names. */
const words = new Set(`
  OTEL OTLP SDK DISABLED ENABLED ENVIRONMENT DEPLOYMENT SERVICE NAME VERSION RESOURCE ATTRIBUTES ATTRIBUTE DETECTORS LOG LOGS LOGRECORD
  LEVEL PROPAGATORS TRACES TRACE TRACER METRICS METRIC METER SPAN EVENT LINK SAMPLER SAMPLE RATE ARG BSP BLRP SCHEDULE DELAY EXPORT
  EXPORTER EXPORTERS TYPE TIMEOUT INTERVAL MAX QUEUE SIZE BATCH COUNT LENGTH LIMIT VALUE PROVIDER EXEMPLAR FILTER ENDPOINT HEADERS
  COMPRESSION PROTOCOL CERTIFICATE CLIENT KEY INSECURE TEMPORALITY PREFERENCE DEFAULT HISTOGRAM AGGREGATION PROMETHEUS HOST PORT PREFIX
  JAEGER AGENT USER PASSWORD ZIPKIN NODE INSTRUMENTATION INSTRUMENTATIONS EXPERIMENTAL SEMCONV STABILITY CONFIG FILE HTTP SERVER CAPTURE
  REQUEST RESPONSE KNOWN METHODS MESSAGE CONTENT
`.trim().split(/\s+/))

/** @returns what is likely meant by a name that nothing reads, one slip away from one of the known */
export function meantBy (name: string, known: Iterable<string>): string | undefined {
  if (!name.startsWith('OTEL_')) return [...known].find((other) => isOneSlip(name, other))
  const mended = name.split('_').map((word) => {
    // A short word is one slip away from too many.
    if (words.has(word) || word.length < 4) return word
    return [...words].find((other) => other.length >= 4 && isOneSlip(word, other)) ?? word
  }).join('_')
  return mended === name ? undefined : mended
}

/** A letter too many, too few or another, or two that have changed places. */
function isOneSlip (a: string, b: string): boolean {
  if (a.length > b.length) return isOneSlip(b, a)
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const [rest, other] = [a.slice(at), b.slice(at)]
  if (a.length < b.length) return rest === other.slice(1)
  return rest.slice(1) === other.slice(1) || (rest[0] === other[1] && rest[1] === other[0] && rest.slice(2) === other.slice(2))
}
