import type { SpanName } from './registry.js'
import { noteInternalError } from './internal-errors.js'

/** How each method of a service or repository is observed: one that nobody described does not compile. */
export type Descriptions<T, D extends { [K in keyof T]: unknown }> = { readonly [K in keyof T]-?: D[K] }

export type Method = (...args: never[]) => Promise<unknown>
export type Arguments<F> = F extends (...args: infer A) => unknown ? A : never
export type Result<F> = F extends (...args: never[]) => Promise<infer R> ? R : never

/** Spans whose attributes include all of these. */
export type SpanWith<A extends string> = { [S in SpanName]: A extends AttributesOf<S> ? S : never }[SpanName]
type AttributesOf<S extends SpanName> = (typeof import('./registry.js').spans)[S]['attributes'][number]

/** An object with the same methods, each called through `around`, which gets its description. */
export function wrapped<T extends object, D> (
  target: T,
  descriptions: Record<keyof T, D>,
  around: (description: D, call: () => Promise<unknown>, args: unknown[]) => Promise<unknown>
): T {
  const result: Record<string, unknown> = {}
  for (const name of Object.keys(descriptions) as Array<keyof T & string>) {
    const method = target[name] as (...args: unknown[]) => Promise<unknown>
    const description = descriptions[name]
    result[name] = async (...args: unknown[]) => await around(description, async () => await method(...args), args)
  }
  return result as T
}

/** What a description says, or nothing when it fails: telling must not break what is told of. */
export function told<T> (tell: () => T): T | undefined {
  try {
    return tell()
  } catch {
    noteInternalError()
    return undefined
  }
}
