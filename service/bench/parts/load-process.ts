import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.js'
import type { LoadOrder, LoadReport, LoadResult } from './load-order.js'

export interface LoadProcess {
  pid: number
  /** Begins a load. `stop` ends it and tells what was found; requests under way come to their end. */
  begin (order: Omit<LoadOrder, 'type'>): { stop (): Promise<LoadResult> }
}

const PATIENCE_MS = 30_000

export function startLoadProcess (cleanup: Cleanup): LoadProcess {
  const child = fork(join(__dirname, 'load.js'), { execArgv: [], serialization: 'advanced', detached: true })
  const exited = new Promise<never>((_resolve, reject) => {
    child.once('exit', () => { reject(new Error('the load generator has ended')) })
  })
  exited.catch(() => {})
  cleanup.later(() => { child.kill('SIGKILL') })

  return {
    pid: Number(child.pid),
    begin (order) {
      const done = Promise.withResolvers<LoadResult>()
      done.promise.catch(() => {})
      const listen = (report: LoadReport): void => {
        if (report.type === 'failed') done.reject(new Error(`the load generator failed: ${report.reason}`))
        else done.resolve(report)
      }
      child.on('message', listen)
      child.send({ type: 'load', ...order } satisfies LoadOrder)
      return {
        async stop () {
          const timer = setTimeout(() => { done.reject(new Error(`the load generator did not stop within ${PATIENCE_MS} ms`)) }, PATIENCE_MS)
          try {
            child.send({ type: 'stop' })
            return await Promise.race([done.promise, exited])
          } finally {
            clearTimeout(timer)
            child.off('message', listen)
          }
        }
      }
    }
  }
}
