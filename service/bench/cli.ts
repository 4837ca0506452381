import { withCleanup, type Cleanup } from './cleanup.js'
import * as faults from './faults/faults.js'
import { OptionFault, readOptions, type Options, type Values } from './options.js'
import * as sidecar from './sidecar/sidecar.js'
import { table } from './table.js'
import * as telemetry from './telemetry/telemetry.js'
import * as writes from './writes/writes.js'

interface Benchmark<O extends Options> {
  about: string
  options: O
  /** @returns the exit code */
  run (settings: Values<O>, cleanup: Cleanup): Promise<number>
}

const benchmarks: Record<string, Benchmark<never>> = { writes, faults, telemetry, sidecar } as never

main(process.argv.slice(2)).then((code) => { process.exit(code) }, (error: unknown) => {
  process.stderr.write(`${error instanceof OptionFault ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(error instanceof OptionFault ? 2 : 1)
})

async function main ([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    process.stdout.write(`${overview()}\n`)
    return 0
  }
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] as unknown as Benchmark<Options> : undefined
  if (benchmark === undefined) throw new OptionFault(`There is no benchmark ${name}; scripts/bench lists them.`)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${overview()}\n`)
    return 0
  }
  const settings = readOptions(benchmark.options, args)
  return await withCleanup(async (cleanup) => await benchmark.run(settings, cleanup))
}

function overview (): string {
  const columns = [{ title: 'benchmark' }, { title: 'option' }, { title: 'default' }, { title: 'meaning' }]
  const rows = Object.entries(benchmarks as unknown as Record<string, Benchmark<Options>>).flatMap(([name, { about, options }]) => [
    [name, '', '', about],
    ...Object.entries(options).map(([option, { argument, standard, about }]) => ['', `--${option} ${argument}`.trim(), standard, about])
  ])
  return `Usage: scripts/bench NAME [options]\n\n${table(columns, rows)}\n\n` +
    'Everything runs on 127.0.0.1, with databases and services of its own, and ends by itself; Ctrl-C ends it earlier.\n' +
    'Figures of a busy machine are worth little; those of ways that were compared in one run are worth more, as ratios.'
}
