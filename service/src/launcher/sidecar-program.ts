import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Environment } from './settings.js'
import { image } from './sidecar-docker.js'

/** Which Collector is to be had, the best one first. */
export type Program =
  | { kind: 'built', path: string }
  | { kind: 'buildable' }
  /** Without root's rights Docker maps root inside to the user outside. */
  | { kind: 'docker', rootless: boolean, fetched: boolean }
  | { kind: 'none', missing: string, remedy: string }

const dockerAnswersWithinMs = 4_000

/** @param mayBuild not any more once building has failed, which its caller tells with what to do about it */
export async function findProgram (root: string, environment: Environment, mayBuild = true): Promise<Program> {
  const config = join(root, 'collector', 'config.yaml')
  if (!existsSync(config)) return { kind: 'none', missing: `${config} is missing`, remedy: 'Restore it (git checkout collector), then start again' }
  const path = await builtCollector(root, environment)
  if (path !== undefined) return { kind: 'built', path }
  const go = mayBuild ? await run('sh', [collectorScript(root), 'check'], environment, 30_000) : undefined
  if (go?.code === 0) return { kind: 'buildable' }
  const [noGo = 'it cannot be built', remedy = 'Install Go (https://go.dev/dl)'] = go === undefined ? ['it could not be built', ''] : go.output.trim().split('\n')
  const none = (docker: string): Program => ({ kind: 'none', missing: `${noGo}, and ${docker}`, remedy: remedy === '' ? '' : `${remedy} or start Docker, then start again` })
  if (!onPath('docker', environment)) return none('Docker is not there either')
  const { code, output } = await run('docker', ['info'], environment, dockerAnswersWithinMs)
  if (code !== 0) return none('Docker\'s daemon does not answer')
  const { code: missing } = await run('docker', ['image', 'inspect', image], environment, dockerAnswersWithinMs)
  return { kind: 'docker', rootless: /^\s*rootless(?:: true)?\s*$/m.test(output), fetched: missing === 0 }
}

/** What scripts/lib/collector.sh has built for this user. */
export async function builtCollector (root: string, environment: Environment): Promise<string | undefined> {
  const { code, output } = await run('sh', [collectorScript(root), 'path'], environment, 30_000)
  return code === 0 && output.trim() !== '' ? output.trim() : undefined
}

export function collectorScript (root: string): string {
  return join(root, 'scripts', 'lib', 'collector.sh')
}

export async function run (program: string, args: string[], environment: Environment, timeoutMs: number): Promise<{ code: number, output: string, complaint: string }> {
  return await new Promise((resolve) => {
    execFile(program, args, { env: environment, timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, output: stdout, complaint: stderr })
    }).stdin?.end()
  })
}

function onPath (name: string, environment: Environment): boolean {
  return (environment['PATH'] ?? '').split(delimiter).some((folder) => {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
}
