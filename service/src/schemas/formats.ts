import { isIP } from 'node:net'
import { compilePattern } from './patterns.js'

interface Format { readonly name: string, test (text: string): boolean }

const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const hostname = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
const duration = /^P(?!$)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$/

/**
 * The formats that are checked. Any other `format` is an annotation, as the specification lets it be.
 * Each test is fixed code whose time is linear in the text, and texts above 4096 characters never satisfy one.
 */
export const formats: ReadonlyMap<string, Format> = new Map([
  ['date-time', { name: 'a date and time (RFC 3339)', test: isDateTime }],
  ['date', { name: 'a date (RFC 3339)', test: isDate }],
  ['time', { name: 'a time with its offset (RFC 3339)', test: isTime }],
  ['duration', { name: 'a duration (ISO 8601)', test: (text: string) => duration.test(text) }],
  ['email', { name: 'an e-mail address', test: (text: string) => /^[^\s@"(),:;<>[\\\]]{1,64}@[^\s@]+$/.test(text) && hostname.test(text.slice(text.indexOf('@') + 1)) }],
  ['hostname', { name: 'a host name', test: (text: string) => hostname.test(text) }],
  ['ipv4', { name: 'an IPv4 address', test: (text: string) => isIP(text) === 4 }],
  ['ipv6', { name: 'an IPv6 address', test: (text: string) => isIP(text) === 6 && !text.includes('%') }],
  ['uri', { name: 'a URI with its scheme', test: (text: string) => /^[a-z][a-z0-9+.-]*:[\x21-\x7e]*$/i.test(text) && URL.canParse(text) }],
  ['uuid', { name: 'a UUID', test: (text: string) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) }],
  ['json-pointer', { name: 'a JSON pointer', test: (text: string) => /^(?:\/(?:[^~/]|~[01])*)*$/.test(text) }],
  ['regex', { name: 'a regular expression (RE2 syntax)', test: isPattern }]
])

export const longestFormatted = 4096

function isDateTime (text: string): boolean {
  return /^.{10}[Tt ]/.test(text) && isDate(text.slice(0, 10)) && isTime(text.slice(11))
}

function isDate (text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)
  if (parts === null) return false
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number]
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return day >= 1 && day <= (days[month - 1] ?? 0) && (month !== 2 || day < 29 || leap)
}

function isTime (text: string): boolean {
  const parts = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:z|([+-])(\d\d):(\d\d))$/i.exec(text)
  if (parts === null) return false
  const [hour, minute, second, offsetHour, offsetMinute] = [parts[1], parts[2], parts[3], parts[5] ?? 0, parts[6] ?? 0].map(Number) as [number, number, number, number, number]
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return false
  if (second < 60) return true
  // A leap second is the last of a day in UTC.
  const shift = (parts[4] === '-' ? 1 : -1) * (offsetHour * 60 + offsetMinute)
  return (hour * 60 + minute + shift + 2 * 1440) % 1440 === 1439
}

function isPattern (text: string): boolean {
  try {
    compilePattern(text)
    return true
  } catch {
    return false
  }
}
