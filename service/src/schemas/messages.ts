import { value as valueOf } from '@hyperjump/json-schema/instance/experimental'
import type { Leaf } from './faults.js'
import { formats } from './formats.js'
import { isObject, shorten, type Json } from './json.js'

const typeNames: Record<string, string> = {
  null: 'null', boolean: 'a boolean', number: 'a number', integer: 'an integer', string: 'a string', array: 'an array', object: 'an object'
}

/**
 * What is wrong with a value, in plain words and bounded length: usually one text, one for each name with `required`.
 * A text says what the schema asks for and never what the value is, which may be a secret.
 */
export function messagesFor (leaf: Leaf): string[] {
  const { keyword, value } = leaf
  switch (keyword) {
    case 'type': return [`must be ${types([value].flat() as string[])}`]
    case 'const': return [`must be ${shorten(String(value), 120)}`]
    case 'enum': return [oneOf([...value as Iterable<string>])]
    case 'required': return missing(value as string[], leaf, '')
    case 'dependentRequired':
    case 'dependencies': return dependent(value as Array<[string, unknown]>, leaf)
    case 'minimum': return [`must be at least ${String(value)}`]
    case 'maximum': return [`must be at most ${String(value)}`]
    case 'exclusiveMinimum': return [`must be greater than ${String(value)}`]
    case 'exclusiveMaximum': return [`must be less than ${String(value)}`]
    case 'multipleOf': return [`must be a multiple of ${String(value)}`]
    case 'minLength': return [`must have at least ${count(value, 'character')}`]
    case 'maxLength': return [`must have at most ${count(value, 'character')}`]
    case 'minItems': return [`must have at least ${count(value, 'item')}`]
    case 'maxItems': return [`must have at most ${count(value, 'item')}`]
    case 'minProperties': return [`must have at least ${count(value, 'member')}`]
    case 'maxProperties': return [`must have at most ${count(value, 'member')}`]
    case 'uniqueItems': return ['must not have two equal items']
    case 'pattern': return [`must match the pattern ${shorten((value as { source: string }).source, 120)}`]
    case 'format': return [`must be ${formats.get(String(value))?.name ?? `of the format ${shorten(String(value), 60)}`}`]
    case 'contains': return [containing(value)]
    case 'not': return ['must not match the schema under "not"']
    case 'anyOf':
    case 'oneOf': return [alternatives(leaf)]
    case 'false': return [forbidden(leaf.address)]
    default: return [`does not satisfy "${shorten(keyword, 60)}"`]
  }
}

function types (names: string[]): string {
  return list(names.map(name => typeNames[name] ?? name))
}

function list (texts: string[]): string {
  return texts.length < 2 ? texts.join() : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1) ?? ''}`
}

function count (value: unknown, noun: string): string {
  return `${String(value)} ${noun}${value === 1 ? '' : 's'}`
}

function quote (name: string): string {
  return JSON.stringify(shorten(name, 100))
}

/** `texts` are canonical JSON in our keyword and in that of the library, which checks the meta-schema. */
function oneOf (texts: string[]): string {
  const all = texts.join(', ')
  return all.length <= 200 ? `must be one of ${all}` : `must be one of the ${texts.length} values that the schema lists`
}

function missing (names: string[], { instance }: Leaf, ending: string): string[] {
  const value = valueOf<Json>(instance)
  return names.filter(name => isObject(value) && !Object.hasOwn(value, name)).map(name => `must have the member ${quote(name)}${ending}`)
}

function dependent (dependencies: Array<[string, unknown]>, leaf: Leaf): string[] {
  const value = valueOf<Json>(leaf.instance)
  return dependencies.flatMap(([name, names]) => Array.isArray(names) && isObject(value) && Object.hasOwn(value, name)
    ? missing(names as string[], leaf, ` because it has ${quote(name)}`)
    : [])
}

function containing (value: unknown): string {
  const { minContains = 1, maxContains } = typeof value === 'object' ? value as { minContains?: number, maxContains?: number } : {}
  const most = maxContains === undefined || maxContains === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${maxContains}`
  return `must have at least ${count(minContains, 'item')}${most} matching the schema under "contains"`
}

function alternatives ({ keyword, value, instance, branches = [] }: Leaf): string {
  const total = (value as unknown[]).length
  if (branches.length < total) return `must match exactly one of the ${total} alternatives, but matches ${total - branches.length}`
  const wrongTypes = branches.map(branch => branch.find(leaf => leaf.keyword === 'type' && leaf.instance === instance)?.value)
  if (wrongTypes.every(type => type !== undefined)) return `must be ${types([...new Set(wrongTypes.flat() as string[])])}`
  return keyword === 'anyOf' ? `must match at least one of the ${total} alternatives` : `must match one of the ${total} alternatives`
}

function forbidden (address: string): string {
  if (/\/(?:additional|unevaluated)Properties$/.test(address)) return 'is not a member that the schema allows'
  if (/\/(?:additionalItems|unevaluatedItems|items)$/.test(address)) return 'is an item more than the schema allows'
  return 'is not allowed here'
}
