import t from 'tap'
import fc from 'fast-check'
import { JsonFaultsError, JsonSyntaxError, parse, pointer, stringify, toPlain, type Fault } from '../../src/json/index.js'
import { growth, keys, models, render, strings } from './models.js'

const ALL = { maxDepth: 1000 }

t.test('a compact text comes back as it was sent', async () => {
  fc.assert(fc.property(models, model => {
    const text = render(model)
    return stringify(parse(text, ALL)) === text && stringify(parse(Buffer.from(text), ALL)) === text
  }), { numRuns: 1000 })
})

t.test('white space between tokens is dropped', async () => {
  fc.assert(fc.property(models, fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 4 }), (model, space) =>
    stringify(parse(render(model, space), ALL)) === render(model)))
})

t.test('integer-like keys keep their order', async t => {
  t.equal(stringify(parse('{"2":1,"1":2,"b":{"10":1,"9":0}}', ALL)), '{"2":1,"1":2,"b":{"10":1,"9":0}}')
})

t.test('escapes become what JSON.stringify writes', async t => {
  t.equal(stringify(parse('"\\u0041\\/\\n\\u000a\\ud83d\\ude00\\u00e4"', ALL)), '"A/\\n\\n😀ä"')
  fc.assert(fc.property(strings, text => {
    const escaped = Array.from({ length: text.length }, (_, i) => '\\u' + text.charCodeAt(i).toString(16).padStart(4, '0'))
    const sent = `"${escaped.join('')}"`
    return stringify(parse(sent, ALL)) === JSON.stringify(text) &&
      (text === '__proto__' || stringify(parse(`{${sent}:0}`, ALL)) === `{${JSON.stringify(text)}:0}`)
  }))
})

t.test('a text is malformed exactly when JSON.parse refuses it', async t => {
  let accepted = 0
  let refused = 0
  fc.assert(fc.property(models, mutations(), (model, mutate) => {
    const text = mutate(render(model, ' '))
    const expected = attempt(() => JSON.parse(text) as unknown)
    const result = attempt(() => parse(text, ALL))
    if ('error' in expected) refused++
    else accepted++
    if ('error' in expected) return result.error instanceof JsonSyntaxError
    if (result.error !== undefined) return result.error instanceof JsonFaultsError
    // JSON.parse of some engines takes keys with escapes for others.
    return text.includes('\\') || JSON.stringify(toPlain(result.value!)) === JSON.stringify(expected.value)
  }), { numRuns: 20_000 })
  t.ok(accepted > 1000 && refused > 1000, `${accepted} accepted, ${refused} refused`)
})

t.test('bytes are malformed exactly when they are not UTF-8 or JSON.parse refuses them', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.tuple(models, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })).map(([model, changes]) => {
      const sent = Buffer.from(render(model))
      for (const [at, byte] of changes) sent[at % sent.length] = byte
      return sent
    }))
  fc.assert(fc.property(bytes, input => {
    const expected = attempt(() => JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)) as unknown)
    const { error } = attempt(() => parse(Buffer.from(input), ALL))
    return 'error' in expected ? error instanceof JsonSyntaxError : !(error instanceof JsonSyntaxError)
  }), { numRuns: 10_000 })
})

t.test('a malformed text is refused with the place where it breaks', async t => {
  for (const [text, path, offset, message] of [
    ['', '', 0, 'the text is empty; send a JSON value'],
    [' ', '', 1, 'the text ends where a value is expected'],
    ['\ufeff{}', '', 0, 'the text starts with a byte order mark; send it without one'],
    ['{"a":1}x', '', 7, 'unexpected x after the end of the value; send one value only'],
    ['{"a":[1,{"b/c":tru}]}', '/a/1/b~1c', 18, 'unexpected } inside the word true; send a string in double quotes'],
    ['{"a":1,}', '', 7, 'unexpected } where a key in double quotes is expected'],
    ['{"a" 1}', '/a', 5, 'unexpected 1 where a colon is expected'],
    ['{"a":1 "b":2}', '', 7, 'unexpected " where a comma or } is expected'],
    ['[1,2', '', 4, 'the text ends where a comma or ] is expected'],
    ['[1,]', '/1', 3, 'unexpected ] where a value is expected'],
    ['[01]', '/0', 1, 'a number starts with a zero; leave it out'],
    ['[-]', '/0', 2, 'unexpected ] where a digit is expected'],
    ['[1.]', '/0', 3, 'unexpected ] where a digit is expected'],
    ['[1e+]', '/0', 4, 'unexpected ] where a digit is expected'],
    ['["ä\t"]', '/0', 4, 'unexpected character U+0009 inside a string; escape it'],
    ['["\\x"]', '/0', 3, 'unexpected x after a backslash; escape a backslash as \\\\'],
    ['["\\u12g4"]', '/0', 6, 'unexpected g where four hexadecimal digits are expected after \\u'],
    ['["abc', '/0', 5, 'the text ends inside a string; close it with a double quote'],
    ['["\\', '/0', 3, 'the text ends after a backslash; escape a backslash as \\\\'],
    ['[😀]', '/0', 1, 'unexpected character U+1F600 where a value is expected']
  ] as const) {
    const fault = refusal(text)
    t.match(fault, { path, offset, message }, JSON.stringify(text))
    t.same(refusal(Buffer.from(text)), fault, 'and the same as bytes')
  }
})

