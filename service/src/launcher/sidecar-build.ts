import { constants, setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startGuarded } from './process.js'
import type { Environment } from './settings.js'
import { lastLines } from './sidecar-log.js'
import { builtCollector, collectorScript } from './sidecar-program.js'

interface Build {
  process: Child
  /** Where the Collector is, or what went wrong: in a word, and the last lines about it. */
  result: Promise<{ path: string | undefined, fault: { reason: string, lines: string[] } }>
}

const lineEveryMs = 5_000

/** Builds the Collector, which takes minutes the first time, and says how far it is. */
export function buildCollector (root: string, environment: Environment, say: (line: string) => void): Build {
  const builder = startGuarded('sh', [collectorScript(root), 'build'], { cwd: root, env: environment, output: 'pipe', wish: 'SIGINT' })
  if (builder.pid !== undefined) giveWay(builder.pid)
  const said: string[] = []
  let shownAt = 0
  const through = new Promise<void>((resolve) => {
    if (builder.said === null) return
    createInterface({ input: builder.said }).once('close', resolve).on('line', (line) => {
      // Progress ends with dots; what is left tells why it failed.
      if (!line.endsWith(' ...')) said.push(line)
      if (said.length > 100) said.shift()
      if (line.trim() === '' || Date.now() - shownAt < lineEveryMs) return
      shownAt = Date.now()
      say(line.startsWith('Collector: ') ? line : `Collector: ${line}`)
    })
  })
  const result = builder.exited.then(async ({ code, reason }) => {
    // Its last words may come after its end; someone it has left behind may never close the pipe.
    await Promise.race([through, sleep(500)])
    const path = code === 0 ? await builtCollector(root, environment) : undefined
    return { path, fault: { reason, lines: lastLines(said) } }
  })
  return { process: builder, result }
}

/** The service comes first. */
function giveWay (pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {}
}
