// SPDX-License-Identifier: MIT
import type * as T from '../../src/api/types'

export const START = Date.now()

export function timeAt(ms: number, ns = 123_456): T.Time {
  const base = new Date(ms + Math.floor(ns / 1e6)).toISOString().slice(0, -1)
  return `${base}${String(ns % 1e6).padStart(6, '0')}Z`
}

export const ago = (seconds: number) => timeAt(Date.now() - seconds * 1000)

export const capability = (
  id: string,
  tier: string,
  rest: Partial<T.Capability> = {},
): T.Capability => ({ id, available: true, tier, ...rest })
