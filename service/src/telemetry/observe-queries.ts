import { inSpan } from './span.js'
import { quiet } from './quiet.js'
import type { AttributesNamed } from './registry.js'
import { told, wrapped, type Arguments, type Descriptions, type Method, type Result, type SpanWith } from './observed.js'

type Facts = AttributesNamed<'db.operation' | 'db.table'>
type RepositorySpan = SpanWith<'db.operation' | 'db.table' | 'db.rows_affected' | 'db.type'>

/** `[span, operation, table, rows of a result]`; 'quiet' for what runs by itself and makes no spans. */
export type Query<F> = readonly [span: RepositorySpan, operation: NonNullable<Facts['db.operation']>, table: string, rows: (result: Result<F>, args: Arguments<F>) => number] | 'quiet'

/** A repository whose every method has a span with what it does to which table, and how many rows came of it. */
export function observeQueries<T extends { [K in keyof T]: Method }> (repository: T, descriptions: Descriptions<NoInfer<T>, { [K in keyof T]: Query<T[K]> }>): T {
  return wrapped(repository, descriptions as Record<keyof T, Query<Method>>, async (description, call, args) => {
    if (description === 'quiet') return await quiet(call)
    const [name, operation, table, rows] = description
    return await inSpan(name, { 'db.type': 'postgresql', 'db.operation': operation, 'db.table': table }, async (span) => {
      const result = await call()
      span.set({ 'db.rows_affected': told(() => rows(result as never, args as never)) })
      return result
    })
  })
}
