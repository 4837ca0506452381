import * as Browser from '@hyperjump/browser'
import { addKeyword, defineVocabulary, loadDialect, Validation, type Keyword, type SchemaDocument, type ValidationContext } from '@hyperjump/json-schema/experimental'
import * as Instance from '@hyperjump/json-schema/instance/experimental'
import { dialects, our } from './dialects.js'
import { formats, longestFormatted } from './formats.js'
import { canonicalText, pointerKeys, type Json } from './json.js'
import { compilePattern, type Pattern } from './patterns.js'

/**
 * Registers our dialects with the validator: its own implementation of most keywords, ours where its own would run a
 * backtracking RegExp, take a constant for a schema, or count in binary fractions.
 */
export function registerDialects (): void {
  for (const keyword of [reference, pattern, patternProperties, additionalProperties, constant, enumeration, multipleOf, format]) addKeyword(keyword as Keyword<unknown>)
  for (const dialect of dialects) {
    defineVocabulary(dialect.id, dialect.keywords)
    loadDialect(dialect.id, { [dialect.id]: true })
  }
  // Nothing may be fetched, whatever a schema says; references are local before they come here.
  for (const scheme of ['http', 'https', 'file']) Browser.removeUriSchemePlugin(scheme)
}

type Schema = Browser.Browser<SchemaDocument>
interface Evaluated extends ValidationContext { evaluatedProperties?: Set<string> }

/** The value of a reference is the pointer of its target (prepare.ts). */
const reference: Keyword<string> = {
  id: our('$ref'),
  async compile (schema, ast, parent) {
    let target: Browser.Browser = await Browser.get(schema.document.baseUri, { ...schema })
    for (const key of pointerKeys(Browser.value<string>(schema)) ?? []) target = await Browser.step(key, target)
    return await Validation.compile(target as Schema, ast, parent)
  },
  interpret: (target, instance, context) => Validation.interpret(target, instance, context),
  simpleApplicator: true
}

const pattern: Keyword<Pattern & { source: string }> = {
  id: our('pattern'),
  async compile (schema) {
    const source = Browser.value<string>(schema)
    return { ...compilePattern(source), source }
  },
  interpret: (pattern, instance) => Instance.typeOf(instance) !== 'string' || pattern.test(Instance.value(instance))
}

const patternProperties: Keyword<Array<[Pattern, string]>, Evaluated> = {
  id: our('patternProperties'),
  async compile (schema, ast, parent) {
    const patterns: Array<[Pattern, string]> = []
    for await (const [source, member] of Browser.entries(schema)) patterns.push([compilePattern(source), await Validation.compile(member as Schema, ast, parent)])
    return patterns
  },
  interpret (patterns, instance, context) {
    let valid = true
    for (const [name, member] of members(instance)) {
      for (const [pattern, target] of patterns) {
        if (!pattern.test(name)) continue
        valid = Validation.interpret(target, member, context) && valid
        context.evaluatedProperties?.add(name)
      }
    }
    return valid
  },
  simpleApplicator: true
}

const additionalProperties: Keyword<{ names: Set<string>, patterns: Pattern[], target: string }, Evaluated> = {
  id: our('additionalProperties'),
  async compile (schema, ast, parent) {
    const { properties = {}, patternProperties = {} } = Browser.value<{ properties?: object, patternProperties?: object }>(parent)
    return {
      names: new Set(Object.keys(properties)),
      patterns: Object.keys(patternProperties).map(compilePattern),
      target: await Validation.compile(schema, ast, parent)
    }
  },
  interpret ({ names, patterns, target }, instance, context) {
    let valid = true
    for (const [name, member] of members(instance)) {
      if (names.has(name) || patterns.some(pattern => pattern.test(name))) continue
      valid = Validation.interpret(target, member, context) && valid
      context.evaluatedProperties?.add(name)
    }
    return valid
  },
  simpleApplicator: true
}

/** The value is canonical text (prepare.ts). */
const constant: Keyword<string> = {
  id: our('const'),
  compile: async schema => Browser.value<string>(schema),
  interpret: (text, instance) => canonicalText(Instance.value<Json>(instance)) === text
}

/** The value is a list of canonical texts (prepare.ts). */
const enumeration: Keyword<Set<string>> = {
  id: our('enum'),
  compile: async schema => new Set(Browser.value<string[]>(schema)),
  interpret: (texts, instance) => texts.has(canonicalText(Instance.value<Json>(instance)))
}

const multipleOf: Keyword<number> = {
  id: our('multipleOf'),
  compile: async schema => Browser.value<number>(schema),
  interpret: (step, instance) => Instance.typeOf(instance) !== 'number' || isMultiple(Instance.value<number>(instance), step)
}

const format: Keyword<string> = {
  id: our('format'),
  compile: async schema => Browser.value<string>(schema),
  interpret (name, instance) {
    const format = formats.get(name)
    if (format === undefined || Instance.typeOf(instance) !== 'string') return true
    const text = Instance.value<string>(instance)
    return text.length <= longestFormatted && format.test(text)
  }
}

function * members (instance: Instance.JsonNode): Generator<[string, Instance.JsonNode]> {
  for (const [name, member] of Instance.entries(instance)) yield [Instance.value<string>(name), member]
}

/** By the decimal digits that were written, so that 0.3 is a multiple of 0.1. */
export function isMultiple (value: number, step: number): boolean {
  // JSON.parse makes infinity of a number such as 1e400.
  if (!Number.isFinite(value) || !Number.isFinite(step) || step === 0) return false
  if (Number.isSafeInteger(value) && Number.isSafeInteger(step)) return value % step === 0
  const [a, b] = [decimal(value), decimal(step)]
  const exponent = Math.min(a.exponent, b.exponent)
  return (a.digits * 10n ** BigInt(a.exponent - exponent)) % (b.digits * 10n ** BigInt(b.exponent - exponent)) === 0n
}

function decimal (value: number): { digits: bigint, exponent: number } {
  const [mantissa = '0', power = '0'] = Math.abs(value).toExponential().split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  return { digits: BigInt(whole + fraction), exponent: Number(power) - fraction.length }
}
