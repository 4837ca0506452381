import { createHash } from 'node:crypto'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { Overruns } from './overruns.js'
import type { SchemaFault } from './prepare.js'
import { jobCell, progressCells, schemaCell, type Request, type Response, type WorkerSetup } from './protocol.js'
import { TextCache } from './text-cache.js'

export type { SchemaFault }
export type SchemaPhase = 'inspect' | 'check'
export type OverrunReason = 'time' | 'memory' | 'stack' | 'repetition' | 'crash' | 'remembered'

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
   * at the index `schema`; fewer when their paths come to 64 KiB together. Of a path above 1000 characters only the
   * beginning and the end are told, with … between. Rejects with SchemaBudgetError or SchemaBusyError.
   */
  check (valuesText: string, schemaTexts: string[]): Promise<Array<SchemaFault & { schema: number }>>
  /** Ends the workers. What still waits is rejected. */
  close (): Promise<void>
}

export interface SchemaEngineOptions {
  /** Wall time for one job, from its start in the worker; 1 ms more for each KiB of values above 16 KiB. 250 unless told. */
  timeBudgetMs?: number
  /** Jobs that may wait. 64 unless told. */
  maxQueue?: number
  /** How long a job may wait for its start, the first start of a worker not counted. 2000 unless told. */
  maxQueueMs?: number
  /** Heap of the worker in MiB. 64 unless told. */
  memoryMb?: number
  /**
   * How long a schema whose inspection overran is refused at once, and so are values together with the schema whose
   * check overran. Two minutes unless told.
   */
  refuseForMs?: number
}

/** A job took more time, memory or call stack than it is given, or did so a short while ago. */
export class SchemaBudgetError extends Error {
  readonly phase: SchemaPhase
  readonly reason: OverrunReason
  /** Index of the schema that the job was at; undefined when it still prepared the values. */
  readonly schema: number | undefined

  constructor ({ phase, reason, schema }: { phase: SchemaPhase, reason: OverrunReason, schema?: number | undefined }) {
    super(overrunText({ phase, reason, ofValues: schema === undefined }))
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
  repetition: 'looked at one part of the values again and again',
  crash: 'could not be completed',
  remembered: 'is refused because the same overran its budget a short while ago'
}

function overrunText ({ phase, reason, ofValues }: { phase: SchemaPhase, reason: OverrunReason, ofValues: boolean }): string {
  if (phase === 'inspect') return `the inspection of the schema ${overrunTexts[reason]}`
  return ofValues
    ? `the values are too large to be checked: their preparation ${overrunTexts[reason]}`
    : `the check against the schema ${overrunTexts[reason]}`
}

/** How long a worker may take to start, and how many in a row may fail to before the jobs that wait are given up. */
const startMs = 10_000
const mostFailedStarts = 3

/** Values up to this many characters need no time of their own, larger ones a millisecond for each further KiB. */
const freeValues = 16 * 1024

/** How many schemas are known to be harmless, each to inspect and to check against. */
const mostHarmless = 4096

/**
 * Checks schemas and values in one worker thread, started at first use, one job after the other. A job that overruns
 * costs the worker, never the others: they go on in another one, which stands by from the first loss on.
 *
 * Jobs go first whose schemas all did well before in a job of that kind, in half of its time or less. A schema is never
 * refused because of the values that somebody sent along with it; it then only goes last for a while.
 */
export function createSchemaEngine (options: SchemaEngineOptions = {}): SchemaEngine {
  const { timeBudgetMs = 250, maxQueue = 64, maxQueueMs = 2000, memoryMb = 64, refuseForMs = 120_000 } = options
  const overruns = new Overruns({ forMs: refuseForMs })
  const suspects = new Overruns({ forMs: refuseForMs })
  const harmless = new TextCache<true>({ maxEntries: mostHarmless, maxLength: Infinity })
  const queue: Job[] = []
  let running: Job | undefined
  let current: RunningWorker | undefined
  let spare: RunningWorker | undefined
  const ending = new Set<Promise<unknown>>()
  let everReady = false
  let nextId = 1
  let failedStarts = 0
  let lostOne = false
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
    const keys = work.schemaTexts.map(hashOf)
    let valuesKey: string | undefined
    // Hashing large values costs; most of the time nobody asks.
    const overrunKey = (schema: number | undefined) => {
      if (work.phase === 'inspect') return keys[0] as string
      valuesKey ??= hashOf(work.valuesText)
      return schema === undefined ? valuesKey : `${keys[schema] ?? ''} ${valuesKey}`
    }
    const job = { request: { ...work, id: nextId++ }, keys, overrunKey }
    refuseRemembered(job)
    if (queue.length >= maxQueue) makeRoom(job)
    return await new Promise((resolve, reject) => {
      const waiting: Job = { ...job, resolve, reject, deadline: undefined, started: 0 }
      queue.push(waiting)
      if (everReady) setDeadline(waiting)
      pump()
    })
  }

  function setDeadline (job: Job): void {
    job.deadline = setTimeout(() => {
      queue.splice(queue.indexOf(job), 1)
      job.reject(new SchemaBusyError())
    }, maxQueueMs)
  }

  /** All that wait, or one of them, leave the queue. */
  function take (from = 0, count = queue.length): Job[] {
    const taken = queue.splice(from, count)
    for (const job of taken) clearTimeout(job.deadline)
    return taken
  }

  // An inspection says little about the checks that come after it.
  function isHarmless ({ request: { phase }, keys }: Pick<Job, 'request' | 'keys'>): boolean {
    return keys.every(key => harmless.get(`${phase} ${key}`) === true && !suspects.has(key))
  }

