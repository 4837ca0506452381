import t from 'tap'
import fc from 'fast-check'
import { survivesDouble } from '../../src/json/number.js'
import { numbers } from './models.js'

t.test('numbers that a double holds survive', async t => {
  for (const lexeme of [
    '0', '-0', '0.0', '0e999999999999', '1.0', '1e3', '0.1', '1E+2', '-1e-7', '123456789012345', '9007199254740992',
    '1.7976931348623157e308', '17976931348623157' + '0'.repeat(292), '5e-324', '2.2250738585072014e-308', '1e23',
    '0.30000000000000004', '0.' + '0'.repeat(400) + '1e401', '1' + '0'.repeat(400) + 'e-400', '12345678901234567000'
  ]) t.ok(survivesDouble(lexeme), lexeme)
})

t.test('numbers that a double changes do not survive', async t => {
  for (const lexeme of [
    '1e999', '-1e999', '1e-400', '1e99999999999', '-1e-99999999999', '12345678901234567890', '9007199254740993',
    '0.1000000000000000055511151231257827', '4.9e-324', '1.7976931348623159e308', '0.300000000000000041', '1.00000000000000001'
  ]) t.notOk(survivesDouble(lexeme), lexeme)
})

t.test('a number survives exactly when it equals the shortest text of its double', async () => {
  const digits = fc.string({ unit: fc.constantFrom(...'00123456789'), minLength: 1, maxLength: 22 })
  const made = fc.tuple(fc.constantFrom('', '-'), digits, fc.option(digits), fc.option(fc.integer({ min: -340, max: 320 })))
    .map(([sign, whole, fraction, exponent]) =>
      sign + whole.replace(/^0+(?=.)/, '') + (fraction === null ? '' : '.' + fraction) + (exponent === null ? '' : 'e' + exponent))
  fc.assert(fc.property(fc.oneof(made, numbers), lexeme =>
    survivesDouble(lexeme) === sameValue(lexeme, String(Number(lexeme)))), { numRuns: 20_000 })
})

t.test('every double survives in each of its usual forms', async () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), double =>
    survivesDouble(String(double)) && survivesDouble(double.toExponential())), { numRuns: 5000 })
})

/** Compares with big integers, exactly but slowly. */
function sameValue (a: string, b: string): boolean {
  if (b.includes('Infinity')) return false
  const [x, y] = [exact(a), exact(b)]
  const least = Math.min(x.exponent, y.exponent)
  return x.digits * 10n ** BigInt(x.exponent - least) === y.digits * 10n ** BigInt(y.exponent - least)
}

function exact (lexeme: string): { digits: bigint, exponent: number } {
  const [mantissa = '', power = '0'] = lexeme.replace(/^-/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = BigInt(whole + fraction)
  // A power of ten is no matter for zero, but would make the other side long.
  return { digits, exponent: digits === 0n || power === '99999999999' ? 0 : Number(power) - fraction.length }
}