t.test('line and column count from 1, in characters', async t => {
  t.match(refusal('{\n  "😀": x\n}'), { line: 2, column: 8, offset: 12, path: '/😀' })
})

t.test('bytes that are not UTF-8 are refused at their offset', async t => {
  for (const [bytes, path, offset] of [
    [[0xff], '', 0],
    [[...Buffer.from('{"a":"ä'), 0xc3, ...Buffer.from('"}')], '/a', 8],
    [[...Buffer.from('["\ufffd\ufffd'), 0xed, 0xa0, 0x80], '/0', 8],
    [[...Buffer.from('["\ufffd'), 0xef, 0xbf], '/0', 5],
    [[...Buffer.from('[1]'), 0x80], '', 3],
    [[...Buffer.from('[t'), 0x80], '/0', 2],
    [[...Buffer.from('{"a":{}'), 0xf5], '', 7]
  ] as const) {
    t.match(refusal(Buffer.from(bytes)), { path, offset, message: `byte ${offset} is not valid UTF-8; send the text in UTF-8` })
  }
  t.match(refusal(Buffer.from([...Buffer.from('[x'), 0x80])), { path: '/0', offset: 1 }, 'what breaks before comes first')
})

t.test('nesting is limited, the root container being the first level', async t => {
  t.equal(stringify(parse('[{"a":[]}]', { maxDepth: 3 })), '[{"a":[]}]')
  t.equal(stringify(parse('1', { maxDepth: 0 })), '1')
  const error = attempt(() => parse('[{"a":[]}]', { maxDepth: 2 })).error as JsonSyntaxError
  t.match(error.fault, { path: '/0/a', offset: 6, message: 'the value is nested deeper than 2 levels; make it flatter' })
  t.equal(error.reason, 'depth')
  t.throws(() => parse('[]', { maxDepth: 1001 }), RangeError)
  for (const unit of ['[', '{"a":', '[[[],', '[{"":']) {
    t.match(refusal(unit.repeat(1_000_000)).message, 'nested deeper than 1000 levels')
  }
  const deep = '['.repeat(1000) + ']'.repeat(1000)
  t.equal(stringify(parse(deep, ALL)), deep)
})

t.test('all that cannot be kept is reported in order', async t => {
  t.same(faults('{"a":1e999,"a":["\\u0000",{"x/y~":"\\ud800"}],"__proto__":{"\\u0061":1,"a":2},"\\udc00":1}'), [
    { path: '/a', message: 'number 1e999 does not fit a double; send it as a string' },
    { path: '/a', message: 'this key is there more than once; send it once' },
    { path: '/a/0', message: 'the character U+0000 is not allowed; remove it' },
    { path: '/a/1/x~1y~0', message: 'half of a surrogate pair is not a character; send both halves or neither' },
    { path: '/__proto__', message: 'the key __proto__ is not allowed; choose another name' },
    { path: '/__proto__/a', message: 'this key is there more than once; send it once' },
    { path: '/\ufffd', message: 'half of a surrogate pair is not a character; send both halves or neither' }
  ])
  t.equal(faults('"\ud800"').length, 1, 'also as it is in a string')
  t.equal(faults('{"\udc00a":1}').length, 1, 'also as it is in a key')
  t.equal(faults('{"\\u005f_proto__":1}').length, 1, 'also with escapes')
  t.equal(faults('{"a\\u0000":1}').length, 1, 'also in keys')
  t.same(faults('[1e999,1e999,1e999]', 2).map(fault => fault.path), ['/0', '/1'], 'the first of them')
})

