// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { diff } from '../../src/audit/diff'

describe('the difference of two states', () => {
  it('is the fields that changed, came and went', () => {
    const before = { id: 'r1', a: 1, gone: 'x', same: { deep: true } }
    const after = { id: 'r1', a: 2, came: null, same: { deep: true } }
    expect(diff(before, after)).toEqual([
      { path: 'a', before: '1', after: '2' },
      { path: 'gone', before: 'x', after: undefined },
      { path: 'came', before: undefined, after: 'null' },
    ])
  })

  it('tells entries of a list by their id, not by their place', () => {
    const rule = (id: string, enabled: boolean) => ({ id, enabled })
    const before = { rules: [rule('a', true), rule('b', true)] }
    const after = { rules: [rule('b', false), rule('a', true)] }
    expect(diff(before, after)).toEqual([
      { path: 'rules[b].enabled', before: 'true', after: 'false' },
    ])
  })

  it('shows plain lists whole', () => {
    expect(diff({ f: ['syn'] }, { f: ['syn', 'ack'] })).toEqual([
      { path: 'f', before: 'syn', after: 'syn, ack' },
    ])
    expect(diff({ f: [] }, { f: ['syn'] })[0]?.before).toBe('[]')
  })

  it('of nothing is what there is', () => {
    expect(diff(undefined, { a: 1 })).toEqual([
      { path: 'a', before: undefined, after: '1' },
    ])
    expect(diff(undefined, undefined)).toEqual([])
  })
})
