import { isUtf8 } from 'node:buffer'
import { MAX_DEPTH, raw, type Json, type JsonObject, type Scalar } from './document.js'
import { JsonFaultsError, JsonSyntaxError, type Fault } from './errors.js'
import { asDouble, survivesDouble } from './number.js'
import { join } from './pointer.js'

export interface ParseOptions {
  /** How many containers may be around a value; {} has depth 1. At most MAX_DEPTH. */
  maxDepth: number
  /** How many faults are reported before the rest is left out; 100 unless told. */
  maxFaults?: number
}

/**
 * Reads one JSON text (RFC 8259, UTF-8, no byte order mark) and keeps key order and number lexemes.
 * Strings are normalized to what JSON.stringify gives for them.
 *
 * Throws a JsonSyntaxError for text that is not JSON, not UTF-8 or nested deeper than `maxDepth`.
 * Throws a JsonFaultsError, with all that is wrong up to `maxFaults`, for what JSON allows but
 * cannot be kept: numbers that a double does not hold, duplicate keys (RFC 8259 section 4 leaves
 * their meaning open), U+0000, lone surrogates (RFC 7493 section 2.1) and the key __proto__.
 * Throws a RangeError when `maxDepth` is more than MAX_DEPTH.
 *
 * The nodes are slices of the text and keep all of it in memory as long as any of them is kept.
 */
export function parse (input: Buffer | string, options: ParseOptions): Json {
  if (options.maxDepth > MAX_DEPTH) throw new RangeError(`maxDepth must be at most ${MAX_DEPTH}`)
  const reader = readerOf(input, options)
  if (typeof input !== 'string' && !isUtf8(input)) refuseBytes(reader, input, options)
  const node = readDocument(reader)
  if (reader.faults.length > 0) throw new JsonFaultsError(reader.faults)
  return node
}

interface Reader {
  readonly text: string
  readonly maxDepth: number
  readonly maxFaults: number
  /** Whether the text as a whole is free of lone surrogates, so that only escapes can make one. */
  readonly wellFormed: boolean
  at: number
  /** Keys and indexes on the way to the value being read; only the first `level` of them count. */
  readonly trail: Array<string | number>
  level: number
  readonly faults: Fault[]
  /** Characters of fault paths so far. */
  pathLength: number
}

const TAB = 0x09
const LINE_FEED = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const UPPER_E = 0x45
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const LOWER_E = 0x65
const LOWER_F = 0x66
const LOWER_N = 0x6e
const LOWER_T = 0x74
const LOWER_U = 0x75
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const TRUE = raw('true')
const FALSE = raw('false')
const NULL = raw('null')

/** Any decimal of up to this many digits comes back from a double unchanged. */
const SAFE_DIGITS = 15

/** Many faults below a very long key must not make an answer many times as long as the request. */
const MOST_PATH_LENGTH = 65_536

function readerOf (input: Buffer | string, options: ParseOptions): Reader {
  return {
    text: typeof input === 'string' ? input : input.toString('utf8'),
    maxDepth: options.maxDepth,
    maxFaults: options.maxFaults ?? 100,
    wellFormed: typeof input !== 'string' || input.isWellFormed(),
    at: 0,
    trail: [],
    level: 0,
    faults: [],
    pathLength: 0
  }
}

function readDocument (reader: Reader): Json {
  if (reader.text === '') fail(reader, 'the text is empty; send a JSON value')
  if (reader.text.startsWith('\ufeff')) fail(reader, 'the text starts with a byte order mark; send it without one', 'encoding')
  const node = readValue(reader)
  skipSpace(reader)
  if (reader.at < reader.text.length) fail(reader, `${here(reader)} after the end of the value; send one value only`)
  return node
}

function readValue (reader: Reader): Json {
  const code = skipSpace(reader)
  if (code === QUOTE) return readString(reader)
  if (code === OPEN_BRACE) return readObject(reader)
  if (code === OPEN_BRACKET) return readArray(reader)
  if (code === LOWER_T) return readLiteral(reader, TRUE)
  if (code === LOWER_F) return readLiteral(reader, FALSE)
  if (code === LOWER_N) return readLiteral(reader, NULL)
  if (code === MINUS || isDigit(code)) return readNumber(reader)
  return fail(reader, `${here(reader)} where a value is expected`)
}

