import fc from 'fast-check'
import { type Json } from '../../src/json/index.js'

/** A JSON value described apart from the code under test. */
export type Model = { text: string } | { items: Model[] } | { members: Array<[string, Model]> }

/** The compact text of a model, or one with the given white space around every token. */
export function render (model: Model, space: string = ''): string {
  if ('text' in model) return space + model.text + space
  const inner = 'items' in model
    ? model.items.map(item => render(item, space))
    : model.members.map(([key, value]) => space + JSON.stringify(key) + space + ':' + render(value, space))
  const [open, close] = 'items' in model ? '[]' : '{}'
  return `${space}${open}${inner.join(',') || space}${close}${space}`
}

/** The text of a node with the members of all objects sorted, to compare without their order. */
export function canonical (node: Json): string {
  if (typeof node === 'string') return node
  if (Array.isArray(node)) return '[' + node.map(canonical).join(',') + ']'
  return '{' + Array.from(node, ([key, value]) => JSON.stringify(key) + ':' + canonical(value)).sort().join(',') + '}'
}

/** Any string that is kept: no U+0000 and no half surrogate pairs. */
export const strings: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }).map(text => text.replaceAll('\0', '')),
  fc.constantFrom('', '"', '\\', '/', '~', '~1', 'a/b', '\n', '\u2028', '\ufffd', '\ufeff', '\u007f', '😀', 'constructor')
)

export const keys: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '1', '2', '10', '0', '-', 'toString'), strings
).filter(key => key !== '__proto__')

export const numbers: fc.Arbitrary<string> = fc.oneof(
  fc.integer().map(String),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
  fc.constantFrom('1.0', '1e3', '-0', '0.10', '1E+2', '-0.0e-0', '100000000000000000000000', '5e-324', '0e99999999999')
)

export const scalars: fc.Arbitrary<string> = fc.oneof(
  numbers, strings.map(text => JSON.stringify(text)), fc.constantFrom('true', 'false', 'null')
)

export const models: fc.Arbitrary<Model> = modelsOf(scalars, keys)

/** Few keys and few values, so that random documents have much in common. */
export const alikeModels: fc.Arbitrary<Model> = modelsOf(
  fc.constantFrom('1', '1.0', '2', '"x"', 'null', 'true'), fc.constantFrom('a', 'b', '1', '0', 'a!', 'a/b', '~')
)

/**
 * Runs something for n and for 2n and gives how many times longer the latter takes. What is linear
 * can look worse on a busy machine, so it gets several attempts; what is not stays at 4 or more.
 */
export function growth<T> (make: (n: number) => T, run: (input: T) => void, n: number): number {
  const small = make(n)
  const large = make(2 * n)
  let best = Infinity
  for (let attempt = 0; attempt < 10 && best >= 3; attempt++) {
    best = Math.min(best, quickest(() => run(large)) / quickest(() => run(small)))
  }
  return best
}

function modelsOf (texts: fc.Arbitrary<string>, names: fc.Arbitrary<string>): fc.Arbitrary<Model> {
  return fc.letrec<{ model: Model }>(tie => ({
    model: fc.oneof(
      { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
      texts.map(text => ({ text })),
      fc.array(tie('model'), { maxLength: 6 }).map(items => ({ items })),
      fc.uniqueArray(fc.tuple(names, tie('model')), { maxLength: 6, selector: ([key]) => key }).map(members => ({ members }))
    )
  })).model
}

function quickest (run: () => void): number {
  let best = Infinity
  for (let i = 0; i < 5; i++) {
    const start = process.hrtime.bigint()
    run()
    best = Math.min(best, Number(process.hrtime.bigint() - start))
  }
  return best
}
