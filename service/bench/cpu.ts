import { allProcesses, processFacts } from './processes.js'

/** Processor time of a process so far, all its threads together, in seconds; NaN where the system does not tell. */
export function cpuSeconds (pid: number): number {
  return processFacts(pid)?.cpuSeconds ?? NaN
}

/** The same of a process and all its children, also of those that have ended. */
export function familyCpuSeconds (pid: number): number {
  const head = processFacts(pid)
  if (head === undefined) return NaN
  return allProcesses().filter(({ parent }) => parent === pid).reduce((sum, child) => sum + child.cpuSeconds, head.cpuSeconds + head.reapedCpuSeconds)
}
