// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import {
  ageNs,
  formatByteRate,
  formatBytes,
  formatClock,
  formatCount,
  formatDateTime,
  formatDuration,
  formatEndpoint,
  formatHex,
  formatRate,
  formatRatio,
  formatSeconds,
  nsBetween,
  parseTime,
  UNKNOWN,
} from '../../src/lib/format'

describe('what is not known', () => {
  it.each([
    formatBytes,
    formatByteRate,
    formatCount,
    formatRate,
    formatRatio,
    formatDuration,
    formatSeconds,
    formatDateTime,
    formatClock,
  ])('is a dash, never zero: %o', (format) => {
    expect(format(undefined, 'en')).toBe(UNKNOWN)
  })

  it('is a dash where a time is no time', () => {
    expect(formatDateTime('yesterday', 'en')).toBe(UNKNOWN)
    expect(formatHex(undefined)).toBe(UNKNOWN)
  })
})

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1,023 B'],
    [1024, '1.00 KiB'],
    [10_240, '10.0 KiB'],
    [1_048_575, '1.00 MiB'],
    [1_572_864, '1.50 MiB'],
    [123 * 1024 ** 3, '123 GiB'],
    [2 ** 53, '8.00 PiB'],
    [5 * 1024 ** 6, '5,120 PiB'],
  ])('%d is %s', (value, text) => {
    expect(formatBytes(value, 'en')).toBe(text)
  })

  it('per second', () => {
    expect(formatByteRate(0, 'en')).toBe('0 B/s')
    expect(formatByteRate(2048, 'en')).toBe('2.00 KiB/s')
  })
})

describe('durations', () => {
  it.each([
    [0, '0 s'],
    [1, '1 ns'],
    [999, '999 ns'],
    [1000, '1.00 µs'],
    [999_999, '1.00 ms'],
    [14_230, '14.2 µs'],
    [1_234_567, '1.23 ms'],
    [999_950_000, '1.00 s'],
    [59_990_000_000, '60.0 s'],
    [60e9, '1 min'],
    [200e9, '3 min 20 s'],
    [3600e9, '1 h'],
    [3661e9, '1 h 1 min'],
    [(2 * 86400 + 4 * 3600) * 1e9, '2 d 4 h'],
    [-1500, '-1.50 µs'],
  ])('%d ns is %s', (ns, text) => {
    expect(formatDuration(ns, 'en')).toBe(text)
  })

  it('has Chinese units for long ones', () => {
    expect(formatDuration(200e9, 'zh-CN')).toBe('3 分 20 秒')
    expect(formatSeconds(4e9, 'zh-CN')).toBe('4 秒')
  })

  it('to the second', () => {
    expect(formatSeconds(0, 'en')).toBe('0 s')
    expect(formatSeconds(14.4e9, 'en')).toBe('14 s')
    expect(formatSeconds(59.6e9, 'en')).toBe('1 min')
  })
})

describe('ratios and rates', () => {
  it.each([
    [0, '0 %'],
    [0.2, '20.0 %'],
    [0.0005, '0.1 %'],
    [1, '100 %'],
  ])('%d is %s', (value, text) => {
    expect(formatRatio(value, 'en')).toBe(text)
  })

  it('packets per second', () => {
    expect(formatRate(0, 'en')).toBe('0')
    expect(formatRate(0.5, 'en')).toBe('0.5')
    expect(formatRate(12_345.6, 'en')).toBe('12,346')
  })

  it('counts follow the locale', () => {
    expect(formatCount(1234567, 'en')).toBe('1,234,567')
    expect(formatCount(1234567, 'de')).toBe('1.234.567')
  })
})

describe('times', () => {
  const time = '2026-01-02T03:04:05.123456789Z'

  it('keep their nanoseconds', () => {
    expect(parseTime(time)).toEqual({
      ms: Date.UTC(2026, 0, 2, 3, 4, 5, 123),
      ns: 123_456_789,
    })
  })

  it.each([
    '',
    '2026-01-02',
    '2026-01-02T03:04:05',
    'x',
    '2026-13-40T99:99:99Z',
  ])('%j is none', (text) => {
    expect(parseTime(text)).toBeUndefined()
  })

  it('differ to the nanosecond, across seconds', () => {
    const later = '2026-01-02T03:04:06.000000001Z'
    expect(nsBetween(time, later)).toBe(876_543_212)
    expect(nsBetween(later, time)).toBe(-876_543_212)
    expect(nsBetween(time, undefined)).toBeUndefined()
  })

  it('have an age that is never negative', () => {
    const ms = Date.parse('2026-01-02T03:04:05Z')
    expect(ageNs('2026-01-02T03:04:05Z', ms + 1500)).toBe(1.5e9)
    expect(ageNs('2026-01-02T03:04:05Z', ms - 1500)).toBe(0)
    expect(ageNs(undefined, ms)).toBeUndefined()
  })

  it('show microseconds where asked', () => {
    expect(formatClock(time, 'en', 6)).toMatch(/^\d\d:04:05\.123456$/)
    expect(formatClock(time, 'en')).toMatch(/^\d\d:04:05$/)
  })
})

describe('endpoints', () => {
  it.each([
    ['192.0.2.1', 443, '192.0.2.1:443'],
    ['2001:db8::1', 443, '[2001:db8::1]:443'],
    ['2001:db8::1', undefined, '2001:db8::1'],
    [undefined, 53, '*:53'],
    [undefined, undefined, UNKNOWN],
    ['192.0.2.1', 0, '192.0.2.1:0'],
  ])('%s %s is %s', (ip, port, text) => {
    expect(formatEndpoint(ip, port)).toBe(text)
  })
})
