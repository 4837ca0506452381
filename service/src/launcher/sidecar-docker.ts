import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Environment } from './settings.js'
import type { SidecarSettings } from './sidecar-settings.js'

export const image = 'otel/opentelemetry-collector-contrib:0.155.0'

/** One name a data folder, so that a start finds what an earlier one has left. */
export function containerName (dataDir: string): string {
  return `config-service-collector-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`
}

/**
 * The sidecar in a container, in the foreground: it ends with the command. Settings are handed over
 * by name, so that no secret shows in the list of processes.
 */
export function dockerRun (
  { configs, host, storageDir, fileDir, names }: SidecarSettings, ports: Record<string, number>,
  { name, environment, user }: { name: string, environment: Environment, user: { uid: number, gid: number } | undefined }
): string[] {
  const folder = dirname(configs[0] as string)
  const inside = { COLLECTOR_HOST: '0.0.0.0', COLLECTOR_STORAGE_DIR: '/queue', COLLECTOR_FILE_DIR: '/telemetry' }
  const passedOn = names.filter((variable) => !(variable in inside) && environment[variable] !== undefined)
  return [
    'run', '--rm', '--name', name,
    // Files outside belong to the user who has started this.
    ...user === undefined ? [] : ['--user', `${user.uid}:${user.gid}`],
    '--add-host', 'host.docker.internal:host-gateway',
    '-v', `${folder}:/collector:ro`, '-v', `${storageDir}:/queue`, '-v', `${fileDir}:/telemetry`,
    ...Object.values(ports).flatMap((port) => ['-p', `${host}:${port}:${port}`]),
    ...Object.entries(inside).flatMap(([variable, value]) => ['-e', `${variable}=${value}`]),
    ...passedOn.flatMap((variable) => ['-e', variable]),
    image,
    ...configs.flatMap((path) => ['--config', join('/collector', path.slice(folder.length))])
  ]
}
