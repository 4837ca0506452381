import { appendFile, mkdir, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'

export interface ErrorFile {
  /** For a log transport; takes lines, never fails and never holds anybody up: what the disk cannot take is lost. */
  stream: Writable
  /** false after a write failed or while one hangs, until a later one succeeds. */
  isWritable (): boolean
  /** Waits for what is under way. */
  close (): Promise<void>
}

const WAITING_BYTES = 1_048_576
const HANGING_MS = 10_000

/** Appends to `file` (mode 0600); at `maxBytes` it becomes `<file>.1` and a new one begins, so that there are two at most. */
export function createErrorFile ({ file, maxBytes = 10_485_760, onChange }: {
  file: string
  maxBytes?: number
  /** Called when `isWritable` has changed. */
  onChange: () => void
}): ErrorFile {
  let failed = false
  let startedAt: number | undefined

  // Opened for each write, so that it may be moved or removed at any time.
  async function append (lines: Buffer): Promise<void> {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
    const { size } = await stat(file).catch(() => ({ size: 0 }))
    if (size > 0 && size + lines.length > maxBytes) await rename(file, `${file}.1`)
    await appendFile(file, lines, { mode: 0o600 })
  }

  async function write (lines: Buffer): Promise<void> {
    const before = failed
    startedAt = performance.now()
    failed = await append(lines).then(() => false, () => true)
    startedAt = undefined
    if (failed !== before) onChange()
  }

  const sink = new Writable({
    decodeStrings: true,
    write (chunk: Buffer, _encoding, done) { void write(chunk).then(() => { done() }) },
    writev (chunks, done) { void write(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer))).then(() => { done() }) }
  })
  const unlessFull = sink.write.bind(sink) as (...args: unknown[]) => boolean
  sink.write = (...args: unknown[]) => sink.writableLength > WAITING_BYTES || sink.writableEnded || unlessFull(...args)

  return {
    stream: sink,
    isWritable: () => !failed && !(startedAt !== undefined && performance.now() - startedAt > HANGING_MS),
    async close () {
      if (!sink.writableEnded) await new Promise<void>((resolve) => { sink.end(resolve) })
    }
  }
}
