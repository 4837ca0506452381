import { metrics as api, type Attributes, type Meter } from '@opentelemetry/api'
import { noteInternalError } from './internal-errors.js'
import { metrics, type MetricAttributes, type MetricName } from './registry.js'

type Of<K> = { [N in MetricName]: (typeof metrics)[N]['kind'] extends K ? N : never }[MetricName]
type Observe<M extends MetricName> = (value: number, attributes?: MetricAttributes<M>) => void

/** One way to each kind of metric; names, units and attributes are those of the registry. Nothing of it throws. */
export interface Instruments {
  /** Adds to a counter. */
  add<M extends Of<'counter'>> (name: M, value: number, attributes: MetricAttributes<M>): void
  /** Records a value in a histogram. */
  record<M extends Of<'histogram'>> (name: M, value: number, attributes: MetricAttributes<M>): void
  /** Asks for the present value whenever metrics are collected. */
  observe<M extends Of<'gauge' | 'counter' | 'upDownCounter'>> (name: M, ask: (observe: Observe<M>) => void | Promise<void>): void
  /** False: nothing is recorded any more. */
  recording: boolean
}

// Seconds: those of the semantic conventions for HTTP, and finer ones for what is answered from memory.
const DURATIONS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const SIZES = [1, 2, 4, 8, 16, 32, 64]

export function createInstruments (): Instruments {
  const meter = api.getMeter('config-service')
  const made = new Map<MetricName, (value: number, attributes?: Attributes) => void>()
  const instruments: Instruments = {
    recording: true,
    add (name, value, attributes) { put(name, value, attributes) },
    record (name, value, attributes) { put(name, value, attributes) },
    observe (name, ask) {
      const { kind, unit, what: description } = metrics[name]
      const options = { unit, description }
      const instrument = kind === 'counter'
        ? meter.createObservableCounter(name, options)
        : kind === 'gauge' ? meter.createObservableGauge(name, options) : meter.createObservableUpDownCounter(name, options)
      instrument.addCallback(async (result) => {
        try {
          await ask((value, attributes) => { result.observe(value, attributes as Attributes) })
        } catch {
          noteInternalError()
        }
      })
    }
  }

  function put (name: MetricName, value: number, attributes: object): void {
    if (!instruments.recording) return
    try {
      let write = made.get(name)
      if (write === undefined) {
        write = create(meter, name)
        made.set(name, write)
      }
      write(value, attributes as Attributes)
    } catch {
      noteInternalError()
    }
  }

  return instruments
}

function create (meter: Meter, name: MetricName): (value: number, attributes?: Attributes) => void {
  const { kind, unit, what: description } = metrics[name]
  if (kind === 'histogram') {
    const instrument = meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: unit === 's' ? DURATIONS : SIZES } })
    return (value, attributes) => { instrument.record(value, attributes) }
  }
  const instrument = meter.createCounter(name, { unit, description })
  return (value, attributes) => { instrument.add(value, attributes) }
}