t.test('a malformed text is that only, whatever else is wrong', async t => {
  t.ok(refusal('[1e999,"\\u0000",'))
})

t.test('a fault has the pointer of the value it is about', async () => {
  fc.assert(fc.property(fc.array(keys), path => {
    const text = path.map(key => `{"x":[],${JSON.stringify(key === 'x' ? 'y' : key)}:`).join('') + '1e999' + '}'.repeat(path.length)
    const node = parse(text.replace('1e999', '"here"'), ALL)
    return stringify(pointer.get(node, faults(text)[0]!.path)!) === '"here"'
  }))
})

t.test('messages stay short and printable', async t => {
  t.equal(faults('9'.repeat(100_000))[0]?.message, `number ${'9'.repeat(37)}... does not fit a double; send it as a string`)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, quoted) => {
    const { error } = attempt(() => parse(quoted ? `["${text}` : text, ALL))
    if (error === undefined) return true
    const { message } = (error as JsonSyntaxError | JsonFaultsError).faults[0]!
    return message.length < 140 && /^[ -~]+$/.test(message)
  }), { numRuns: 2000 })
})

t.test('many faults below a long key do not make a long answer', async t => {
  const found = faults(`{"${'k'.repeat(100_000)}":[${'1e999,'.repeat(1000)}1]}`)
  t.equal(found.length, 1)
})

t.test('reading takes time linear in the length of the text', async t => {
  const cases: Array<[string, number, (n: number) => string | Buffer]> = [
    ['backslashes', 500_000, n => '"' + '\\\\'.repeat(n) + '"'],
    ['unclosed backslashes', 500_000, n => '"' + '\\\\'.repeat(n)],
    ['opening brackets', 500_000, n => '['.repeat(n)],
    ['digits', 500_000, n => '9'.repeat(n)],
    ['zeros', 500_000, n => '1' + '0'.repeat(n) + '.' + '0'.repeat(n) + 'e-' + n],
    ['exponent', 500_000, n => '1e' + '9'.repeat(n)],
    ['duplicate keys', 100_000, n => '{' + Array(n).fill('"a":1').join() + '}'],
    ['different keys', 50_000, n => '{' + Array.from({ length: n }, (_, i) => `"${i}":1`).join() + '}'],
    ['faults', 100_000, n => '[' + Array(n).fill('"\\u0000"').join() + ']'],
    ['numbers that do not fit', 50_000, n => '[' + Array(n).fill('1.00000000000000000001').join() + ']'],
    ['objects', 50_000, n => '[' + Array(n).fill('{"~/":[]}').join() + ']'],
    ['lines', 300_000, n => '\n'.repeat(n) + 'x'],
    ['replacement characters', 50_000, n => Buffer.concat([Buffer.from('"' + '\ufffd'.repeat(n)), Buffer.from([0xff])])]
  ]
  for (const [name, n, make] of cases) {
    const ratio = growth(make, input => { attempt(() => parse(input, ALL)) }, n)
    t.ok(ratio < 3, `${name}: ${ratio.toFixed(2)} times as long for twice the text`)
  }
})

function attempt<T> (run: () => T): { value?: T, error?: unknown } {
  try {
    return { value: run() }
  } catch (error) {
    return { error }
  }
}

function refusal (input: string | Buffer): JsonSyntaxError['fault'] {
  const { error } = attempt(() => parse(input, ALL))
  if (!(error instanceof JsonSyntaxError)) throw new Error('not refused', { cause: error })
  return error.fault
}

function faults (input: string, maxFaults = 100): readonly Fault[] {
  const { error } = attempt(() => parse(input, { ...ALL, maxFaults }))
  if (!(error instanceof JsonFaultsError)) throw new Error('no faults', { cause: error })
  return error.faults
}

function mutations (): fc.Arbitrary<(text: string) => string> {
  const piece = fc.oneof(
    fc.constantFrom(...'{}[]",:\\ntfu0123456789eE+-. \t\n\0\u00a0\ufeff\ud800\udc00/'),
    fc.constantFrom('', 'true', 'null', '\\u', '\\ud83d', '""', '1.5e-3', 'Infinity', "'", '{"a":1}'))
  const step = fc.tuple(fc.nat(), fc.nat(3), piece)
  return fc.array(step, { minLength: 0, maxLength: 3 }).map(steps => text => steps.reduce((changed, [at, cut, put]) => {
    const index = at % (changed.length + 1)
    return changed.slice(0, index) + put + changed.slice(index + cut)
  }, text))
}
