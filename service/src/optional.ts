/** `{[name]: value}`, or nothing when there is no value: an optional property that is absent, not undefined. */
export function whenGiven<N extends string, V> (name: N, value: V | undefined): { [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: V }
}
