import { join } from 'node:path'
import { startService, type ServiceOptions, type ServiceProcess } from '../parts/service.js'
import { WAY_VARIABLE, type Way } from './ways.js'

/** A service that writes in one of the ways. */
export interface WritingService extends ServiceProcess {
  way: Way
  /** How many changes went through how many transactions so far. */
  stats (): Promise<{ changes: number, batches: number }>
}

export async function startWritingService ({ way, environment, ...options }: Omit<ServiceOptions, 'name' | 'main'> & { way: Way }): Promise<WritingService> {
  const service = await startService({ ...options, name: way, main: join(__dirname, 'service.js'), environment: { ...environment, [WAY_VARIABLE]: way } })
  return { ...service, way, stats: async () => await service.ask('stats') }
}
