export interface Column { title: string, align?: 'left' | 'right' }

/** A table in plain text, two blanks between the columns. */
export function table (columns: readonly Column[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = columns.map(({ title }, n) => Math.max(title.length, ...rows.map((row) => (row[n] ?? '').length)))
  const line = (cells: readonly string[]): string => cells
    .map((cell, n) => columns[n]?.align === 'right' ? cell.padStart(widths[n] ?? 0) : cell.padEnd(widths[n] ?? 0))
    .join('  ').trimEnd()
  return [line(columns.map(({ title }) => title)), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** 12345.6 as 12,346 and 1.234 as 1.23: three digits at least, none too many. */
export function figure (value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
