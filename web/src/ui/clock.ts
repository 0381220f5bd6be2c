// SPDX-License-Identifier: MIT
import { useSyncExternalStore } from 'react'

// One timer for every "… ago" on the page.
let nowMs = Date.now()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

function tick() {
  nowMs = Date.now()
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  if (timer === undefined) {
    nowMs = Date.now()
    timer = setInterval(tick, 1000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Unix milliseconds, renewed each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs)
}
