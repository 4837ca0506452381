import { execFile, spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ended, identify, signal } from '../../src/database/embedded-processes.js'
import { temporaryFolder } from './support.js'

t.jobs = 2

function repositoryRoot (folder: string): string {
  return existsSync(join(folder, 'scripts', 'start')) ? folder : repositoryRoot(dirname(folder))
}

interface Clone {
  root: string
  environment: Record<string, string | undefined>
  /** What npm, the compiler and the launcher were called for, in order. */
  calls (): string[]
  run (script?: string, environment?: Record<string, string>, cwd?: string, args?: string[]): Promise<{ code: number, output: string }>
}

/** A clone with the real scripts, in which npm and the compiler only write down that they were called. */
function makeClone (t: Test): Clone {
  const folder = temporaryFolder(t)
  const root = join(folder, 'a clone')
  const log = join(folder, 'calls')
  const bin = join(folder, 'bin')
  for (const path of [join(root, 'service', 'src'), bin]) mkdirSync(path, { recursive: true })
  cpSync(join(repositoryRoot(__dirname), 'scripts', 'start'), join(root, 'scripts', 'start'))
  cpSync(join(repositoryRoot(__dirname), 'scripts', 'lib'), join(root, 'scripts', 'lib'), { recursive: true })
  for (const file of ['package-lock.json', 'tsconfig.json', 'tsconfig.dist.json', 'src/main.ts']) writeFileSync(join(root, 'service', file), '{}')
  program(join(bin, 'node'), 'echo v20.0.0')
  program(join(bin, 'npm'), `
    echo npm >>'${log}'
    [ -z "\${NPM_DEAF:-}" ] || trap '' TERM
    rm -rf node_modules; mkdir -p node_modules/.bin
    sleep "\${NPM_TAKES:-0}"
    [ -z "\${NPM_FAILS:-}" ] || { echo 'npm error network' >&2; exit 1; }
    printf '#!/bin/sh\\necho "$*" >>"${log}"\\nmkdir -p dist/launcher 2>/dev/null\\n' >node_modules/.bin/node
    chmod +x node_modules/.bin/node`)
  writeFileSync(log, '')
  const environment = { PATH: `${bin}:${process.env['PATH']}` }
  return {
    root,
    environment,
    calls: () => readFileSync(log, 'utf8').trim().split('\n').map((line) => /^npm|typescript-native|launcher/.exec(line)?.[0] ?? line),
    run: async (script = join(root, 'scripts', 'start'), more = {}, cwd = '/', args = []) => await new Promise((resolve) => {
      execFile(script, args, { env: { ...environment, ...more }, cwd }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr })
      })
    })
  }
}

