/** How much telemetry there is. */
export const MODES = ['bare', 'off', 'production', 'head', 'staging'] as const
export type Mode = typeof MODES[number]

export interface ModeSettings {
  about: string
  /** Whether the automatic instrumentation is loaded. */
  automatic: boolean
  /** For the service. */
  environment: Record<string, string>
  /** For its sidecar; without there is none. */
  sidecar?: Record<string, string>
}

export const SETTINGS: Record<Mode, ModeSettings> = {
  bare: {
    about: 'off, and not even started with the automatic instrumentation',
    automatic: false,
    environment: { OTEL_ENVIRONMENT: 'production', OTEL_SDK_DISABLED: 'true' }
  },
  off: {
    about: 'OTEL_SDK_DISABLED=true, no sidecar; log lines go to a file as in all others',
    automatic: true,
    environment: { OTEL_ENVIRONMENT: 'production', OTEL_SDK_DISABLED: 'true' }
  },
  production: {
    about: 'every request traced; the sidecar keeps 10 %, and every change',
    automatic: true,
    environment: { OTEL_ENVIRONMENT: 'production' },
    sidecar: { OTEL_ENVIRONMENT: 'production', SAMPLING_PERCENTAGE: '10' }
  },
  head: {
    about: 'production with SAMPLING=head: the service itself traces 10 %, and the sidecar keeps all of it',
    automatic: true,
    environment: { OTEL_ENVIRONMENT: 'production', SAMPLING: 'head' },
    sidecar: { OTEL_ENVIRONMENT: 'production', SAMPLING_PERCENTAGE: '100' }
  },
  staging: {
    about: 'every request traced, every trace kept',
    automatic: true,
    environment: { OTEL_ENVIRONMENT: 'staging' },
    sidecar: { OTEL_ENVIRONMENT: 'staging', SAMPLING_PERCENTAGE: '100' }
  }
}

export const WORKLOADS = ['reads', 'writes'] as const
export type Workload = typeof WORKLOADS[number]

/** Share of the requests that write. */
export const WRITE_SHARE: Record<Workload, number> = { reads: 0, writes: 1 }
