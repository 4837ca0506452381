import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chownSync, closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Binaries, findBinaries } from './embedded-binaries.js'
import { StartFault, fileFault } from './embedded-fault.js'
import { type DatabaseUser, canEnter, closedFolder, databaseUser } from './embedded-user.js'

/** A PostgreSQL data folder that can be started, with what it takes to do so. */
export interface Cluster {
  /** Its real path; `DATA_DIR/postgresql` is it or links to it. */
  folder: string
  password: string
  user: DatabaseUser
  binaries: Binaries
}

/**
 * Finds the database in a data folder or makes it there.
 *
 * It is initialized in a folder beside its place, which is renamed when all is on disk: what is in
 * its place is always complete, and leftovers of an interrupted start are thrown away.
 *
 * @param quick leaves the flushing to disk out
 * @throws StartFault when it is of another major version, cannot be reached or made
 */
export async function openCluster (dataDir: string, quick: boolean, log: (line: string) => void): Promise<Cluster> {
  const place = join(dataDir, 'postgresql')
  try {
    const folder = existing(place)
    if (folder === undefined) return await create(dataDir, place, quick, log)
    return reopen(folder, place, log)
  } catch (error) {
    throw fileFault(error, dataDir)
  }
}

const passwordFile = 'config-service.password'
/** For databases of root whose data folder lets nobody else in. */
const lentFolder = '/var/lib/config-service'

function existing (place: string): string | undefined {
  const entry = lstatSync(place, { throwIfNoEntry: false })
  if (entry === undefined) return undefined
  if (entry.isSymbolicLink() && !existsSync(place)) {
    throw new StartFault(`${place} links to a folder that is no longer there, so the database is missing. ` +
      'Bring that folder back; or, to begin with an empty database, remove the link.')
  }
  if (!statSync(place).isDirectory()) {
    throw new StartFault(`${place} is a file, but the database needs a folder of that name. Move the file away, or set DATA_DIR to another folder.`)
  }
  const folder = realpathSync(place)
  const names = readdirSync(folder)
  if (names.includes('PG_VERSION')) return folder
  if (names.length === 0 && !entry.isSymbolicLink()) return undefined
  throw new StartFault(`${folder} is not empty, and it holds no PostgreSQL database either (PG_VERSION is missing). ` +
    'Nothing was changed. Move it away, or set DATA_DIR to another folder.')
}

function reopen (folder: string, place: string, log: (line: string) => void): Cluster {
  const { uid, gid } = statSync(folder)
  const user = databaseUser({ uid, gid })
  if (!canEnter(folder, user)) {
    const closed = closedFolder(folder, user)
    throw new StartFault(`The database in ${folder} belongs to ${user.name}, whom ${closed} does not let in. ` +
      `Open it with: chmod o+x '${closed}' — or start as that user.`)
  }
  const binaries = findBinaries(user, log)
  const major = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim()
  if (major !== String(binaries.major)) {
    throw new StartFault(`The database in ${place} was made by PostgreSQL ${major}, and this release brings PostgreSQL ${binaries.major}, which cannot read it. ` +
      'Nothing was changed. Start it with the release that made it and move the data over, or set DATA_DIR to a new folder to begin with an empty database.')
  }
  // A copy that root made belongs to root, which PostgreSQL would refuse.
  if (uid === 0 && 'uid' in user.ids) giveTo(folder, user)
  return { folder, password: readPassword(folder), user, binaries }
}

function readPassword (folder: string): string {
  const path = join(folder, passwordFile)
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new StartFault(`The database's password cannot be read from ${path} (${(error as NodeJS.ErrnoException).code}). ` +
      'Bring the file back from a copy of the folder; the data itself is untouched.')
  }
}

async function create (dataDir: string, place: string, quick: boolean, log: (line: string) => void): Promise<Cluster> {
  const user = databaseUser()
  const binaries = findBinaries(user, log)
  const reachable = canEnter(dataDir, user)
  const home = reachable ? dataDir : lentHome(dataDir)
  const prefix = reachable ? 'postgresql.new-' : `${nameFor(dataDir)}.new-`
  for (const name of readdirSync(home).filter((name) => name.startsWith(prefix))) remove(join(home, name))

  const work = join(home, prefix + randomBytes(4).toString('hex'))
  const fresh = join(work, 'data')
  const password = randomBytes(24).toString('hex')
  log(`Creating a PostgreSQL ${binaries.version} database in ${place}`)
  try {
    mkdirSync(fresh, { recursive: true, mode: 0o700 })
    writeFileSync(join(work, passwordFile), `${password}\n`, { mode: 0o600 })
    giveTo(work, user)
    await initialize(fresh, join(work, passwordFile), binaries, user, quick)
    renameSync(join(work, passwordFile), join(fresh, passwordFile))
    if (!quick) flush(fresh)
    const folder = reachable ? place : join(home, `${nameFor(dataDir)}-${randomBytes(4).toString('hex')}`)
    renameSync(fresh, folder)
    flush(home)
    if (!reachable) {
      symlinkSync(folder, place)
      flush(dataDir)
      log(`The ${user.name}, as whom it runs, may not enter ${closedFolder(dataDir, user)}, so it is kept in ${folder}; ${place} links to it`)
    }
    return { folder: realpathSync(folder), password, user, binaries }
  } finally {
    remove(work)
  }
}

/** @throws StartFault with the end of what initdb said */
async function initialize (folder: string, pwfile: string, binaries: Binaries, user: DatabaseUser, quick: boolean): Promise<void> {
  const child = spawn(binaries.initdb, [
    `--pgdata=${folder}`, '--username=config', `--pwfile=${pwfile}`, '--auth=scram-sha-256', '--encoding=UTF8',
    '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--data-checksums', '--no-instructions',
    ...quick ? ['--no-sync'] : []
  ], { ...user.ids, cwd: '/', env: databaseEnvironment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (chunk: Buffer) => { output = (output + chunk.toString()).slice(-4000) }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code === 0) return
  const full = output.includes('No space left on device')
  throw new StartFault(`The database could not be created in ${dirname(dirname(folder))}${full ? ': the disk is full' : ''}.\n` +
    `${lastLines(output, 8)}\n` +
    (full ? 'Free some space, or set DATA_DIR to a folder elsewhere.' : 'Set DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL of your own.'))
}

/** PG* variables of the person who starts it must not reach it, and neither need secrets. */
export const databaseEnvironment = { LC_ALL: 'C', PATH: process.env['PATH'] ?? '/usr/bin:/bin' }

export function lastLines (text: string, count: number): string {
  return text.trim().split('\n').slice(-count).map((line) => `  ${line}`).join('\n')
}

function lentHome (dataDir: string): string {
  try {
    mkdirSync(lentFolder, { recursive: true, mode: 0o711 })
    return lentFolder
  } catch (error) {
    throw new StartFault(`PostgreSQL refuses to run as root, other users may not enter ${dataDir}, and ${lentFolder} cannot be made either (${(error as Error).message}). ` +
      'Set DATA_DIR to a folder that everybody may enter, or start as an ordinary user.')
  }
}

function nameFor (dataDir: string): string {
  return createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 12)
}

function giveTo (path: string, user: DatabaseUser): void {
  if (!('uid' in user.ids)) return
  chownSync(path, user.ids.uid, user.ids.gid)
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) giveTo(inner, user)
    else if (entry.isFile()) chownSync(inner, user.ids.uid, user.ids.gid)
  }
}

/** A rename is on disk when the folder is. */
function flush (folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** What an initdb that outlived its parent still writes to may resist: the next start tries again. */
function remove (path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) unlinkSync(path)
    else rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  } catch {}
}
