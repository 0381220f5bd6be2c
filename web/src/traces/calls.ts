// SPDX-License-Identifier: MIT
// A way's functions as a call tree: how deep each step stands, and which are
// hidden when a function is folded. Stations are never hidden.
import type { Step } from '../api/types'

export interface CallRow {
  step: Step
  /** In the packet's steps. */
  index: number
  /** How many functions it stands in. */
  indent: number
  /** Functions called by it, directly or not. */
  calls: number
  isFolded: boolean
  /** From the row above; absent on the first. */
  delta?: number
}

type Timed = Pick<
  Step,
  'by_socket' | 'delta_ns' | 'depth' | 'duration_ns' | 'from_stack'
>

interface Call {
  row: number
  depth: number
  /** Nanoseconds from the first step; absent: its return was not seen. */
  end: number | undefined
  /** Not from the step before: it has no `delta_ns`. */
  isBeside: boolean
}

/** Known otherwise than by the packet: not one of the steps that follow each
 * other in time. */
export function isBeside(step: Timed): boolean {
  return step.from_stack === true || step.by_socket === true
}

/** For each step: how deep the next function stands; -1: there is none. */
function nextDepths(steps: readonly Timed[]): number[] {
  const depths: number[] = []
  let next = -1
  for (let row = steps.length - 1; row >= 0; row--) {
    depths[row] = next
    next = steps[row]?.depth ?? next
  }
  return depths
}

/** For each step: the functions that it stands in, outermost first. */
export function callersOf(steps: readonly Timed[]): number[][] {
  const open: Call[] = []
  const nexts = nextDepths(steps)
  let now = 0
  return steps.map((step, row) => {
    now += step.delta_ns ?? 0
    const { depth, duration_ns: took } = step
    for (let top = open.at(-1); top; top = open.at(-1)) {
      const isOver =
        depth === undefined ? isOverAt(top, row, now) : top.depth >= depth
      if (!isOver) break
      open.pop()
    }
    const callers = open.map((call) => call.row)
    if (depth !== undefined) {
      open.push({
        row,
        depth,
        end: took === undefined ? undefined : now + took,
        isBeside: isBeside(step),
      })
    }
    return callers
  })

  /** At a station; what has no delta goes on while it calls others. */
  function isOverAt(call: Call, row: number, time: number): boolean {
    if (call.isBeside) return (nexts[row] ?? -1) <= call.depth
    return call.end === undefined || time > call.end
  }
}

/** The rows to draw while these functions (by index) are folded. */
export function rowsOf(
  steps: readonly Step[],
  folded: ReadonlySet<number>,
): CallRow[] {
  const callers = callersOf(steps)
  const calls = steps.map(() => 0)
  steps.forEach((step, index) => {
    if (step.depth === undefined) return
    for (const caller of callers[index] ?? []) {
      calls[caller] = (calls[caller] ?? 0) + 1
    }
  })
  const rows: CallRow[] = []
  let passed = 0
  steps.forEach((step, index) => {
    const above = callers[index] ?? []
    passed += step.delta_ns ?? 0
    const isCall = step.depth !== undefined && step.drop === undefined
    if (isCall && above.some((caller) => folded.has(caller))) return
    rows.push({
      step,
      index,
      indent: above.filter((caller) => !hidden(caller)).length,
      calls: calls[index] ?? 0,
      isFolded: folded.has(index),
      ...(step.delta_ns !== undefined && { delta: passed }),
    })
    passed = 0
  })
  return rows

  function hidden(index: number): boolean {
    return (callers[index] ?? []).some((caller) => folded.has(caller))
  }
}

/** More than this many steps are shown folded at first. */
export const MANY_STEPS = 80

/** The functions that call others. */
export function callersIn(steps: readonly Timed[]): number[] {
  return [
    ...new Set(
      callersOf(steps).flatMap((callers, index) =>
        steps[index]?.depth === undefined ? [] : callers,
      ),
    ),
  ]
}
