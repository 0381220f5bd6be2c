// SPDX-License-Identifier: MIT
import { useQueryClient } from '@tanstack/react-query'
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from 'react'
import { ApiError, Client, OfflineError } from '../api/client'
import { ReachStore } from '../api/reach'
import type { Session } from '../api/types'
import { takeTokenFromUrl } from './token'

export type LoginFailure = 'wrong' | 'expired' | 'offline' | 'still'

type State =
  | { status: 'out'; failure?: LoginFailure; error?: ApiError }
  | { status: 'checking' }
  | { status: 'in'; session: Session }

export interface Auth {
  state: State
  client: Client
  reach: ReachStore
  login: (token: string) => Promise<void>
  logout: () => Promise<void>
}

const Context = createContext<Auth | undefined>(undefined)

const RETRY_MS = 2000

/** What the gateway's answer to a login, or to "who am I?", leads to. */
function afterFailure(error: unknown, token: string | undefined): State {
  if (error instanceof OfflineError)
    return { status: 'out', failure: 'offline' }
  if (!(error instanceof ApiError)) return { status: 'out', failure: 'wrong' }
  if (error.status !== 401) return { status: 'out', error }
  // Not logged in yet is no failure.
  return token === undefined
    ? { status: 'out' }
    : { status: 'out', failure: 'wrong' }
}

export function AuthProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient()
  const [state, setState] = useState<State>({ status: 'checking' })
  const [reach] = useState(() => new ReachStore())
  // While the gateway does not answer: what is to be tried again.
  const waiting = useRef<string>(undefined)

  const [client] = useState(
    () =>
      new Client({
        onReach: reach.report,
        onUnauthorized: () =>
          setState((now) =>
            now.status === 'in' ? { status: 'out', failure: 'expired' } : now,
          ),
      }),
  )

  /** With a token: logs in. Without: asks whether the cookie still counts. */
  const enter = useCallback(
    async (token: string | undefined) => {
      waiting.current = token
      try {
        const session =
          token === undefined
            ? await client.get<Session>('session')
            : await client.request<Session>('session', {
                method: 'POST',
                body: { token },
              })
        waiting.current = undefined
        // What was kept may be what another one was allowed to see.
        queries.clear()
        setState({ status: 'in', session })
      } catch (error) {
        if (!(error instanceof OfflineError)) waiting.current = undefined
        // A question whose answer comes after a login says nothing of it.
        setState((now) =>
          now.status === 'in' && token === undefined
            ? now
            : afterFailure(error, token),
        )
      }
    },
    [client, queries],
  )

  const login = useCallback(
    (token: string) => {
      setState({ status: 'checking' })
      return enter(token)
    },
    [enter],
  )

  const logout = useCallback(async () => {
    try {
      await client.request('session', { method: 'DELETE' })
      queries.clear()
      setState({ status: 'out' })
    } catch {
      // The cookie is still there, and only the gateway can take it away.
      setState({ status: 'out', failure: 'still' })
    }
  }, [client, queries])

  useEffect(() => {
    function start() {
      void enter(takeTokenFromUrl(window.location, window.history))
    }
    function onHash() {
      const token = takeTokenFromUrl(window.location, window.history)
      if (token !== undefined) void login(token)
    }
    start()
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [enter, login])

  const isOffline = state.status === 'out' && state.failure === 'offline'
  useEffect(() => {
    if (!isOffline) return
    const timer = setInterval(() => void enter(waiting.current), RETRY_MS)
    return () => clearInterval(timer)
  }, [isOffline, enter])

  const value = useMemo<Auth>(
    () => ({ state, client, reach, login, logout }),
    [state, client, reach, login, logout],
  )
  return <Context value={value}>{children}</Context>
}

export function useAuth(): Auth {
  const value = useContext(Context)
  if (!value) throw new Error('no AuthProvider')
  return value
}

/** The session's role; pages are shown only to those who have one. */
export function useRole(): string {
  const { state } = useAuth()
  return state.status === 'in' ? state.session.role : ''
}

const RANKS = ['viewer', 'operator', 'admin'] as const

/** Whether the role suffices; the gateway decides, this only hides. */
export function useCan(need: (typeof RANKS)[number]): boolean {
  const role = useRole()
  return RANKS.findIndex((name) => name === role) >= RANKS.indexOf(need)
}

/** Whether what packets carry may be asked for; it is a right by itself. */
export function useHasPayload(): boolean {
  const { state } = useAuth()
  return state.status === 'in' && state.session.roles.includes('payload')
}
