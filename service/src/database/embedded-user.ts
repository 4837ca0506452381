import { execFileSync, spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { StartFault } from './embedded-fault.js'

/**
 * As whom PostgreSQL runs. It refuses root, so that root lends it another user; everybody else
 * runs it as what they are, and `ids` is empty.
 */
export interface DatabaseUser {
  ids: { uid: number, gid: number } | Record<string, never>
  name: string
}

/**
 * @param owner of a database that is there already: it must be run by the one it belongs to
 * @throws StartFault when that is not possible
 */
export function databaseUser (owner?: { uid: number, gid: number }): DatabaseUser {
  const own = process.getuid?.()
  if (own !== 0) {
    if (owner !== undefined && owner.uid !== own) {
      throw new StartFault(`The database belongs to user number ${owner.uid}, and this is user number ${own}. ` +
        'Start as that user (or as root, if it was made as root), or set DATA_DIR to another folder.')
    }
    return { ids: {}, name: `user number ${own}` }
  }
  if (owner !== undefined && owner.uid !== 0) return { ids: owner, name: `user number ${owner.uid}` }
  // `nobody` is on every system, so that no user needs to be added to the machine.
  for (const name of ['postgres', 'nobody']) {
    const ids = lookUp(name)
    if (ids !== undefined) return { ids, name: `user "${name}"` }
  }
  throw new StartFault('PostgreSQL refuses to run as root, and there is neither a user "postgres" nor "nobody" to run it as. ' +
    'Start as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.')
}

/** Asks the system itself, since modes are not all that decides (ACLs, mount options). */
export function canEnter (folder: string, user: DatabaseUser): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...user.ids, cwd: '/', stdio: 'ignore' }).status === 0
}

/** The outermost folder on the way that keeps the user out. */
export function closedFolder (folder: string, user: DatabaseUser): string {
  const above = dirname(folder)
  return above === folder || canEnter(above, user) ? folder : closedFolder(above, user)
}

function lookUp (name: string): { uid: number, gid: number } | undefined {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}
