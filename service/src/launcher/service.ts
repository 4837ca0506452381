import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { ended, identify, signal } from '../database/embedded-processes.js'
import type { Environment } from './settings.js'

export interface ServiceCommand {
  /** What follows `node`. */
  arguments: string[]
  /** Where it runs. */
  folder: string
}

export interface ServiceProcess {
  pid: number | undefined
  /** Resolves with its address when it listens; never when it ends before. */
  ready: Promise<string>
  exited: Promise<ServiceExit>
  /** Asks it to drain and kills it when it takes longer. @returns whether it ended by itself */
  stop (withinMs: number): Promise<boolean>
  /** It and whatever it has started. */
  kill (): Promise<void>
}

interface ServiceExit {
  /** As a shell counts: 128 and the number of the signal that ended it. */
  code: number
  /** In words, for people. */
  reason: string
}

/**
 * Starts the service, which says `{type: 'ready', url}` through its channel when it listens, and
 * ends by itself when the channel closes. It is the leader of its own process group: a terminal
 * sends Ctrl-C to everyone in its group at once, and the order of stopping is the launcher's.
 */
export function startService (command: ServiceCommand, environment: Environment): ServiceProcess {
  const child = spawn(process.execPath, command.arguments, {
    cwd: command.folder, env: environment, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const exited = new Promise<ServiceExit>((resolve) => {
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
    ready: new Promise((resolve) => {
      child.on('message', (message: { type?: unknown, url?: unknown }) => {
        if (message.type === 'ready') resolve(String(message.url))
      })
    }),
    exited,
    async stop (withinMs) {
      if (pid === undefined || self === undefined) return true
      signal(pid, 'SIGTERM')
      if (await ended([self], withinMs)) return true
      await kill()
      return false
    },
    kill
  }
}