function readObject (reader: Reader): JsonObject {
  const level = enter(reader)
  const { text, trail } = reader
  const node: JsonObject = new Map()
  let code = skipSpace(reader)
  if (code === CLOSE_BRACE) {
    reader.at++
    return node
  }
  while (true) {
    if (code !== QUOTE) fail(reader, `${here(reader)} where a key in double quotes is expected`)
    const start = reader.at
    const key = scanString(reader) ? text.slice(start + 1, reader.at - 1) : unescape(reader, start)
    trail[level] = key
    reader.level = level + 1
    checkString(reader, start, key)
    if (node.has(key)) addFault(reader, 'this key is there more than once; send it once')
    if (key === '__proto__') addFault(reader, 'the key __proto__ is not allowed; choose another name')
    if (skipSpace(reader) !== COLON) fail(reader, `${here(reader)} where a colon is expected`)
    reader.at++
    node.set(key, readValue(reader))
    reader.level = level
    code = skipSpace(reader)
    reader.at++
    if (code === CLOSE_BRACE) return node
    if (code !== COMMA) failBack(reader, 'where a comma or } is expected')
    code = skipSpace(reader)
  }
}

function readArray (reader: Reader): Json[] {
  const level = enter(reader)
  const { trail } = reader
  const node: Json[] = []
  if (skipSpace(reader) === CLOSE_BRACKET) {
    reader.at++
    return node
  }
  while (true) {
    trail[level] = node.length
    reader.level = level + 1
    node.push(readValue(reader))
    reader.level = level
    const code = skipSpace(reader)
    reader.at++
    if (code === CLOSE_BRACKET) return node
    if (code !== COMMA) failBack(reader, 'where a comma or ] is expected')
  }
}

/** Steps over the opening bracket and gives the level at which the container's members are. */
function enter (reader: Reader): number {
  if (reader.level >= reader.maxDepth) {
    fail(reader, `the value is nested deeper than ${reader.maxDepth} levels; make it flatter`, 'depth')
  }
  reader.at++
  return reader.level
}

function readString (reader: Reader): Scalar {
  const start = reader.at
  if (scanString(reader)) {
    const text = reader.text.slice(start, reader.at)
    if (!reader.wellFormed) checkString(reader, start, text)
    return raw(text)
  }
  const value = unescape(reader, start)
  checkString(reader, start, value)
  return raw(JSON.stringify(value))
}

/** Moves behind the closing quote; true when the string has no escapes. */
function scanString (reader: Reader): boolean {
  const { text } = reader
  const { length } = text
  let at = reader.at + 1
  let plain = true
  while (at < length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      reader.at = at + 1
      return plain
    }
    if (code === BACKSLASH) {
      plain = false
      at = scanEscape(reader, at)
    } else if (code < SPACE) {
      reader.at = at
      fail(reader, `${here(reader)} inside a string; escape it`)
    } else {
      at++
    }
  }
  reader.at = length
  return fail(reader, 'the text ends inside a string; close it with a double quote')
}

/** The position behind the escape that starts at the backslash. */
function scanEscape (reader: Reader, backslash: number): number {
  const { text } = reader
  const code = text.charCodeAt(backslash + 1)
  if (code === LOWER_U) {
    let at = backslash + 2
    while (at < backslash + 6 && isHexDigit(text.charCodeAt(at))) at++
    if (at === backslash + 6) return at
    reader.at = Math.min(at, text.length)
    fail(reader, `${here(reader)} where four hexadecimal digits are expected after \\u`)
  }
  if (!isSimpleEscape(code)) {
    reader.at = Math.min(backslash + 1, text.length)
    fail(reader, `${here(reader)} after a backslash; escape a backslash as \\\\`)
  }
  return backslash + 2
}

/** The value of the scanned string that starts at `start` and ends before the reader. */
function unescape (reader: Reader, start: number): string {
  return JSON.parse(reader.text.slice(start, reader.at)) as string
}

/** Refuses what a scanned string or key that starts at `start` cannot hold. */
function checkString (reader: Reader, start: number, value: string): void {
  // A raw U+0000 is a syntax error: only an escape, which makes the value shorter, can bring one in.
  const escaped = value.length < reader.at - start - 2
  if (escaped && value.includes('\0')) addFault(reader, 'the character U+0000 is not allowed; remove it')
  if ((escaped || !reader.wellFormed) && !value.isWellFormed()) {
    addFault(reader, 'half of a surrogate pair is not a character; send both halves or neither')
  }
}

function readNumber (reader: Reader): Scalar {
  const { text } = reader
  const start = reader.at
  let at = start
  if (text.charCodeAt(at) === MINUS) at++
  const digits = at
  at = scanDigits(reader, at)
  if (text.charCodeAt(digits) === ZERO && at > digits + 1) {
    reader.at = digits
    fail(reader, 'a number starts with a zero; leave it out')
  }
  if (text.charCodeAt(at) === POINT) at = scanDigits(reader, at + 1)
  const mantissa = at
  const code = text.charCodeAt(at)
  if (code === LOWER_E || code === UPPER_E) {
    const sign = text.charCodeAt(at + 1)
    at = scanDigits(reader, sign === PLUS || sign === MINUS ? at + 2 : at + 1)
  }
  reader.at = at
  const lexeme = text.slice(start, at)
  if ((at > mantissa || at - start > SAFE_DIGITS) && !survivesDouble(lexeme)) {
    const size = asDouble(lexeme)
    const what = size === 'Infinity' || size === '0' ? 'does not fit a double' : 'is more exact than a double'
    addFault(reader, `number ${shorten(lexeme)} ${what}; send it as a string`)
  }
  return raw(lexeme)
}

