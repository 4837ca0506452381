import './no-code-generation.js'
import { parentPort, workerData } from 'node:worker_threads'
import { Allowance } from './allowance.js'
import { dialects } from './dialects.js'
import { RepetitionError } from './faults.js'
import { toInstance } from './instance.js'
import { longestPointer, shortenMiddle, tooDeepAt, type Json } from './json.js'
import { loadSchema, valueFaults, type Loaded } from './load.js'
import type { SchemaFault } from './prepare.js'
import { jobCell, schemaCell, type Request, type Response, type WorkerSetup } from './protocol.js'
import { TextCache } from './text-cache.js'

/** The engine's callers accept 32 levels; here the bound only keeps the call stack safe. */
const deepestValues = 64

const { progress } = workerData as WorkerSetup
const cache = new TextCache<Loaded>({ maxEntries: 256, maxLength: 512 * 1024 })

type Faults = Array<SchemaFault & { schema: number }>

warmUp().then(() => {
  parentPort?.on('message', answer)
  reply({ kind: 'ready' })
}, error => {
  // Outside the promise, so that the engine sees the thread fail.
  queueMicrotask(() => { throw error })
})

async function answer (request: Request): Promise<void> {
  const { id } = request
  Atomics.store(progress, schemaCell, -1)
  Atomics.store(progress, jobCell, id)
  let response: Response
  try {
    response = { kind: 'done', id, faults: request.phase === 'inspect' ? await inspect(request.schemaTexts) : await check(request) }
  } catch (error) {
    response = { kind: 'failed', id, reason: reasonOf(error), message: String(error) }
  }
  Atomics.store(progress, jobCell, 0)
  reply(response)
}

async function inspect ([text]: [string]): Promise<Faults> {
  const { faults } = await load(text, 0)
  return faults.map(fault => ({ ...fault, schema: 0 }))
}

async function check ({ valuesText, schemaTexts }: { valuesText: string, schemaTexts: string[] }): Promise<Faults> {
  const found: Faults = []
  const values = parse(valuesText)
  if (values === undefined) return [{ schema: 0, path: '', message: 'the values are not JSON' }]
  const deep = tooDeepAt(values, deepestValues)
  if (deep !== undefined) return [{ schema: 0, path: shortenMiddle(deep, longestPointer), message: `the values nest deeper than ${deepestValues} levels` }]
  const instance = toInstance(values)
  const allowance = new Allowance()
  for (const [schema, text] of schemaTexts.entries()) {
    const { faults, compiled } = await load(text, schema)
    const more = compiled === undefined
      ? allowance.admitAll(faults.map(({ path, message }) => ({ path: '', message: `the schema itself cannot be used: ${message}`, schema_path: path })))
      : valueFaults({ compiled, value: instance, allowance })
    found.push(...more.map(fault => ({ ...fault, schema })))
    if (allowance.spent) break
  }
  return found
}

async function load (text: string, schema: number): Promise<Loaded> {
  Atomics.store(progress, schemaCell, schema)
  const known = cache.get(text)
  if (known !== undefined) return known
  const loaded = await loadSchema(text)
  cache.set(text, loaded)
  return loaded
}

// The first job must not pay for the meta-schemas, nor for code not yet compiled, out of its budget.
async function warmUp (): Promise<void> {
  const properties = Object.fromEntries(Array.from({ length: 100 }, (_, index) =>
    [`p${index}`, { type: 'string', pattern: '^a', anyOf: [{ enum: ['a'] }, { minLength: index }] }]))
  const values = JSON.stringify(Object.fromEntries(Object.keys(properties).map(name => [name, 1])))
  for (const { address } of dialects) {
    await check({ valuesText: values, schemaTexts: [JSON.stringify({ $schema: address, properties, required: ['q'] })] })
  }
}

function reasonOf (error: unknown): 'repetition' | 'stack' | 'crash' {
  if (error instanceof RepetitionError) return 'repetition'
  return error instanceof RangeError ? 'stack' : 'crash'
}

function parse (text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function reply (response: Response): void {
  parentPort?.postMessage(response)
}