  // Where the queue is full of strangers, the last of them makes way for a job of good repute.
  function makeRoom (job: Pick<Job, 'request' | 'keys'>): void {
    const last = isHarmless(job) ? queue.findLastIndex(waiting => !isHarmless(waiting)) : -1
    if (last === -1) throw new SchemaBusyError()
    take(last, 1)[0]?.reject(new SchemaBusyError())
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
    const [job] = take(Math.max(0, queue.findIndex(isHarmless)), 1) as [Job]
    try {
      // The same may have overrun while it waited.
      refuseRemembered(job)
    } catch (error) {
      job.reject(error)
      return pump()
    }
    running = job
    Atomics.store(current.progress, jobCell, job.request.id)
    Atomics.store(current.progress, schemaCell, -1)
    current.worker.postMessage(job.request)
    job.started = performance.now()
    current.timer = setTimeout(overrun, budgetOf(job), current)
  }

  function budgetOf ({ request }: Job): number {
    const size = request.phase === 'check' ? request.valuesText.length : 0
    return timeBudgetMs + Math.max(0, size - freeValues) / 1024
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
    const started: RunningWorker = { worker, progress, ready: false, timer: setTimeout(() => { lost(started, 'crash') }, startMs).unref() }
    worker.on('message', (response: Response) => { receive(started, response) })
    worker.on('error', (error: Error & { code?: string }) => { lost(started, error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'crash') })
    worker.on('exit', () => { lost(started, 'crash') })
    // It keeps the process alive only while a job waits for it (pump). After the listeners, which keep it alive again.
    worker.unref()
    return started
  }

  function receive (from: RunningWorker, response: Response): void {
    if (from !== current && from !== spare) return
    clearTimeout(from.timer)
    if (response.kind === 'ready') {
      from.ready = true
      failedStarts = 0
      if (!everReady) queue.forEach(setDeadline)
      everReady = true
      // One after the other: jobs may wait for the first.
      if (from === current && lostOne) spare ??= start()
      return pump()
    }
    if (running?.request.id !== response.id) return
    const job = running
    running = undefined
    if (response.kind === 'done') {
      if (performance.now() - job.started < budgetOf(job) / 2) for (const key of job.keys) harmless.set(`${job.request.phase} ${key}`, true)
      job.resolve(response.faults)
    } else blame(job, response.reason, from)
    pump()
  }

  // Runs late when the event loop is late: the job may be done by now and only its answer not yet read.
  function overrun (worker: RunningWorker): void {
    if (worker === current && Atomics.load(worker.progress, jobCell) !== 0) lost(worker, 'time')
  }

  function lost (worker: RunningWorker, reason: OverrunReason): void {
    if (worker !== current && worker !== spare) return
    end(worker)
    if (worker === spare) {
      spare = undefined
      return
    }
    lostOne = true
    current = spare
    spare = undefined
    // One that failed to start is replaced when a job wants it.
    if (worker.ready) current ??= start()
    else giveUpAfter(++failedStarts)
    if (current?.ready === true) spare = start()
    const job = running
    running = undefined
    if (job !== undefined) blame(job, reason, worker)
    pump()
  }

  function blame ({ request: { phase }, keys, overrunKey, reject }: Job, reason: OverrunReason, { progress }: RunningWorker): void {
    const at = phase === 'inspect' ? 0 : Atomics.load(progress, schemaCell)
    const schema = at === -1 ? undefined : at
    overruns.add(overrunKey(schema))
    if (schema !== undefined) suspects.add(keys[schema] as string)
    reject(new SchemaBudgetError({ phase, reason, schema }))
  }

  function giveUpAfter (failures: number): void {
    if (failures < mostFailedStarts) return
    failedStarts = 0
    for (const job of take()) job.reject(new Error('the schema worker does not start'))
  }

  function refuseRemembered ({ request: { phase }, keys, overrunKey }: Pick<Job, 'request' | 'keys' | 'overrunKey'>): void {
    if (!overruns.any) return
    const schema = keys.findIndex((key, index) => overruns.has(key) || overruns.has(overrunKey(index)))
    if (schema !== -1) throw new SchemaBudgetError({ phase, reason: 'remembered', schema })
    if (overruns.has(overrunKey(undefined))) throw new SchemaBudgetError({ phase, reason: 'remembered' })
  }

  function end ({ worker, timer }: RunningWorker): void {
    clearTimeout(timer)
    const ended = worker.terminate().catch(() => {}).finally(() => { ending.delete(ended) })
    ending.add(ended)
  }

  async function close (): Promise<void> {
    closed = true
    const workers = [current, spare]
    current = spare = undefined
    for (const worker of workers) if (worker !== undefined) end(worker)
    for (const job of [running, ...take()]) job?.reject(new Error('the schema engine is closed'))
    running = undefined
    await Promise.all(ending)
  }
}

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

type Faults = Array<SchemaFault & { schema: number }>
type WithoutId<R> = R extends Request ? Omit<R, 'id'> : never
type Work = WithoutId<Request>
interface Job {
  request: Request
  /** A hash of each schema. */
  keys: string[]
  /** What to remember when it overruns at this schema, or (undefined) while it prepares the values. */
  overrunKey: (schema: number | undefined) => string
  resolve: (faults: Faults) => void
  reject: (error: unknown) => void
  /** Ends the wait in the queue. */
  deadline: NodeJS.Timeout | undefined
  /** When the worker got it, by the clock of `performance`. */
  started: number
}
interface RunningWorker {
  worker: Worker
  progress: Int32Array
  ready: boolean
  /** Ends the wait for the start, then for the running job. */
  timer: NodeJS.Timeout
}
