import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../src/package.js'
import { attributes, automaticMetrics, automaticSpans, events, metrics, spans } from '../src/telemetry/registry.js'

// Writes what is generated from the registry of telemetry into the files that show it, between markers:
//   <!-- generated: NAME -->  …  <!-- end of generated -->      (Markdown)
//   # generated: NAME         …  # end of generated             (YAML, keeping the indentation)
// With --check nothing is written: exit code 1 says that something is not as it would be generated.

const root = path.dirname(packageRoot)

const blocks: Record<string, Record<string, () => string[]>> = {
  'docs/metrics-reference.md': {
    metrics: () => metricTable(metrics),
    'automatic metrics': () => metricTable(automaticMetrics)
  },
  'docs/tracing-guide.md': {
    spans: () => table(['span', 'what', 'attributes'], Object.entries(spans).map(([name, { what, attributes }]) => [code(name), what, attributes.map(code).join(' ')])),
    'automatic spans': () => table(['span', 'what', 'from'], automaticSpans.map(({ name, what, scope }) => [code(name), what, code(scope)])),
    attributes: () => table(['attribute', 'type', 'what', 'older name'], Object.entries<{ type: string, values?: readonly string[], compat?: string, what: string }>(attributes).map(([name, { type, values, compat, what }]) =>
      [code(name), type, values === undefined ? what : `${what}: ${values.map(code).join(', ')}`, compat === undefined ? '' : code(compat)]))
  },
  'docs/logging-reference.md': {
    events: () => table(['event.name', 'level', 'when', 'fields'], Object.entries(events).map(([name, { level, what, fields }]) => [code(name), level, what, fields.map(code).join(' ')]))
  },
  'collector/config.yaml': {
    'compat names': () => Object.entries<{ what: string, compat?: string }>(attributes)
      .filter(([, { compat }]) => compat !== undefined)
      .map(([name, { compat }]) => `- set(span.attributes["${compat}"], span.attributes["${name}"])`)
  }
}

function metricTable (entries: Record<string, { kind: string, unit: string, attributes: readonly string[], what: string }>): string[] {
  return table(['metric', 'on /metrics', 'kind', 'unit', 'labels', 'what'], Object.entries(entries).map(([name, { kind, unit, attributes, what }]) =>
    [code(name), code(prometheusName(name, kind)), kind, unit === '1' ? '' : unit, attributes.map((attribute) => code(attribute.replaceAll('.', '_'))).join(' '), what]))
}

/** The name on /metrics: dots are underscores, counters end in `_total`, units are left out. */
function prometheusName (name: string, kind: string): string {
  return name.replaceAll('.', '_') + (kind === 'counter' && !name.endsWith('.total') ? '_total' : '')
}

function table (head: string[], rows: string[][]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
}

function code (text: string): string {
  return `\`${text}\``
}

/** @throws Error when a file lacks one of its blocks */
function rendered (file: string, text: string): string {
  for (const [name, lines] of Object.entries(blocks[file] ?? {})) {
    const block = new RegExp(`^([ ]*)(<!--|#) generated: ${name}( -->)?\\n(?:.*\\n)*?[ ]*\\2 end of generated`, 'm')
    if (!block.test(text)) throw new Error(`${file} has no block "generated: ${name}"`)
    text = text.replace(block, (_all, indent: string, open: string, close = '') =>
      [`${open} generated: ${name}${close}`, ...lines(), `${open} end of generated`].map((line) => indent + line).join('\n'))
  }
  return text
}

const check = process.argv.includes('--check')
for (const file of Object.keys(blocks)) {
  const present = readFileSync(path.join(root, file), 'utf8')
  const wanted = rendered(file, present)
  if (present === wanted) continue
  if (check) {
    console.error(`${file} is not what scripts/render makes of service/src/telemetry/registry.ts: run it`)
    process.exitCode = 1
  } else {
    writeFileSync(path.join(root, file), wanted)
    console.log(`wrote ${file}`)
  }
}
