/**
 * Whether the decimal value of a JSON number is the decimal value that the shortest text of its
 * double has: 1.0 and 1e3 survive, 1e999, 1e-400 and 9007199254740993 do not. Takes time linear in
 * the lexeme's length, whatever the exponent says.
 */
export function survivesDouble (lexeme: string): boolean {
  const sent = decimal(lexeme)
  if (sent === undefined) return false
  if (sent.digits === '') return true
  const double = Number(`${sent.digits}e${sent.exponent}`)
  if (!Number.isFinite(double)) return false
  const kept = decimal(String(double))
  return kept !== undefined && kept.digits === sent.digits && kept.exponent === sent.exponent
}

/** What the double of a number is written as, for messages. */
export function asDouble (lexeme: string): string {
  return String(Math.abs(Number(lexeme)))
}

/** digits × 10^exponent, the digits without zeros at either end; no digits at all is zero. */
interface Decimal {
  digits: string
  exponent: number
}

/** The shortest text of a double never has more digits than this. */
const MOST_DIGITS = 17

/** The unsigned value of a lexeme; undefined when it has more digits than any double. */
function decimal (lexeme: string): Decimal | undefined {
  let first = -1
  let last = -1
  let point = -1
  let end = 0
  for (; end < lexeme.length; end++) {
    const code = lexeme.charCodeAt(end)
    if (code === 0x65 || code === 0x45) break
    if (code === 0x2e) {
      point = end
    } else if (code >= 0x31) {
      if (first < 0) first = end
      last = end
    }
  }
  if (first < 0) return { digits: '', exponent: 0 }
  if (last - first > MOST_DIGITS) return undefined
  const digits = lexeme.slice(first, last + 1).replace('.', '')
  if (digits.length > MOST_DIGITS) return undefined
  // The power of ten of the last digit: its distance to the point, which is not a place itself.
  const places = point < 0 ? end - last - 1 : last > point ? point - last : point - last - 1
  const power = end < lexeme.length ? Number(lexeme.slice(end + 1)) : 0
  return { digits, exponent: power + places }
}
