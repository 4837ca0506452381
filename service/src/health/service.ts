export interface Health {
  status: 'healthy' | 'degraded' | 'unhealthy'
  environment: string
  version: string
  debug: boolean
  tracing: { enabled: boolean, service_name: string, exporter_type: string }
  telemetry: TelemetryStatus
  database: { status: 'up' | 'down' | 'starting' }
}

/** How far telemetry is reduced (1 not at all, 4 switched off), why, and since when. */
export interface TelemetryStatus {
  level: 1 | 2 | 3 | 4
  forced: boolean
  reason: string | null
  since: string
  sidecar: 'up' | 'down' | 'absent'
}

export interface HealthService {
  health (): Promise<Health>
  /** starting until the store has been opened once; a database that goes away later does not change it. */
  readiness (): 'starting' | 'ready' | 'draining'
  opened (): void
  draining (): void
}

// Long enough for a busy server, short enough for whoever asks.
const PING_TIMEOUT_MS = 1000

/** `ping` asks the database for a sign of life; `about` is what does not change while the process runs. */
export function createHealthService ({ ping, telemetry, about }: {
  ping: () => Promise<unknown>
  telemetry: () => TelemetryStatus
  about: Pick<Health, 'environment' | 'version' | 'debug' | 'tracing'>
}): HealthService {
  let state: 'starting' | 'ready' | 'draining' = 'starting'

  async function databaseStatus (): Promise<Health['database']['status']> {
    if (state === 'starting') return 'starting'
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<'down'>((resolve) => { timer = setTimeout(resolve, PING_TIMEOUT_MS, 'down') })
    const answer = ping().then(() => 'up' as const, () => 'down' as const)
    return await Promise.race([answer, timeout]).finally(() => { clearTimeout(timer) })
  }

  return {
    async health () {
      const database = await databaseStatus()
      const reduced = telemetry()
      const status = database !== 'up' ? 'unhealthy' : reduced.level > 1 ? 'degraded' : 'healthy'
      return { status, ...about, telemetry: reduced, database: { status: database } }
    },
    readiness: () => state,
    opened () { if (state === 'starting') state = 'ready' },
    draining () { state = 'draining' }
  }
}
