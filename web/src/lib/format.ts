// SPDX-License-Identifier: MIT
// Figures as people read them. Every function takes undefined for "not known"
// and answers UNKNOWN, never a zero.

export const UNKNOWN = '—'

type Maybe<T> = T | undefined

const formats = new Map<string, Intl.NumberFormat>()

function numberFormat(locale: string, digits: number): Intl.NumberFormat {
  const key = `${locale} ${digits}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    })
    formats.set(key, format)
  }
  return format
}

function fixed(value: number, digits: number, locale: string): string {
  return numberFormat(locale, digits).format(value)
}

/** Three significant digits, so that a column of them stays narrow. */
function short(value: number, locale: string): string {
  const size = Math.abs(value)
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2
  return fixed(value, digits, locale)
}

export function formatCount(value: Maybe<number>, locale: string): string {
  return value === undefined ? UNKNOWN : fixed(value, 0, locale)
}

const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

export function formatBytes(value: Maybe<number>, locale: string): string {
  if (value === undefined) return UNKNOWN
  let rest = value
  let unit = 0
  while (Math.abs(rest) >= 1023.5 && unit < IEC.length - 1) {
    rest /= 1024
    unit++
  }
  const number = unit === 0 ? fixed(rest, 0, locale) : short(rest, locale)
  return `${number} ${IEC[unit] ?? 'B'}`
}

export function formatByteRate(value: Maybe<number>, locale: string): string {
  return value === undefined ? UNKNOWN : `${formatBytes(value, locale)}/s`
}

/** A plain rate: packets per second, without the unit. */
export function formatRate(value: Maybe<number>, locale: string): string {
  if (value === undefined) return UNKNOWN
  if (value === 0) return '0'
  return value < 10 ? fixed(value, 1, locale) : fixed(value, 0, locale)
}

export function formatRatio(value: Maybe<number>, locale: string): string {
  if (value === undefined) return UNKNOWN
  const percent = value * 100
  const digits = percent === 0 || percent >= 99.95 ? 0 : 1
  return `${fixed(percent, digits, locale)} %`
}

const SHORT_UNITS = [
  [1, 'ns'],
  [1e3, 'µs'],
  [1e6, 'ms'],
  [1e9, 's'],
] as const

/** "812 ns", "14.2 µs", "3 min 20 s", "2 d 4 h" */
export function formatDuration(ns: Maybe<number>, locale: string): string {
  if (ns === undefined) return UNKNOWN
  if (ns === 0) return '0 s'
  const size = Math.abs(ns)
  if (size >= 59.995e9) return longDuration(ns, locale)
  let [scale, unit]: readonly [number, string] = SHORT_UNITS[0]
  for (const [limit, name] of SHORT_UNITS) {
    if (size >= limit * 0.9995) [scale, unit] = [limit, name]
  }
  const number = scale === 1 ? fixed(ns, 0, locale) : short(ns / scale, locale)
  return `${number} ${unit}`
}

const LONG_UNITS: Record<string, readonly [string, string, string, string]> = {
  en: ['d', 'h', 'min', 's'],
  zh: ['天', '小时', '分', '秒'],
}

function longUnits(locale: string) {
  return LONG_UNITS[locale.slice(0, 2)] ?? (['d', 'h', 'min', 's'] as const)
}

function longDuration(ns: number, locale: string): string {
  const units = longUnits(locale)
  const seconds = Math.round(Math.abs(ns) / 1e9)
  const parts = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ].map((n, i) => [n, units[i] ?? ''] as const)
  const first = parts.findIndex(([n]) => n > 0)
  const shown = parts.slice(first, first + 2).filter(([n]) => n > 0)
  const sign = ns < 0 ? '−' : ''
  return sign + shown.map(([n, unit]) => `${n} ${unit}`).join(' ')
}

/** To the second: "0 s", "14 s", "3 min 20 s". */
export function formatSeconds(ns: Maybe<number>, locale: string): string {
  if (ns === undefined) return UNKNOWN
  const seconds = Math.round(ns / 1e9)
  return seconds < 60
    ? `${fixed(seconds, 0, locale)} ${longUnits(locale)[3]}`
    : longDuration(ns, locale)
}

export interface Instant {
  /** Unix milliseconds, whole */
  ms: number
  /** Nanoseconds within the second */
  ns: number
}

const RFC3339 =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

/** Reads a time of the API without losing its nanoseconds. */
export function parseTime(text: Maybe<string>): Instant | undefined {
  const match = RFC3339.exec(text ?? '')
  if (!match) return undefined
  const [, base = '', fraction = '', zone = 'Z'] = match
  const seconds = Date.parse(base + zone)
  if (Number.isNaN(seconds)) return undefined
  const ns = Number(fraction.padEnd(9, '0'))
  return { ms: seconds + Math.floor(ns / 1e6), ns }
}

/** b - a in nanoseconds. */
export function nsBetween(a: Maybe<string>, b: Maybe<string>): Maybe<number> {
  const from = parseTime(a)
  const to = parseTime(b)
  if (!from || !to) return undefined
  const wholeSeconds = Math.floor(to.ms / 1000) - Math.floor(from.ms / 1000)
  return wholeSeconds * 1e9 + (to.ns - from.ns)
}

/** Nanoseconds from `text` to `nowMs`, never negative. */
export function ageNs(text: Maybe<string>, nowMs: number): Maybe<number> {
  const time = parseTime(text)
  return time && Math.max(0, nowMs - time.ms) * 1e6
}

export function formatDateTime(text: Maybe<string>, locale: string): string {
  const time = parseTime(text)
  if (!time) return UNKNOWN
  return new Intl.DateTimeFormat(locale, {
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(time.ms)
}

export function formatClock(
  text: Maybe<string>,
  locale: string,
  digits: 0 | 3 | 6 | 9 = 0,
): string {
  const time = parseTime(text)
  if (!time) return UNKNOWN
  const clock = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(time.ms)
  if (digits === 0) return clock
  return `${clock}.${String(time.ns).padStart(9, '0').slice(0, digits)}`
}

/** "192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.1" */
export function formatEndpoint(ip: Maybe<string>, port: Maybe<number>): string {
  if (ip === undefined) return port === undefined ? UNKNOWN : `*:${port}`
  if (port === undefined) return ip
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

export function formatHex(value: Maybe<number>): string {
  return value === undefined ? UNKNOWN : `0x${value.toString(16)}`
}
