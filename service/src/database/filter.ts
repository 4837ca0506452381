/** A WHERE clause that is put together from what a request asks for, with numbered parameters. */
export interface Filter {
  readonly values: unknown[]
  /** Adds a condition; `$` stands for the parameter. `part` names it in the statement's name. */
  add (part: string, condition: string, value: unknown): void
  /** ` where …`, or nothing. */
  readonly clause: string
  /** The names of the conditions, for the name of the statement: the same name is always the same text. */
  readonly name: string
}

export function createFilter (): Filter {
  const values: unknown[] = []
  const conditions: string[] = []
  const parts: string[] = []
  return {
    values,
    add (part, condition, value) {
      values.push(value)
      conditions.push(condition.replaceAll('$', `$${values.length}`))
      parts.push(part)
    },
    get clause () { return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}` },
    get name () { return parts.map((part) => `-${part}`).join('') }
  }
}

/** Adds the conditions that applications and configurations share: name prefix and labels, on table alias `t`. */
export function filterObjects (filter: Filter, alias: string, query: { name?: string, label?: readonly string[] }): void {
  if (query.name !== undefined && query.name !== '') {
    // The range lets the index on the name work; names hold nothing above "z".
    filter.add('name', `${alias}.name >= $`, query.name)
    filter.add('to', `${alias}.name < $`, `${query.name}~`)
  }
  const exact = new Map<string, string>()
  const present: string[] = []
  let impossible = false
  for (const label of query.label ?? []) {
    const at = label.indexOf('=')
    const key = at === -1 ? label : label.slice(0, at)
    const value = label.slice(at + 1)
    if (at === -1) {
      present.push(key)
    } else if (exact.has(key) && exact.get(key) !== value) {
      impossible = true
    } else {
      exact.set(key, value)
    }
  }
  if (impossible) filter.add('none', '$::boolean', false)
  if (exact.size > 0) filter.add('is', `${alias}.labels::jsonb @> $::jsonb`, `{${[...exact].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`)
  if (present.length > 0) filter.add('has', `${alias}.labels::jsonb ?& $::text[]`, present)
}
