import type { Collector } from '../parts/collector.js'

/** What can befall the sidecar. */
export const TROUBLES = ['none', 'stopped', 'killed', 'hung', 'destination'] as const
export type Trouble = typeof TROUBLES[number]

export interface Sidecars {
  /** Beside the service. */
  sidecar: Collector
  /** What it sends to. */
  destination: Collector
}

interface Course {
  about: string
  begin (parts: Sidecars): Promise<void> | void
  end (parts: Sidecars): Promise<void> | void
}

export const COURSES: Record<Trouble, Course> = {
  none: { about: 'nothing happens: what else the machine does', begin () {}, end () {} },
  stopped: {
    about: 'the sidecar is stopped (SIGTERM), and started again',
    async begin ({ sidecar }) { await sidecar.stop() },
    async end ({ sidecar }) { await sidecar.start() }
  },
  killed: {
    about: 'the sidecar is killed (SIGKILL), and started again',
    async begin ({ sidecar }) { await sidecar.kill() },
    async end ({ sidecar }) { await sidecar.start() }
  },
  hung: {
    about: 'the sidecar hangs (SIGSTOP): it takes connections and says nothing; then it goes on',
    begin ({ sidecar }) { sidecar.hang() },
    end ({ sidecar }) { sidecar.wake() }
  },
  destination: {
    about: 'the sidecar is well, and what it sends to is killed, and started again',
    async begin ({ destination }) { await destination.kill() },
    async end ({ destination }) { await destination.start() }
  }
}
