// SPDX-License-Identifier: MIT
import type { SseMessage } from '../api/sse'
import type { StreamState } from '../api/stream'
import type { Event } from '../api/types'

export const MAX_EVENTS = 200

export interface Entry {
  key: number
  event: Event
}

/** Messages that the gateway says it, or we, did not get. */
export interface Gap {
  source: string
  count: number
}

export interface EventsState {
  stream: StreamState
  entries: readonly Entry[]
  gaps: readonly Gap[]
  unread: number
  trimmed: boolean
}

export const EMPTY: EventsState = {
  stream: 'connecting',
  entries: [],
  gaps: [],
  unread: 0,
  trimmed: false,
}

export type Action =
  | { type: 'stream'; stream: StreamState }
  | { type: 'event'; event: Event }
  | { type: 'gap'; gap: Gap }
  | { type: 'read' }

let lastKey = 0

export function reduce(state: EventsState, action: Action): EventsState {
  switch (action.type) {
    case 'stream':
      return { ...state, stream: action.stream }
    case 'event': {
      const entry = { key: ++lastKey, event: action.event }
      const entries = [entry, ...state.entries]
      return {
        ...state,
        entries: entries.slice(0, MAX_EVENTS),
        unread: state.unread + 1,
        trimmed: state.trimmed || entries.length > MAX_EVENTS,
      }
    }
    case 'gap':
      return { ...state, gaps: addGap(state.gaps, action.gap) }
    case 'read':
      return state.unread === 0 ? state : { ...state, unread: 0 }
  }
}

function addGap(gaps: readonly Gap[], gap: Gap): Gap[] {
  const rest = gaps.filter((g) => g.source !== gap.source)
  const before = gaps.find((g) => g.source === gap.source)?.count ?? 0
  return [...rest, { source: gap.source, count: before + gap.count }]
}

/** The JSON object of a message; undefined when it is not one. */
export function readData(
  message: SseMessage,
): Record<string, unknown> | undefined {
  try {
    const data: unknown = JSON.parse(message.data)
    return typeof data === 'object' && data !== null && !Array.isArray(data)
      ? (data as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

export function isEvent(data: Record<string, unknown>): boolean {
  return (
    typeof data['id'] === 'string' &&
    typeof data['severity'] === 'string' &&
    typeof data['time'] === 'string' &&
    typeof data['text'] === 'string'
  )
}
