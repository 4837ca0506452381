import { existsSync } from 'node:fs'
import path from 'node:path'

/** The folder with package.json and migrations/, from compiled code wherever that is below it. */
export const packageRoot = findUp(__dirname)

/** Of this release. */
export const { version } = require(path.join(packageRoot, 'package.json')) as { version: string }

function findUp (folder: string): string {
  if (existsSync(path.join(folder, 'package.json'))) return folder
  const up = path.dirname(folder)
  if (up === folder) throw new Error(`no package.json above ${__dirname}`)
  return findUp(up)
}
