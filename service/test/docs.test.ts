import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/package.js'

const root = path.join(packageRoot, '..')

function markdownFiles (folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name)
    if (entry.isDirectory()) return entry.name.startsWith('.') || ['node_modules', 'build', 'dist'].includes(entry.name) ? [] : markdownFiles(name)
    return name.endsWith('.md') ? [name] : []
  })
}

t.test('every link of every document leads somewhere', async (t) => {
  const files = markdownFiles('.')
  t.ok(files.includes('README.md') && files.includes(path.join('docs', 'requirements.md')))
  for (const file of files) {
    for (const [, target] of readFileSync(path.join(root, file), 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^https?:/.test(target)) continue
      t.ok(existsSync(path.join(root, path.dirname(file), target)), `${file}: ${target}`)
    }
  }
})

t.test('no document is only a heading', async (t) => {
  for (const file of markdownFiles('.')) {
    const lines = readFileSync(path.join(root, file), 'utf8').split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
    t.ok(lines.length > 1, file)
  }
})
