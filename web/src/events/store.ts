// SPDX-License-Identifier: MIT
import type { SseMessage } from '../api/sse'
import type { StreamState } from '../api/stream'
import type { Event } from '../api/types'

export const MAX_EVENTS = 200

export interface Entry {
  key: number
  event: Event
}

/** What the gateway says that this stream missed. */
export interface Missed {
  /** How many times it said so */
  times: number
  /** The sum of those that were counted */
  count: number
}

export interface EventsState {
  stream: StreamState
  entries: readonly Entry[]
  missed: Missed
  unread: number
  trimmed: boolean
}

export const EMPTY: EventsState = {
  stream: 'connecting',
  entries: [],
  missed: { times: 0, count: 0 },
  unread: 0,
  trimmed: false,
}

export type Action =
  | { type: 'stream'; stream: StreamState }
  | { type: 'event'; event: Event }
  | { type: 'lost'; count?: number }
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
    case 'lost': {
      const { times, count } = state.missed
      const missed = { times: times + 1, count: count + (action.count ?? 0) }
      return { ...state, missed }
    }
    case 'read':
      return state.unread === 0 ? state : { ...state, unread: 0 }
  }
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
    typeof data.id === 'string' &&
    typeof data.severity === 'string' &&
    typeof data.time === 'string' &&
    typeof data.text === 'string'
  )
}