function program (path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

t.test('a clean clone is installed and built once, through a link and from anywhere', async (t) => {
  const clone = makeClone(t)
  const link = join(clone.root, '..', 'a link')
  symlinkSync('a clone/scripts/start', link)
  const first = await clone.run(link, {}, clone.root)
  t.equal(first.code, 0)
  t.match(first.output, /^Installing packages .*\nInstalled in \d+ s\.\nBuilding the service \.\.\.\n$/)
  t.strictSame(clone.calls(), ['npm', 'typescript-native', 'launcher'])
  const second = await clone.run()
  t.strictSame(second, { code: 0, output: '' })
  t.strictSame(clone.calls(), ['npm', 'typescript-native', 'launcher', 'launcher'])

  const later = new Date(Date.now() + 2_000)
  utimesSync(join(clone.root, 'service', 'src', 'main.ts'), later, later)
  t.equal((await clone.run()).output, 'Building the service ...\n')
  writeFileSync(join(clone.root, 'service', 'package-lock.json'), '{"changed": true}')
  t.match((await clone.run()).output, /^Installing/)
})

t.test('an installation that was killed is made anew', async (t) => {
  const clone = makeClone(t)
  const start = spawn(join(clone.root, 'scripts', 'start'), { env: { ...clone.environment, NPM_TAKES: '60' }, detached: true, stdio: 'ignore' })
  const { pid = 0 } = start
  t.teardown(() => { signal(-pid, 'SIGKILL') })
  while (!existsSync(join(clone.root, 'service', 'node_modules'))) await sleep(20)
  signal(-pid, 'SIGKILL')
  const { code, output } = await clone.run()
  t.equal(code, 0)
  t.match(output, /^Installing/)
})

t.test('Ctrl-C ends an installation at once, without blaming the registry', async (t) => {
  const clone = makeClone(t)
  for (const [name, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const start = spawn(join(clone.root, 'scripts', 'start'), { env: { ...clone.environment, NPM_TAKES: '60', NPM_DEAF: 'yes' }, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    const { pid = 0 } = start
    t.teardown(() => { signal(-pid, 'SIGKILL') })
    let output = ''
    start.stderr.on('data', (chunk: Buffer) => { output += chunk.toString() })
    const exit = new Promise((resolve) => start.once('exit', resolve))
    while (!existsSync(join(clone.root, 'service', 'node_modules'))) await sleep(20)
    const asked = Date.now()
    signal(pid, name)
    t.equal(await exit, code)
    t.ok(Date.now() - asked < 3_000, 'at once')
    t.match(output, /^Installing packages .*\nStopped; the next start installs anew\.\n$/)
    signal(-pid, 'SIGKILL')
    rmSync(join(clone.root, 'service', 'node_modules'), { recursive: true })
  }
  t.match((await clone.run()).output, /^Installing/)
})

t.test('two starts at once install one after the other, even when the first is killed and its npm is not', async (t) => {
  const clone = makeClone(t)
  const results = await Promise.all([1, 2, 3].map(async () => await clone.run(undefined, { NPM_TAKES: '4' })))
  t.strictSame(results.map(({ code }) => code), [0, 0, 0])
  t.equal(clone.calls().filter((call) => call === 'npm').length, 1)
  t.equal(results.filter(({ output }) => output.startsWith('Another start prepares this clone')).length, 2)

  rmSync(join(clone.root, 'service', 'node_modules'), { recursive: true })
  const killed = spawn(join(clone.root, 'scripts', 'start'), { env: { ...clone.environment, NPM_TAKES: '2' }, detached: true, stdio: 'ignore' })
  const { pid = 0 } = killed
  t.teardown(() => { signal(-pid, 'SIGKILL') })
  const turns = join(clone.root, '.cache', 'turns')
  while (readdirSync(turns).length < 2) await sleep(20)
  const shell = identify(pid)
  signal(pid, 'SIGKILL')
  t.ok(await ended(shell === undefined ? [] : [shell], 2_000))
  const { output } = await clone.run()
  t.match(output, /^Another start prepares this clone: waiting for it \.\.\.\nInstalling/)
})

t.test('what is missing or fails is said with the next step', async (t) => {
  const clone = makeClone(t)
  const failed = await clone.run(undefined, { NPM_FAILS: 'yes' })
  t.equal(failed.code, 1)
  t.match(failed.output, /npm error network\nnpm ci failed in .*a clone\/service/)

  const tools = join(clone.root, '..', 'tools')
  mkdirSync(tools)
  for (const name of ['sh', 'dirname', 'readlink', 'cksum', 'uname', 'cut', 'sed', 'mkdir', 'rm', 'cat']) {
    const path = ['/bin', '/usr/bin'].map((folder) => join(folder, name)).find(existsSync)
    if (path !== undefined) symlinkSync(path, join(tools, name))
  }
  const without = await clone.run(undefined, { PATH: tools })
  t.equal(without.code, 1)
  t.match(without.output, /^Node\.js with npm is needed to install the packages, and node is not on the PATH\.\n.*from version 20/)
})

t.test('a build of the Collector that is stopped leaves nothing behind, and a Go that is too old is told beforehand', async (t) => {
  const clone = makeClone(t)
  const distribution = join(clone.root, 'collector', 'distribution')
  mkdirSync(distribution, { recursive: true })
  writeFileSync(join(distribution, 'go.mod'), 'module x\n\ngo 1.25.0\n')
  const script = join(clone.root, 'scripts', 'lib', 'collector.sh')
  chmodSync(script, 0o755)
  const cache = join(clone.root, 'cache')
  const go = join(clone.root, '..', 'bin', 'go')
  const check = async (version: string) => {
    program(go, `[ "$1" = env ] && echo 'go${version}'
      [ "$1" != build ] || { mkdir -p "$GOTMPDIR/go-build1" && : >"$GOTMPDIR/go-build1/x" && exec sleep 60; }`)
    return await clone.run(script, { CONFIG_SERVICE_CACHE: cache }, '/', ['check'])
  }
  t.strictSame(await check('1.22.5'), { code: 1, output: 'building it needs Go 1.25 or later (there is 1.22.5)\nInstall Go 1.25 or later (https://go.dev/dl)\n' })
  t.strictSame(await check('1.26rc1'), { code: 0, output: '' })
  const build = spawn('sh', [script, 'build'], { env: { ...clone.environment, CONFIG_SERVICE_CACHE: cache }, detached: true, stdio: 'ignore' })
  const { pid = 0 } = build
  t.teardown(() => { signal(-pid, 'SIGKILL') })
  const exit = new Promise((resolve) => build.once('exit', resolve))
  const left = () => existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: 'utf8' }).filter((path) => /collector-.*\//.test(path)) : []
  while (!left().some((path) => path.endsWith('go-build1/x'))) await sleep(20)
  signal(-pid, 'SIGINT')
  t.equal(await exit, 130)
  t.strictSame(left(), [])
})

t.test('a trace is shown as a tree with its log lines, from rotated files as well', async (t) => {
  const clone = makeClone(t)
  const trace = join(clone.root, 'scripts', 'trace')
  cpSync(join(repositoryRoot(__dirname), 'scripts', 'trace'), trace)
  await clone.run()
  writeFileSync(join(clone.root, 'service', 'node_modules', '.bin', 'node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`)
  const folder = join(clone.root, '.data', 'telemetry')
  mkdirSync(folder, { recursive: true })
  const traceId = '5b8efff798038103d269b633813fc60c'
  const attributes = (given: Record<string, string>) => Object.entries(given).map(([key, stringValue]) => ({ key, value: { stringValue } }))
  const span = (spanId: string, parentSpanId: string, name: string, startMs: number, more = {}, id = traceId) => ({
    traceId: id, spanId, parentSpanId, name, startTimeUnixNano: `${1_795_271_109_000 + startMs}000000`, endTimeUnixNano: `${1_795_271_109_000 + startMs + 2}500000`, ...more
  })
  const batch = (...spans: unknown[]) => `${JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] })}\n`
  writeFileSync(join(folder, 'traces-2026-11-21T14-34-00.923-size.jsonl'), batch(
    span('c', 'b', 'configurations.update', 3, { attributes: attributes({ 'db.table': 'configurations', 'db.type': 'x' }) }), span('z', '', 'another', 0, {}, 'f'.repeat(32))))
  writeFileSync(join(folder, 'traces.jsonl'), batch(
    span('b', 'a', 'configuration.update', 1, {
      status: { code: 2, message: 'There is \u001b[31mno' }, events: [{ name: 'exception', attributes: attributes({ 'exception.type': 'Problem', 'exception.stacktrace': 'long' }) }]
    }),
    span('a', '0', 'PATCH /x', 0, { attributes: attributes({ 'http.route': '/x' }) })) + `{"cut off": "${traceId}`)
  writeFileSync(join(folder, 'logs.jsonl'), `${JSON.stringify({
 resourceLogs: [{
 scopeLogs: [{
 logRecords: [
    { traceId, timeUnixNano: '1795271109001000000', severityText: 'warn', body: { stringValue: 'it was refused' } }, { timeUnixNano: '1', body: {} }
  ]
}]
}]
})}\n`)
  const shown = await clone.run(trace, {}, '/', [`${traceId.toUpperCase()}\r`])
  t.equal(shown.output, [
    '     2.50 ms  PATCH /x  http.route=/x',
    '     2.50 ms    configuration.update  ERROR: There is  [31mno',
    '                  * exception  exception.type=Problem',
    '     2.50 ms      configurations.update  db.table=configurations',
    '',
    '2026-11-21T14:25:09.001Z  warn   it was refused',
    ''
  ].join('\n'))
  t.equal(shown.code, 0)
  const missing = await clone.run(trace, { DATA_DIR: 'elsewhere' }, clone.root, [traceId])
  t.equal(missing.code, 1)
  t.match(missing.output, /^Trace 5b8e.* is not in .*elsewhere\/telemetry\. A trace is written some 15 s after its request.*only a share is kept/)
  for (const args of [[], ['x'], [traceId, traceId]]) t.equal((await clone.run(trace, {}, '/', args)).code, 2)
})

t.test('help is given and arguments are refused without installing anything', async (t) => {
  const clone = makeClone(t)
  const help = await clone.run(undefined, {}, '/', ['--help'])
  t.equal(help.code, 0)
  t.match(help.output, /^Usage: scripts\/start/)
  const unknown = await clone.run(undefined, {}, '/', ['--port=1'])
  t.equal(unknown.code, 2)
  t.match(unknown.output, /takes no arguments \(got: --port=1\)/)
  t.strictSame(clone.calls(), [''])
})
