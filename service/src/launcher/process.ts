import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, identify, signal } from '../database/embedded-processes.js'
import type { Environment } from './settings.js'

/** A process that leads its own group, and whatever it has started. */
export interface Child {
  pid: number | undefined
  exited: Promise<Exit>
  /** Asks it to end and kills it when it takes longer. @returns whether it ended by itself */
  stop (withinMs: number): Promise<boolean>
  /** It and whatever it has started. */
  kill (): Promise<void>
}

export interface Exit {
  /** As a shell counts: 128 and the number of the signal that ended it. */
  code: number
  /** In words, for people. */
  reason: string
}

/**
 * @param child spawned `detached`: a terminal sends Ctrl-C to everyone in its group at once, and the
 * order of stopping is the launcher's
 * @param wish the signal that it takes for the wish to end
 */
export function leader (child: ChildProcess, wish: NodeJS.Signals = 'SIGTERM'): Child {
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => { resolve({ code: 1, reason: error.message }) })
    child.once('exit', (code, name) => {
      resolve(name === null
        ? { code: code ?? 1, reason: `exit code ${code}` }
        : { code: 128 + constants.signals[name], reason: `ended by ${name}` })
    })
  })
  const { pid } = child
  const self = pid === undefined ? undefined : identify(pid)
  const kill = async () => {
    if (pid === undefined || self === undefined) return
    // A negative number names the group; there is none left when all have ended.
    signal(-pid, 'SIGKILL')
    await exited
  }
  return {
    pid,
    exited,
    async stop (withinMs) {
      if (pid === undefined || self === undefined) return true
      signal(-pid, wish)
      const inTime = await ended([self], withinMs)
      // What it has started was asked as well, and may need a moment longer.
      for (let tries = 0; inTime && tries < 20 && hasGroup(pid); tries++) await sleep(50)
      await kill()
      return inTime
    },
    kill
  }
}

function hasGroup (pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}

interface GuardedOptions {
  cwd: string
  env: Environment
  /** A file for what it has to say, or a pipe for its standard error. */
  output: number | 'pipe'
  wish?: NodeJS.Signals
}

/**
 * Starts a program that knows nothing of this one: a guard ends its group when this process is gone,
 * whatever became of it.
 */
export function startGuarded (program: string, args: string[], { cwd, env, output, wish }: GuardedOptions): Child & { said: Readable | null } {
  // The shell waits for a word before it becomes the program: by then the guard knows its number, so
  // that there is no moment at which it could be left alone.
  const child = spawn('/bin/sh', ['-c', 'read -r word && exec "$@" </dev/null', 'sh', program, ...args], {
    cwd, env, detached: true, stdio: ['pipe', output === 'pipe' ? 'ignore' : output, output]
  })
  child.stdin?.on('error', () => {})
  const started = leader(child, wish)
  if (started.pid !== undefined) {
    guard(started.pid, started.exited)
    child.stdin?.end('go\n')
  }
  return { ...started, said: child.stderr }
}

/** Guards a group until its leader ends; a guard that was killed is replaced. */
function guard (pid: number, exited: Promise<Exit>): void {
  let over = false
  let pipe: Writable
  const begin = () => {
    const child = spawn('/bin/sh', ['-c', guardScript, 'config-service-guard', String(pid)], {
      cwd: '/', detached: true, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, stdio: ['pipe', 'ignore', 'ignore']
    })
    pipe = child.stdin
    // Its end is seen by `close`; a broken pipe says nothing more.
    pipe.on('error', () => {})
    child.on('error', () => {})
    child.once('close', () => { if (!over) setTimeout(() => { if (!over) begin() }, 1_000).unref() })
  }
  begin()
  void exited.then(() => {
    over = true
    pipe.end('done\n')
  })
}

// Waits for the end of a pipe that only this process holds open: the system closes it even after
// kill -9. What it guards then has five seconds.
const guardScript = `
read -r word && exit 0
kill -s INT -- "-$1" 2>/dev/null
tries=0
while [ "$tries" -lt 50 ]; do
  kill -s 0 -- "-$1" 2>/dev/null || exit 0
  sleep 0.1 2>/dev/null || sleep 1
  tries=$((tries + 1))
done
kill -s KILL -- "-$1" 2>/dev/null
`
