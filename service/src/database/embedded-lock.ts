import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartFault, fileFault } from './embedded-fault.js'
import { type ProcessIdentity, identify, isRunning } from './embedded-processes.js'

/** The right to be the only one at work in a data folder. */
export interface FolderLock {
  /** Processes of an earlier holder that did not live to stop them, and that still run. */
  leftovers: ProcessIdentity[]
  /** Tells those who come second where this one is to be found. */
  serves (url: string): void
  /** Remembers processes to be ended by the next start should this one be killed. */
  remember (processes: ProcessIdentity[]): void
  release (): void
}

/**
 * Takes the lock of a data folder, which is made when missing.
 *
 * Everyone announces itself with a file of a name that nobody ever uses again, and only then looks
 * who else is there: whoever sees no one living holds the lock. Of two that come at the same
 * moment the one that looks last sees the other, so there are never two; the lower number stays
 * and the other steps back, so there is always one. Files of the dead can be removed by anybody at
 * any time, since nobody living has that name: a stale lock is no special case.
 *
 * @throws StartFault when it is held, and says by whom
 */
export async function lockFolder (folder: string): Promise<FolderLock> {
  makeFolder(folder)
  const self = identify(process.pid)
  if (self === undefined) throw new Error(`Process ${process.pid} does not find itself in the list of processes`)
  const name = `lock.${self.pid}-${randomBytes(4).toString('hex')}`
  let content: Announcement = { ...self, holds: false, children: [] }
  const leftovers = new Map<number, ProcessIdentity>()
  const announce = (change: Partial<Announcement> = {}) => {
    content = { ...content, ...change }
    write(folder, name, content)
  }
  const withdraw = () => { rmSync(join(folder, name), { force: true }) }

  const patience = Date.now() + 30_000
  for (;;) {
    announce()
    const others = living(folder, name, leftovers)
    if (others.length === 0) break
    const holder = others.find((other) => other.holds)
    if (holder !== undefined || Date.now() > patience) {
      withdraw()
      throw new StartFault(alreadyRunning(holder ?? others[0] as Announcement, folder))
    }
    if (others.some((other) => other.pid < self.pid || (other.pid === self.pid && other.name < name))) withdraw()
    await sleep(20)
  }

  announce({ holds: true })
  return {
    leftovers: [...leftovers.values()].filter(isRunning),
    serves: (url) => { tryTo(() => { announce({ url }) }) },
    remember: (children) => { tryTo(() => { announce({ children }) }) },
    release: withdraw
  }
}

/** A full disk must not stop what runs well: these lines only help others. */
function tryTo (announce: () => void): void {
  try {
    announce()
  } catch {}
}

interface Announcement extends ProcessIdentity {
  holds: boolean
  url?: string
  children: ProcessIdentity[]
}

const namePattern = /^lock\.(\d+)-[0-9a-f]{8}(\.tmp)?$/

function alreadyRunning (holder: Announcement, folder: string): string {
  const where = holder.url === undefined ? '' : ` at ${holder.url}`
  return `Already running (pid ${holder.pid})${where} on the data folder ${folder}. ` +
    'Stop it, or use another folder and port: PORT=8001 DATA_DIR=./other scripts/start'
}

function makeFolder (folder: string): void {
  try {
    makeWithParents(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileFault(error, folder)
    throw new StartFault(`The data folder ${folder} cannot be made: its file system takes no new folders. Set DATA_DIR to a folder that can be written to.`)
  }
}

/** By hand: Node's own recursive mkdir never returns where a file system answers ENOENT, as /proc does. */
function makeWithParents (folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return
  const parent = dirname(folder)
  if (parent !== folder) makeWithParents(parent)
  try {
    mkdirSync(folder)
    // As root PostgreSQL runs as another user, which must be able to pass through, not to look.
    chmodSync(folder, process.getuid?.() === 0 ? 0o711 : 0o700)
  } catch (error) {
    // Someone who starts at the same moment may have been faster.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

function write (folder: string, name: string, content: Announcement): void {
  const path = join(folder, name)
  try {
    writeFileSync(`${path}.tmp`, JSON.stringify(content), { mode: 0o600 })
    renameSync(`${path}.tmp`, path)
  } catch (error) {
    rmSync(`${path}.tmp`, { force: true })
    throw fileFault(error, folder)
  }
}

/** Who else is there and alive; clears away the others and collects what they have left running. */
function living (folder: string, own: string, leftovers: Map<number, ProcessIdentity>): Array<Announcement & { name: string }> {
  const found: Array<Announcement & { name: string }> = []
  for (const name of readdirSync(folder)) {
    const match = namePattern.exec(name)
    if (match === null || name === own) continue
    if (match[2] !== undefined) {
      if (identify(Number(match[1])) === undefined) rmSync(join(folder, name), { force: true })
      continue
    }
    const content = read(join(folder, name))
    if (content === 'gone') continue
    if (content !== undefined && isRunning(content)) {
      found.push({ ...content, name })
      continue
    }
    for (const child of content?.children ?? []) leftovers.set(child.pid, child)
    rmSync(join(folder, name), { force: true })
  }
  return found
}

function read (path: string): Announcement | 'gone' | undefined {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Partial<Announcement>
    return typeof content.pid === 'number' && typeof content.started === 'string' ? { holds: false, children: [], ...content } as Announcement : undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : undefined
  }
}