/** The position behind one or more digits. */
function scanDigits (reader: Reader, start: number): number {
  const { text } = reader
  let at = start
  while (isDigit(text.charCodeAt(at))) at++
  if (at === start) {
    reader.at = Math.min(at, text.length)
    fail(reader, `${here(reader)} where a digit is expected`)
  }
  return at
}

function readLiteral (reader: Reader, literal: Scalar): Scalar {
  if (reader.text.startsWith(literal, reader.at)) {
    reader.at += literal.length
    return literal
  }
  for (let i = 0; reader.text[reader.at] === literal[i]; i++) reader.at++
  return fail(reader, `${here(reader)} inside the word ${literal}; send a string in double quotes`)
}

/** Moves to the next character that is not white space and gives its code, NaN at the end. */
function skipSpace (reader: Reader): number {
  const { text } = reader
  let { at } = reader
  let code = text.charCodeAt(at)
  while (code === SPACE || code === LINE_FEED || code === RETURN || code === TAB) code = text.charCodeAt(++at)
  reader.at = at
  return code
}

function isDigit (code: number): boolean {
  return code >= ZERO && code <= NINE
}

function isHexDigit (code: number): boolean {
  return isDigit(code) || ((code | SPACE) >= 0x61 && (code | SPACE) <= LOWER_F)
}

function isSimpleEscape (code: number): boolean {
  return code === QUOTE || code === BACKSLASH || code === 0x2f || code === 0x62 || code === LOWER_F ||
    code === LOWER_N || code === 0x72 || code === LOWER_T
}

function addFault (reader: Reader, message: string): void {
  if (reader.faults.length >= reader.maxFaults || reader.pathLength > MOST_PATH_LENGTH) return
  const path = pathOf(reader)
  reader.pathLength += path.length
  reader.faults.push({ path, message })
}

function pathOf (reader: Reader): string {
  // A key with a lone surrogate could not be sent back in UTF-8.
  return reader.trail.slice(0, reader.level).reduce<string>(join, '').toWellFormed()
}

function shorten (lexeme: string): string {
  return lexeme.length > 40 ? lexeme.slice(0, 37) + '...' : lexeme
}

/** The character at the reader in words that are fit for a message. */
function here (reader: Reader): string {
  const code = reader.text.codePointAt(reader.at)
  if (code === undefined) return 'the text ends'
  if (code > SPACE && code < 0x7f) return `unexpected ${String.fromCodePoint(code)}`
  return `unexpected character U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/** Fails at the character before the reader, which was stepped over already. */
function failBack (reader: Reader, where: string): never {
  reader.at--
  return fail(reader, `${here(reader)} ${where}`)
}

function fail (reader: Reader, message: string, reason: 'syntax' | 'encoding' | 'depth' = 'syntax'): never {
  const before = reader.text.slice(0, reader.at)
  const lineStart = before.lastIndexOf('\n') + 1
  throw new JsonSyntaxError(reason, {
    path: pathOf(reader),
    message,
    offset: Buffer.byteLength(before),
    line: before.split('\n').length,
    column: Array.from(before.slice(lineStart)).length + 1
  })
}

/** Refuses bytes that are not UTF-8, unless the text before them is broken already. */
function refuseBytes (reader: Reader, bytes: Buffer, options: ParseOptions): never {
  const end = firstReplacement(reader.text, bytes)
  const before = readerOf(reader.text.slice(0, end), options)
  try {
    if (end > 0) readDocument(before)
  } catch (error) {
    // Running out of text is what the bad bytes caused; anything earlier comes first.
    if (before.at < end) throw error
  }
  before.at = end
  const offset = Buffer.byteLength(before.text)
  return fail(before, `byte ${offset} is not valid UTF-8; send the text in UTF-8`, 'encoding')
}

/** The position of the first character that decoding put in the place of bytes that are not UTF-8. */
function firstReplacement (text: string, bytes: Buffer): number {
  let at = 0
  let offset = 0
  while (true) {
    const found = text.indexOf('\ufffd', at)
    offset += Buffer.byteLength(text.slice(at, found))
    // The same character can also have been sent, as EF BF BD.
    if (bytes.readUIntBE(offset, Math.min(3, bytes.length - offset)) !== 0xefbfbd) return found
    offset += 3
    at = found + 1
  }
}
