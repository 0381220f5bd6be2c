// SPDX-License-Identifier: MIT
// Where each step of a packet's way stands: one lane for each layer, in the
// order of the stack.
import type { Step } from '../api/types'

// From the application down to the wire.
const STACK = [
  'application',
  'socket',
  'transport',
  'network',
  'netfilter',
  'tc',
  'qdisc',
  'xdp',
  'device',
  'driver',
  'free',
]

/** The layers that occur, top of the stack first; unknown ones last. */
export function lanesOf(steps: readonly Pick<Step, 'layer'>[]): string[] {
  const place = (layer: string) => {
    const index = STACK.indexOf(layer)
    return index < 0 ? STACK.length : index
  }
  const layers = [...new Set(steps.map((step) => step.layer))]
  return layers.sort((a, b) => place(a) - place(b))
}

export const LANE_PX = 18
/** Room for the lanes' names. */
export const HEAD_PX = 74
const STEP_PX = 40
const DROP_PX = 60

/** A drop has a line more: why and where. */
export function stepHeight(step: Pick<Step, 'drop'>): number {
  return step.drop ? DROP_PX : STEP_PX
}

export interface Dot {
  x: number
  y: number
}

/** The centre of each step's dot, and the height of all. */
export function layOut(
  steps: readonly Pick<Step, 'layer' | 'drop'>[],
  lanes: readonly string[],
): { dots: Dot[]; height: number } {
  let height = HEAD_PX
  const dots = steps.map((step) => {
    const y = height + STEP_PX / 2
    height += stepHeight(step)
    return { x: laneX(lanes.indexOf(step.layer)), y }
  })
  return { dots, height }
}

export function laneX(lane: number): number {
  return lane * LANE_PX + LANE_PX / 2
}
