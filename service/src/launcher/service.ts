import { spawn } from 'node:child_process'
import { type Child, leader } from './process.js'
import type { Environment } from './settings.js'

export interface ServiceCommand {
  /** What follows `node`. */
  arguments: string[]
  /** Where it runs. */
  folder: string
}

export interface ServiceProcess extends Child {
  /** Resolves with its address when it listens; never when it ends before. */
  ready: Promise<string>
}

/**
 * Starts the service, which says `{type: 'ready', url}` through its channel when it listens, and
 * ends by itself when the channel closes.
 */
export function startService (command: ServiceCommand, environment: Environment): ServiceProcess {
  const child = spawn(process.execPath, command.arguments, {
    cwd: command.folder, env: environment, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  return {
    ...leader(child),
    ready: new Promise((resolve) => {
      child.on('message', (message: { type?: unknown, url?: unknown }) => {
        if (message.type === 'ready') resolve(String(message.url))
      })
    })
  }
}
