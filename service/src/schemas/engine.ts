import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { Overruns } from './overruns.js'
import type { SchemaFault } from './prepare.js'
import { jobCell, progressCells, schemaCell, type Request, type Response, type WorkerSetup } from './protocol.js'

export type { SchemaFault }
export type SchemaPhase = 'inspect' | 'check'
export type OverrunReason = 'time' | 'memory' | 'stack' | 'crash' | 'remembered'

export interface SchemaEngine {
  /**
   * Is this a schema we accept? [] when so; otherwise the first 100 faults, `path` pointing into the schema.
   * `schemaText` is JSON text of at most 64 KiB and 32 levels. Rejects with SchemaBudgetError or SchemaBusyError.
   *
   * Drafts 2020-12 and, when `$schema` says so, 07, with these bounds: a reference must start with `#` and lead to a
   * schema of the same text (a subschema, or an `$anchor`); `$id` and `$schema` stand at the root only, where `$id` has
   * no effect, since `#…` means the text itself whatever its base is; patterns are RE2 syntax. Keywords nobody knows
   * are annotations. So is `format`, except for the formats in formats.ts, which are checked.
   */
  inspect (schemaText: string): Promise<SchemaFault[]>
  /**
   * Do values satisfy all the schemas? The first 100 faults: `path` points into the values, `schema_path` into the schema
   * at the index `schema`. Rejects with SchemaBudgetError or SchemaBusyError.
   */
  check (valuesText: string, schemaTexts: string[]): Promise<Array<SchemaFault & { schema: number }>>
  /** Ends the worker. What still waits is rejected. */
  close (): Promise<void>
}

export interface SchemaEngineOptions {
  /** Wall time for one job, from its start in the worker. 250 unless told. */
  timeBudgetMs?: number
  /** Jobs that may wait. 64 unless told. */
  maxQueue?: number
  /** Heap of the worker in MiB. 64 unless told. */
  memoryMb?: number
  /** How long a schema that overran is refused at once. Two minutes unless told. */
  refuseForMs?: number
}

/** A schema took more time, memory or call stack than one job is given, or did so a short while ago. */
export class SchemaBudgetError extends Error {
  readonly phase: SchemaPhase
  readonly reason: OverrunReason
  /** Index of the schema that the job was at, when known. */
  readonly schema: number | undefined

  constructor ({ phase, reason, schema }: { phase: SchemaPhase, reason: OverrunReason, schema?: number | undefined }) {
    super(`the ${phase === 'inspect' ? 'inspection of the schema' : 'check against the schema'} ${overrunTexts[reason]}`)
    this.name = 'SchemaBudgetError'
    this.phase = phase
    this.reason = reason
    this.schema = schema
  }
}

/** Too many checks wait already: try again later. */
export class SchemaBusyError extends Error {
  constructor () {
    super('too many schema checks are waiting')
    this.name = 'SchemaBusyError'
  }
}

const overrunTexts: Record<OverrunReason, string> = {
  time: 'took longer than its time budget',
  memory: 'took more memory than its budget',
  stack: 'took more of the call stack than there is',
  crash: 'could not be completed',
  remembered: 'is refused because this schema overran its budget a short while ago'
}

/** How long a worker may take to start, and how many in a row may fail to before the jobs that wait are given up. */
const startMs = 10_000
const mostFailedStarts = 3

/**
 * Checks schemas and values in one worker thread, started at first use, one job after the other. A job that overruns
 * costs the worker, never the others: they go on in a new one.
 */
