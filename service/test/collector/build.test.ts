import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../launcher/support.js'

const root = path.join(packageRoot, '..')
const tools = ['awk', 'cat', 'chmod', 'cksum', 'cut', 'date', 'dirname', 'env', 'find', 'grep', 'head', 'mkdir', 'mv', 'rm', 'sed', 'sh', 'sleep', 'sort', 'tr', 'uname', 'ps']

/** A clone with what the script needs, and the system's tools without Go. */
function clone (t: Test): { folder: string, bin: string, cache: string, run: (argument: string, env?: Record<string, string>) => { status: number | null, stdout: string, stderr: string } } {
  const folder = temporaryFolder(t)
  for (const part of ['scripts/lib', 'collector/distribution']) cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
  const bin = path.join(folder, 'bin')
  mkdirSync(bin)
  for (const tool of tools) {
    const where = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
    if (where !== '') symlinkSync(where, path.join(bin, tool))
  }
  const cache = path.join(folder, 'cache')
  return {
    folder,
    bin,
    cache,
    run: (argument, env = {}) => {
      const { status, stdout, stderr } = spawnSync(path.join(bin, 'sh'), [path.join(folder, 'scripts/lib/collector.sh'), argument], { env: { PATH: bin, CONFIG_SERVICE_CACHE: cache, ...env }, encoding: 'utf8' })
      return { status, stdout, stderr }
    }
  }
}

function program (file: string, text: string): void {
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
}

/** A Go that takes its time, and whose Collector is a script. */
const standIn = (version: string): string => `case $1 in
  env) echo ${version} ;;
  list) echo 'go: downloading example.com/a v1' >&2; echo a; echo b ;;
  build) echo "\${GOTOOLCHAIN-} \${GOWORK-} \${CGO_ENABLED-} \${GOFLAGS-}" >"$CONFIG_SERVICE_CACHE/asked"; echo a; sleep 1
    while [ $# -gt 0 ]; do [ "$1" = -o ] && { printf '#!/bin/sh\\necho version\\n' >"$2"; chmod +x "$2"; }; shift; done ;;
esac`

t.test('without Go, with an old one and without the network the build says what is missing', async (t) => {
  const { bin, run } = clone(t)
  t.match(run('build'), { status: 1, stdout: '', stderr: /Go is not on the PATH .*\nInstall Go 1\.25 or later/ })
  program(path.join(bin, 'go'), 'echo go1.24.11')
  t.match(run('build'), { status: 1, stdout: '', stderr: /building it needs Go 1\.25 or later \(there is 1\.24\.11\)/ })
  program(path.join(bin, 'go'), 'case $1 in env) echo go1.25.0 ;; *) echo "dial tcp: lookup proxy: no such host" >&2; exit 1 ;; esac')
  t.match(run('build'), { status: 1, stdout: '', stderr: /no such host\nThe Collector could not be built \(downloading failed\)/ })
  t.match(run('path'), { status: 1, stderr: '' })
  t.equal(run('anything').status, 2)
})

t.test('it is built once, and again when its sources have changed', async (t) => {
  const { folder, bin, cache, run } = clone(t)
  const { status, stdout: place } = run('path')
  t.equal(status, 1)
  t.match(place, new RegExp(`^${cache}/collector-[0-9-]+/otelcol\n$`))

  program(path.join(bin, 'go'), standIn('go1.26.8'))
  t.match(run('build'), { status: 0, stdout: place, stderr: /building it[\s\S]*downloading[\s\S]*compiling[\s\S]*built in/ })
  t.equal(readFileSync(path.join(cache, 'asked'), 'utf8'), 'local off 0 -buildvcs=false\n')
  t.strictSame(run('path'), { status: 0, stdout: place, stderr: '' })
  t.strictSame(run('build'), { status: 0, stdout: place, stderr: '' }, 'the second time it is there')

  writeFileSync(path.join(folder, 'collector/distribution/more.go'), 'package main\n')
  t.equal(run('path').status, 1)
  t.not(run('path').stdout, place)
})

t.test('a Collector that does not run is not kept', async (t) => {
  const { bin, run } = clone(t)
  program(path.join(bin, 'go'), standIn('go1.26').replace('echo version', 'exit 3'))
  t.match(run('build'), { status: 1, stdout: '', stderr: /was built, but does not run/ })
  t.equal(run('path').status, 1)
})

t.test('sourced, it sets $collector, or says why there is none and goes on', async (t) => {
  const { folder, bin, cache } = clone(t)
  const source = (): { stdout: string, stderr: string } => spawnSync('sh', ['-c', `set -eu; root=${folder}; . "$root/scripts/lib/collector.sh"; prepare_collector; echo "got [$collector]"`], { env: { PATH: bin, CONFIG_SERVICE_CACHE: cache }, encoding: 'utf8' })
  t.match(source(), { stdout: 'got []\n', stderr: /Go is not on the PATH/ })
  program(path.join(bin, 'go'), standIn('go1.25'))
  t.match(source(), { stdout: new RegExp(`^got \\[${cache}/.*/otelcol\\]\n$`) })
})

t.test('without a home the cache is in the clone', async (t) => {
  const { folder, bin } = clone(t)
  const { stdout } = spawnSync('sh', [path.join(folder, 'scripts/lib/collector.sh'), 'path'], { env: { PATH: bin }, encoding: 'utf8' })
  t.match(stdout, new RegExp(`^${folder}/\\.cache/config-service/collector-`))
})
