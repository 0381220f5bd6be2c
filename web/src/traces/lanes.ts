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
  'tunnel',
  'netfilter',
  'bridge',
  'tc',
  'qdisc',
  'bpf',
  'xdp',
  'device',
  'driver',
  // What happens to the buffer, wherever it is.
  'buffer',
  'kernel',
  'free',
  'drop',
]

/** 0: the application. Unknown layers stand below all others. */
export function layerPlace(layer: string): number {
  const index = STACK.indexOf(layer)
  return index < 0 ? STACK.length : index
}

/** The layers that occur, top of the stack first; unknown ones last. */
export function lanesOf(steps: readonly Pick<Step, 'layer'>[]): string[] {
  const layers = [...new Set(steps.map((step) => step.layer))]
  return layers.sort((a, b) => layerPlace(a) - layerPlace(b))
}
