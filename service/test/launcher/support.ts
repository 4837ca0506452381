import { type SpawnOptions, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type ProcessIdentity, identify, isRunning, signal } from '../../src/database/embedded-processes.js'

/** A folder that every user may pass through, gone after the test, wherever its database was kept. */
export function temporaryFolder (t: Test, mode = 0o711): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'config-service-test-'))
  chmodSync(folder, mode)
  t.teardown(() => { removeWithDatabase(folder) })
  return folder
}

/** @returns a port that nobody uses at the moment, the wanted one if any is */
export async function freePort (wanted = 0): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => { resolve(typeof address === 'object' && address !== null ? address.port : 0) })
    })
  })
}

export interface Launched {
  pid: number
  port: number
  dataDir: string
  /** All that it has printed so far. */
  output (): string
  until (text: string | RegExp, withinMs?: number): Promise<void>
  exit: Promise<number | NodeJS.Signals>
  /** Itself and all that it has started, at this moment. */
  processes (): ProcessIdentity[]
}

/** Starts the launcher with the stand-in; the test's end kills whatever of it is left. */
export async function startLauncher (
  t: Test, dataDir: string, environment: Record<string, string> = {}, options: SpawnOptions = {}
): Promise<Launched> {
  const port = Number(environment['PORT'] ?? await freePort())
  const child = spawn(process.execPath, [join(__dirname, 'stand-in-start.js')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ROOT: dataDir,
      DATA_DIR: dataDir,
      PORT: String(port),
      OTEL_METRICS_EXPORTER: 'none',
      SIDECAR: 'off',
      ...environment
    },
    ...options
  })
  let text = ''
  const keep = (chunk: Buffer) => { text += chunk.toString() }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const { pid = 0 } = child
  const exit = new Promise<number | NodeJS.Signals>((resolve) => child.once('close', (code, name) => { resolve(code ?? name ?? 0) }))
  const seen = new Map<string, ProcessIdentity>()
  const processes = () => {
    const found = tree(pid)
    for (const one of found) seen.set(`${one.pid} ${one.started}`, one)
    return found
  }
  t.teardown(() => {
    processes()
    for (const one of [...seen.values()].filter(isRunning)) signal(one.pid, 'SIGKILL')
  })
  return {
    pid,
    port,
    dataDir,
    output: () => text,
    exit,
    processes,
    async until (wanted, withinMs = 20_000) {
      const limit = Date.now() + withinMs
      while (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) {
        if (Date.now() > limit) throw new Error(`Never said ${String(wanted)}, but:\n${text}`)
        await sleep(20)
      }
      processes()
    }
  }
}

/** @returns five free ports, as the variables of the sidecar; below those that the system gives away by itself */
export async function sidecarPorts (): Promise<Record<string, string>> {
  const names = ['COLLECTOR_OTLP_GRPC_PORT', 'COLLECTOR_OTLP_HTTP_PORT', 'COLLECTOR_SPAN_METRICS_PORT', 'COLLECTOR_METRICS_PORT', 'COLLECTOR_HEALTH_PORT']
  const first = randomInt(3_000, 6_000) * 5
  const free = await Promise.all(names.map(async (_name, index) => await freePort(first + index).catch(() => 0)))
  return free.includes(0) ? await sidecarPorts() : Object.fromEntries(names.map((name, index) => [name, String(free[index])]))
}

/**
 * What the launcher finds of the sidecar in a repository: its configuration, and a stand-in for
 * scripts/lib/collector.sh, which builds the stand-in for the Collector as BUILD tells.
 */
export function makeCollector (root: string, { built }: { built: boolean }): void {
  for (const folder of ['collector/destinations', 'scripts/lib', 'bin']) mkdirSync(join(root, folder), { recursive: true })
  const reads = (...names: string[]) => names.map((name) => `\${env:${name}:-default}\n`).join('')
  writeFileSync(join(root, 'collector', 'config.yaml'), reads('COLLECTOR_HOST', 'SAMPLING_PERCENTAGE', 'SLOW_TRACE_MS'))
  writeFileSync(join(root, 'collector', 'destinations', 'file.yaml'), reads('COLLECTOR_FILE_DIR'))
  writeFileSync(join(root, 'collector', 'destinations', 'tempo.yaml'), reads('TEMPO_ENDPOINT'))
  const program = join(root, 'otelcol')
  const make = `printf '#!/bin/sh\\nexec "${process.execPath}" "${join(__dirname, 'stand-in-collector.js')}" "$@"\\n' >'${program}'; chmod +x '${program}'`
  writeFileSync(join(root, 'scripts', 'lib', 'collector.sh'), `
case $1 in
  path) echo '${program}'; [ -x '${program}' ] ;;
  check) command -v go >/dev/null && [ "\${BUILD-}" != old ] || { printf '%s\\n' "\${BUILD:-Go is missing}" 'Install Go'; exit 1; } ;;
  build)
    echo 'not shown'
    case \${BUILD-} in
      fails) echo 'Collector: compiling ...' >&2; echo 'go: no network' >&2; exit 1 ;;
      takes) sleep 300 & i=0; while [ $i -lt 300 ]; do echo "Collector: compiling, $i s ..." >&2; sleep 0.1; i=$((i+1)); done ;;
      *) echo 'fetching modules ...' >&2; sleep 1; ${make} ;;
    esac ;;
esac
`)
  // The launcher looks whether there is a Go, and calls the script.
  writeFileSync(join(root, 'bin', 'go'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  if (built) execFileSync('sh', ['-c', make])
}

export function postmasterPid (dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgresql', 'postmaster.pid'), 'utf8').split('\n', 1)[0])
}

export function locks (dataDir: string): string[] {
  return existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('lock.')) : []
}

export const isRoot = process.getuid?.() === 0

function removeWithDatabase (folder: string): void {
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink() && entry.name === 'postgresql' && existsSync(path)) rmSync(realpathSync(path), { recursive: true, force: true })
    else if (entry.isDirectory()) removeWithDatabase(path)
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

function tree (root: number): ProcessIdentity[] {
  const children = new Map<number, number[]>()
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid='], { encoding: 'utf8' }).trim().split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    children.set(parent, [...children.get(parent) ?? [], pid])
  }
  const collect = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(collect)]
  return collect(root).map(identify).filter((found) => found !== undefined)
}
