import { type ChildProcess, spawn } from 'node:child_process'
import type { DatabaseUser } from './embedded-user.js'

/** Ends the server when this process is gone, whatever became of it. */
export interface Guard {
  process: ChildProcess
  /** The server to end. */
  watch (pid: number): void
  /** There is nothing left to end. */
  dismiss (): void
}

/**
 * A shell that waits for the end of a pipe that only this process holds open: the system closes it
 * even after kill -9. It runs as the database's user, so it can harm nothing else.
 */
export function startGuard (user: DatabaseUser): Guard {
  const child = spawn('/bin/sh', ['-c', script, 'config-service-guard'], {
    ...user.ids, cwd: '/', detached: true, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, stdio: ['pipe', 'ignore', 'ignore']
  })
  // Its own end is seen by `exit`; a broken pipe says nothing more.
  child.stdin.on('error', () => {})
  child.on('error', () => {})
  return {
    process: child,
    watch (pid) { child.stdin.write(`${pid}\n`) },
    dismiss () { child.stdin.end('done\n') }
  }
}

// Each signal is given ten seconds: fast shutdown, immediate shutdown, kill.
const script = `
pid=
while read -r word; do
  if [ "$word" = done ]; then exit 0; fi
  pid=$word
done
[ -n "$pid" ] || exit 0
for signal in INT QUIT KILL; do
  kill -s "$signal" "$pid" 2>/dev/null || exit 0
  tries=0
  while [ "$tries" -lt 100 ]; do
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.1 2>/dev/null || sleep 1
    tries=$((tries + 1))
  done
done
`
