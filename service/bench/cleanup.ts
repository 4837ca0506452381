/** What has to be undone at the end, however the end comes. */
export interface Cleanup {
  /** Remembers how to undo something; the last is undone first. */
  later (undo: () => unknown): void
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * Runs a benchmark and leaves nothing behind: neither at its end nor when it fails nor on Ctrl-C.
 * A second Ctrl-C ends it where it is; databases and services notice that and end by themselves.
 * @returns the exit code: that of the benchmark, or 128 + signal
 */
export async function withCleanup (run: (cleanup: Cleanup) => Promise<number>): Promise<number> {
  const undo: Array<() => unknown> = []
  const interrupted = Promise.withResolvers<number>()
  let signals = 0
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (++signals > 1) process.exit(128 + number)
      process.stderr.write(`\n${name}: stopping what was started\n`)
      interrupted.resolve(128 + number)
    })
  }
  const running = run({ later: (one) => { undo.push(one) } })
  // After an interruption it fails in some way, since what it uses is being stopped.
  running.catch(() => {})
  try {
    return await Promise.race([running, interrupted.promise])
  } finally {
    // Undoing may take so long that more is started meanwhile.
    for (let one = undo.pop(); one !== undefined; one = undo.pop()) {
      try {
        await one()
      } catch (error) {
        process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : String(error)}\n`)
      }
    }
  }
}
