import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.js'
import type { LoadOrder, LoadReport, LoadResult } from './load-order.js'

export interface LoadProcess {
  /** Does a slice; `begun` and `ended` are called where the measured time begins and ends. */
  run (order: LoadOrder, at: { begun: () => void, ended: () => void }): Promise<LoadResult>
}

const PATIENCE_MS = 30_000

export function startLoadProcess (cleanup: Cleanup): LoadProcess {
  const child = fork(join(__dirname, 'load.js'), { execArgv: [], serialization: 'advanced' })
  const exited = new Promise<never>((_resolve, reject) => {
    child.once('exit', () => { reject(new Error('the load generator has ended')) })
  })
  exited.catch(() => {})
  cleanup.later(() => { child.kill('SIGKILL') })

  return {
    async run (order, at) {
      const done = Promise.withResolvers<LoadResult>()
      const listen = (report: LoadReport): void => {
        if (report.type === 'begun') at.begun()
        else if (report.type === 'ended') at.ended()
        else if (report.type === 'failed') done.reject(new Error(`the load generator failed: ${report.reason}`))
        else done.resolve(report)
      }
      const limitMs = order.warmUpMs + order.measureMs + PATIENCE_MS
      const timer = setTimeout(() => { done.reject(new Error(`the load generator did not finish within ${limitMs} ms`)) }, limitMs)
      child.on('message', listen)
      try {
        child.send(order)
        return await Promise.race([done.promise, exited])
      } finally {
        clearTimeout(timer)
        child.off('message', listen)
      }
    }
  }
}
