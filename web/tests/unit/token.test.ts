// SPDX-License-Identifier: MIT
import { describe, expect, it, vi } from 'vitest'
import { cleanToken, takeTokenFromUrl, tokenOfHash } from '../../src/auth/token'

const at = (hash: string) => ({ hash, pathname: '/flows', search: '?sort=x' })

describe('a login link', () => {
  it.each([
    ['#token=abc', 'abc'],
    ['#token=a%2Bb', 'a+b'],
    ['#x=1&token=abc', 'abc'],
    ['#token=', undefined],
    ['#other', undefined],
    ['', undefined],
    ['#token=a%20b', undefined],
  ])('%s holds %s', (hash, token) => {
    expect(tokenOfHash(hash)).toBe(token)
  })

  it('is taken out of the address bar', () => {
    const replaceState = vi.fn()
    expect(takeTokenFromUrl(at('#token=abc'), { replaceState })).toBe('abc')
    expect(replaceState).toHaveBeenCalledExactlyOnceWith(
      null,
      '',
      '/flows?sort=x',
    )
  })

  it('is taken out even when the token is none', () => {
    const replaceState = vi.fn()
    expect(takeTokenFromUrl(at('#token='), { replaceState })).toBeUndefined()
    expect(replaceState).toHaveBeenCalledTimes(1)
  })

  it('is left alone when it is no login link', () => {
    const replaceState = vi.fn()
    expect(takeTokenFromUrl(at('#main'), { replaceState })).toBeUndefined()
    expect(replaceState).not.toHaveBeenCalled()
  })
})

describe('a token', () => {
  it.each([
    [' abc\n', 'abc'],
    ['a b', undefined],
    ['', undefined],
    ['käse', undefined],
    ['a\r\nX: y', undefined],
    ['x'.repeat(513), undefined],
  ])('%j is %s', (text, token) => {
    expect(cleanToken(text)).toBe(token)
  })
})
