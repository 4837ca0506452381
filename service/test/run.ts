import { spawn } from 'node:child_process'
import path from 'node:path'
import { Parser, type Result } from 'tap-parser'
import { packageRoot } from '../src/package.js'
import { startTestServer } from './support/database.js'

/**
 * Runs the compiled tests with tap on one PostgreSQL, a line for each file, and closes with a plain line.
 * Arguments choose files: a folder such as `json`, or part of a file's name.
 */
async function run (wanted: string[]): Promise<number> {
  const patterns = wanted.length === 0
    ? ['build/test/**/*.test.js']
    : wanted.flatMap((part) => [`build/test/${part}/**/*.test.js`, `build/test/**/*${part}*.test.js`])
  const database = await startTestServer()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => { void database.stop().finally(() => { process.exit(1) }) })
  }
  try {
    const counts = await tap(patterns, database.url)
    for (const skip of counts.skips) console.log(`SKIPPED: ${skip}`)
    const skippedInCi = counts.skips.length > 0 && (process.env.CI ?? '') !== ''
    if (skippedInCi) console.log('Nothing may be skipped where CI is set.')
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skips.length} skipped`)
    return counts.failed > 0 || skippedInCi || counts.passed === 0 ? 1 : 0
  } finally {
    await database.stop()
  }
}

/** Tests are the named tests in the files: neither single assertions nor whole files. */
interface Counts { passed: number, failed: number, skips: string[] }

async function tap (patterns: string[], databaseUrl: string): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skips: [] }
  const runner = path.join(packageRoot, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
  const child = spawn(process.execPath, [runner, 'run', '--reporter=tap', ...patterns], {
    cwd: packageRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TEST_DATABASE_URL: databaseUrl }
  })
  const parser = new Parser()
  parser.on('child', (file: Parser) => {
    let passed = 0
    const failures: Result[] = []
    watchFailures(file, failures)
    file.on('assert', (result: Result) => {
      if (result.skip !== false) counts.skips.push(`${file.name}: ${result.name}${typeof result.skip === 'string' ? ` (${result.skip})` : ''}`)
      else if (result.ok) passed += 1
      else {
        counts.failed += 1
        // What went wrong inside the test is listed already; a test that could not even run has only itself.
        if (!failures.some(({ fullname }) => fullname.startsWith(result.fullname))) failures.push(result)
      }
    })
    file.on('complete', (results: { ok: boolean, time: number | null }) => {
      counts.passed += passed
      const seconds = results.time === null ? '' : ` ${(results.time / 1000).toFixed(1)} s`
      console.log(`${results.ok ? 'ok    ' : 'FAILED'} ${file.name.replace('build/test/', '')} (${passed} passed${seconds})`)
      for (const failure of failures) console.log(describe(failure))
    })
  })
  parser.on('assert', (file: Result) => {
    // A file that crashed or ran out of time may have no failing test of its own.
    if (!file.ok && counts.failed === 0) {
      counts.failed += 1
      console.log(describe(file))
    }
  })
  const done = new Promise<void>((resolve) => { parser.on('complete', () => { resolve() }) })
  child.stdout.pipe(parser as unknown as NodeJS.WritableStream)
  await done
  return counts
}

function watchFailures (parser: Parser, failures: Result[]): void {
  parser.on('child', (test: Parser) => {
    watchFailures(test, failures)
    test.on('assert', (result: Result) => { if (!result.ok && result.diag !== null) failures.push(result) })
  })
}

function describe (failure: Result): string {
  const { diff, stack, at, source, ...rest } = (failure.diag ?? {}) as Record<string, unknown>
  const facts = [diff ?? JSON.stringify(rest, undefined, 2), source, typeof stack === 'string' ? stack : JSON.stringify(at)]
  return [`    ${failure.fullname}`, ...facts.filter((fact) => typeof fact === 'string').map((fact) => String(fact).replace(/^/gm, '      '))].join('\n')
}

void run(process.argv.slice(2)).then((code) => { process.exitCode = code })
