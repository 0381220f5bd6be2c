// SPDX-License-Identifier: MIT
// Rates over time out of counters that were read now and then.

export interface Sample {
  /** Unix seconds */
  time: number
  rx: number
  tx: number
}

/** Columns as uPlot takes them: times, rx per second, tx per second. */
export type RateColumns = [number[], (number | null)[], (number | null)[]]

export const MAX_POINTS = 300

/**
 * Adds the rate between two samples. A counter that went backwards (a flow
 * left the table, a daemon restarted) makes a gap: no rate is made up.
 */
export function pushRate(
  columns: RateColumns,
  before: Sample | undefined,
  now: Sample,
): RateColumns {
  const last = columns[0].at(-1)
  if (last !== undefined && now.time <= last) return columns
  const elapsed = before ? now.time - before.time : 0
  const rate = (from: number | undefined, to: number): number | null =>
    from === undefined || elapsed <= 0 || to < from
      ? null
      : (to - from) / elapsed
  const keep = <T>(list: T[], item: T): T[] =>
    [...list, item].slice(-MAX_POINTS)
  return [
    keep(columns[0], now.time),
    keep(columns[1], rate(before?.rx, now.rx)),
    keep(columns[2], rate(before?.tx, now.tx)),
  ]
}
