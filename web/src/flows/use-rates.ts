// SPDX-License-Identifier: MIT
import { useState } from 'react'
import type { FlowList } from '../api/types'
import { parseTime } from '../lib/format'
import { pushRate, type RateColumns, type Sample } from '../lib/series'

interface Series {
  key: string
  last: Sample | undefined
  columns: RateColumns
}

const start = (key: string): Series => ({
  key,
  last: undefined,
  columns: [[], [], []],
})

function sampleOf(list: FlowList): Sample | undefined {
  const time = parseTime(list.time)
  return time && { time: time.ms / 1000, rx: list.rx.bytes, tx: list.tx.bytes }
}

/**
 * Total bytes per second out of the sums of each answer; `key` names what is
 * summed, and another one begins anew.
 */
export function useRates(key: string, list: FlowList | undefined) {
  const [series, setSeries] = useState(() => start(key))
  const now = list && sampleOf(list)
  let next = series.key === key ? series : start(key)
  if (now && now.time > (next.last?.time ?? 0)) {
    next = { key, last: now, columns: pushRate(next.columns, next.last, now) }
  }
  // State derived from a new answer, kept before anything is drawn.
  if (next !== series) setSeries(next)
  return {
    columns: next.columns,
    rx: next.columns[1].at(-1) ?? undefined,
    tx: next.columns[2].at(-1) ?? undefined,
  }
}
