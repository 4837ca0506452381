import { parseArgs } from 'node:util'

/** An option of a benchmark as it is written on the command line. */
export interface Option<T> {
  /** What follows the name, for the table of options; nothing for a switch. */
  argument: string
  /** As it would be written. */
  standard: string
  about: string
  /** @throws OptionFault */
  read (text: string): T
}

export type Options = Record<string, Option<unknown>>
export type Values<O extends Options> = { [name in keyof O]: O[name] extends Option<infer T> ? T : never }

/** What a person has written that cannot be used. */
export class OptionFault extends Error {
  override readonly name = 'OptionFault'
}

export function number (standard: number, range: { min: number, max: number }, about: string): Option<number> {
  return { argument: 'N', standard: String(standard), about, read: (text) => readNumber(text, range) }
}

export function numbers (standard: number[], range: { min: number, max: number }, about: string): Option<number[]> {
  return { argument: 'N,N', standard: standard.join(','), about, read: (text) => text.split(',').map((part) => readNumber(part, range)) }
}

export function words<W extends string> (possible: readonly W[], about: string): Option<W[]> {
  const read = (text: string): W[] => text.split(',').map((word) => {
    if (!possible.includes(word as W)) throw new OptionFault(`${word} is none of ${possible.join(', ')}`)
    return word as W
  })
  return { argument: 'A,B', standard: possible.join(','), about, read }
}

export function file (about: string): Option<string> {
  return { argument: 'FILE', standard: '', about, read: (text) => text }
}

export function pairs (about: string): Option<Record<string, string>> {
  const read = (text: string): Record<string, string> => Object.fromEntries(text.split(',').filter((pair) => pair !== '').map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new OptionFault(`${pair} is no NAME=VALUE`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
  return { argument: 'NAME=VALUE,...', standard: '', about, read }
}

export function flag (about: string): Option<boolean> {
  return { argument: '', standard: '', about, read: (text) => text === 'true' }
}

/** @throws OptionFault for an option that is unknown or has a value that cannot be used */
export function readOptions<O extends Options> (options: O, args: string[]): Values<O> {
  const config = Object.fromEntries(Object.entries(options).map(([name, { argument }]) => [name, { type: argument === '' ? 'boolean' as const : 'string' as const }]))
  const given = parse(config, args)
  return Object.fromEntries(Object.entries(options).map(([name, option]) => {
    try {
      return [name, option.read(String(given[name] ?? option.standard))]
    } catch (error) {
      throw error instanceof OptionFault ? new OptionFault(`--${name}: ${error.message}`) : error
    }
  })) as Values<O>
}

function parse (options: Record<string, { type: 'boolean' | 'string' }>, args: string[]): Record<string, unknown> {
  try {
    return parseArgs({ args, options, allowPositionals: false }).values
  } catch (error) {
    throw new OptionFault((error as Error).message)
  }
}

function readNumber (text: string, { min, max }: { min: number, max: number }): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= min && value <= max)) throw new OptionFault(`${text} is no number from ${min} to ${max}`)
  return value
}
