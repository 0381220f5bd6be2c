// SPDX-License-Identifier: MIT
import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import {
  createContext,
  useContext,
  useEffect,
  useMemo,
  useReducer,
  type Dispatch,
  type ReactNode,
} from 'react'
import type { SseMessage } from '../api/sse'
import { runStream } from '../api/stream'
import type { Event, ServiceList, ServiceStatus } from '../api/types'
import { useAuth } from '../auth/session'
import {
  EMPTY,
  isEvent,
  readData,
  reduce,
  type Action,
  type EventsState,
} from './store'

const TOPICS = ['event', 'service', 'trace', 'path', 'ruleset'] as const

const Context = createContext<
  { state: EventsState; dispatch: Dispatch<Action> } | undefined
>(undefined)

/** Puts a daemon's new status in the place of its old one. */
export function mergeService(
  list: ServiceList | undefined,
  status: ServiceStatus,
): ServiceList | undefined {
  if (!list) return undefined
  const isSame = (s: ServiceStatus) =>
    s.name === status.name && s.instance === status.instance
  return list.services.some(isSame)
    ? { services: list.services.map((s) => (isSame(s) ? status : s)) }
    : { services: [...list.services, status] }
}

/** What a message of each topic means for what is on the screen. */
export function handleMessage(
  message: SseMessage,
  queries: QueryClient,
  dispatch: Dispatch<Action>,
) {
  const data = readData(message)
  if (!data) return
  switch (message.event) {
    case 'event':
      if (isEvent(data)) {
        dispatch({ type: 'event', event: data as unknown as Event })
      }
      break
    case 'service':
      queries.setQueryData<ServiceList>(['services'], (list) =>
        mergeService(list, data as unknown as ServiceStatus),
      )
      break
    case 'trace':
      queries.setQueryData(['trace', data.id], data)
      void queries.invalidateQueries({ queryKey: ['traces'] })
      break
    case 'path':
      queries.setQueryData(['path', data.id], data)
      void queries.invalidateQueries({ queryKey: ['paths'] })
      break
    case 'ruleset':
      queries.setQueryData(['stats'], data)
      void queries.invalidateQueries({ queryKey: ['rules'] })
      break
    case 'lost':
      dispatch({
        type: 'lost',
        ...(typeof data.count === 'number' && { count: data.count }),
      })
      break
  }
}

export function EventsProvider({ children }: { children: ReactNode }) {
  const { client } = useAuth()
  const queries = useQueryClient()
  const [state, dispatch] = useReducer(reduce, EMPTY)
  useEffect(() => {
    const stop = new AbortController()
    void runStream(
      {
        client,
        topics: TOPICS,
        onMessage: (message) => handleMessage(message, queries, dispatch),
        onState: (stream) => dispatch({ type: 'stream', stream }),
      },
      stop.signal,
    )
    return () => stop.abort()
  }, [client, queries])
  const value = useMemo(() => ({ state, dispatch }), [state])
  return <Context value={value}>{children}</Context>
}

export function useEvents() {
  const value = useContext(Context)
  if (!value) throw new Error('no EventsProvider')
  return value
}