export function createSchemaEngine (options: SchemaEngineOptions = {}): SchemaEngine {
  const { timeBudgetMs = 250, maxQueue = 64, memoryMb = 64, refuseForMs = 120_000 } = options
  const overruns = new Overruns({ forMs: refuseForMs })
  const queue: Job[] = []
  let running: Job | undefined
  let current: RunningWorker | undefined
  let nextId = 1
  let failedStarts = 0
  let closed = false

  return {
    inspect: async schemaText => {
      const faults = await enqueue({ phase: 'inspect', schemaTexts: [schemaText] })
      return faults.map(({ schema, ...fault }) => fault)
    },
    check: async (valuesText, schemaTexts) => schemaTexts.length === 0 ? [] : await enqueue({ phase: 'check', valuesText, schemaTexts }),
    close
  }

  async function enqueue (work: Work): Promise<Faults> {
    if (closed) throw new Error('the schema engine is closed')
    refuseRemembered(work)
    if (queue.length >= maxQueue) throw new SchemaBusyError()
    return await new Promise((resolve, reject) => {
      queue.push({ request: { ...work, id: nextId++ }, resolve, reject })
      pump()
    })
  }

  function pump (): void {
    if (running !== undefined || closed) return
    if (queue.length === 0) {
      current?.worker.unref()
      return
    }
    // A caller waits, so the process must not end under it; an idle worker keeps nothing alive.
    current ??= start()
    current.worker.ref()
    if (!current.ready) return
    const job = queue.shift() as Job
    try {
      // Its schema may have overrun while it waited.
      refuseRemembered(job.request)
    } catch (error) {
      job.reject(error)
      return pump()
    }
    running = job
    Atomics.store(current.progress, jobCell, job.request.id)
    current.worker.postMessage(job.request)
    current.timer = setTimeout(overrun, timeBudgetMs, current)
  }

  function start (): RunningWorker {
    const progress = new Int32Array(new SharedArrayBuffer(progressCells * Int32Array.BYTES_PER_ELEMENT))
    const worker = new Worker(path.join(__dirname, 'worker.js'), {
      name: 'schemas',
      workerData: { progress } satisfies WorkerSetup,
      // Nothing of the process's preloads and no telemetry of its own: the thread is for untrusted work only.
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 8, stackSizeMb: 4 }
    })
    const started: RunningWorker = { worker, progress, ready: false, timer: setTimeout(() => { lost(started, 'crash') }, startMs) }
    worker.on('message', (response: Response) => { receive(started, response) })
    worker.on('error', (error: Error & { code?: string }) => { lost(started, error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'crash') })
    worker.on('exit', () => { lost(started, 'crash') })
    return started
  }

  function receive (from: RunningWorker, response: Response): void {
    if (from !== current) return
    clearTimeout(from.timer)
    if (response.kind === 'ready') {
      from.ready = true
      failedStarts = 0
      return pump()
    }
    if (running?.request.id !== response.id) return
    const job = running
    running = undefined
    if (response.kind === 'done') job.resolve(response.faults)
    else blame(job, response.reason, from)
    pump()
  }

  // Runs late when the event loop is late: the job may be done by now and only its answer not yet read.
  function overrun (worker: RunningWorker): void {
    if (worker === current && Atomics.load(worker.progress, jobCell) !== 0) lost(worker, 'time')
  }

  function lost (worker: RunningWorker, reason: OverrunReason): void {
    if (worker !== current) return
    current = undefined
    clearTimeout(worker.timer)
    worker.worker.terminate().catch(() => {})
    if (!worker.ready) giveUpAfter(++failedStarts)
    const job = running
    running = undefined
    if (job !== undefined) blame(job, reason, worker)
    pump()
  }

  function blame ({ request, reject }: Job, reason: OverrunReason, { progress }: RunningWorker): void {
    const at = request.phase === 'inspect' ? 0 : Atomics.load(progress, schemaCell)
    const text = request.schemaTexts[at]
    if (text !== undefined) overruns.add(text)
    reject(new SchemaBudgetError({ phase: request.phase, reason, schema: text === undefined ? undefined : at }))
  }

  function giveUpAfter (failures: number): void {
    if (failures < mostFailedStarts) return
    failedStarts = 0
    for (const job of queue.splice(0)) job.reject(new Error('the schema worker does not start'))
  }

  function refuseRemembered ({ phase, schemaTexts }: Work): void {
    const schema = schemaTexts.findIndex(text => overruns.has(text))
    if (schema !== -1) throw new SchemaBudgetError({ phase, reason: 'remembered', schema })
  }

  async function close (): Promise<void> {
    closed = true
    const worker = current
    current = undefined
    clearTimeout(worker?.timer)
    for (const job of [running, ...queue.splice(0)]) job?.reject(new Error('the schema engine is closed'))
    running = undefined
    await worker?.worker.terminate()
  }
}

type Faults = Array<SchemaFault & { schema: number }>
type WithoutId<R> = R extends Request ? Omit<R, 'id'> : never
type Work = WithoutId<Request>
interface Job { request: Request, resolve: (faults: Faults) => void, reject: (error: unknown) => void }
interface RunningWorker {
  worker: Worker
  progress: Int32Array
  ready: boolean
  /** Ends the wait for the start, then for the running job. */
  timer: NodeJS.Timeout
}
