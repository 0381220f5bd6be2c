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
export const STEP_PX = 40

/** Centre of a step's dot. */
export function dotAt(lane: number, step: number): [x: number, y: number] {
  return [lane * LANE_PX + LANE_PX / 2, step * STEP_PX + STEP_PX / 2]
}
