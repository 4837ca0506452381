/** The page of metrics of a process, in the text format of Prometheus. */
export async function scrape (url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  return await answer.text()
}

/** Sums the series of a metric whose labels match; 0 when there is none. A counter may be named with or without _total. */
export function sumOf (page: string, name: string, labels = /./): number {
  const series = new RegExp(`^${name}(?:_total)?(\\{.*\\})? (\\S+)`)
  let sum = 0
  for (const line of page.split('\n')) {
    const [, found = '{}', value] = series.exec(line) ?? []
    if (value !== undefined && labels.test(found)) sum += Number(value)
  }
  return sum
}
