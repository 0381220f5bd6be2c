// SPDX-License-Identifier: MIT
import { useQueryClient } from '@tanstack/react-query'
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  type ReactNode,
} from 'react'
import { ApiError, Client, OfflineError } from '../api/client'
import { ReachStore } from '../api/reach'
import type { Session } from '../api/types'
import {
  forgetToken,
  loadToken,
  saveToken,
  takeTokenFromUrl,
  TokenHolder,
} from './token'

export type LoginFailure = 'wrong' | 'expired' | 'offline'

type State =
  | { status: 'out'; failure?: LoginFailure; error?: ApiError }
  | { status: 'checking' }
  | { status: 'in'; session: Session }

export interface Auth {
  state: State
  client: Client
  reach: ReachStore
  login: (token: string) => Promise<void>
  logout: () => void
}

const Context = createContext<Auth | undefined>(undefined)

const RETRY_MS = 2000

export function AuthProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient()
  const [token] = useState(() => new TokenHolder())
  const [state, setState] = useState<State>({ status: 'checking' })
  const [reach] = useState(() => new ReachStore())

  const leave = useCallback(
    (failure?: LoginFailure, error?: ApiError) => {
      token.set(undefined)
      forgetToken()
      queries.clear()
      setState({
        status: 'out',
        ...(failure && { failure }),
        ...(error && { error }),
      })
    },
    [queries, token],
  )

  const [client] = useState(
    () =>
      new Client({
        token: token.get,
        onReach: reach.report,
        onUnauthorized: () =>
          setState((now) => {
            if (now.status !== 'in') return now
            token.set(undefined)
            forgetToken()
            return { status: 'out', failure: 'expired' }
          }),
      }),
  )

  const login = useCallback(
    async (candidate: string) => {
      token.set(candidate)
      // At once: a reload while it is being checked must not lose it.
      saveToken(candidate)
      setState({ status: 'checking' })
      try {
        const session = await client.get<Session>('session')
        setState({ status: 'in', session })
      } catch (error) {
        if (error instanceof OfflineError) {
          // The token may be right: it is kept, and tried again below.
          setState({ status: 'out', failure: 'offline' })
        } else if (error instanceof ApiError && error.status !== 401) {
          leave(undefined, error)
        } else {
          leave('wrong')
        }
      }
    },
    [client, leave, token],
  )

  useEffect(() => {
    function start() {
      const fromUrl = takeTokenFromUrl(window.location, window.history)
      const candidate = fromUrl ?? loadToken()
      if (candidate === undefined) setState({ status: 'out' })
      else void login(candidate)
    }
    function onHash() {
      if (window.location.hash.includes('token=')) start()
    }
    start()
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [login])

  const isOffline = state.status === 'out' && state.failure === 'offline'
  useEffect(() => {
    if (!isOffline) return
    const timer = setInterval(() => {
      const candidate = loadToken()
      if (candidate === undefined) return
      client
        .get<Session>('session')
        .then((session) => setState({ status: 'in', session }))
        .catch((error: unknown) => {
          if (!(error instanceof OfflineError)) leave('wrong')
        })
    }, RETRY_MS)
    return () => clearInterval(timer)
  }, [isOffline, client, leave])

  const value = useMemo<Auth>(
    () => ({ state, client, reach, login, logout: () => leave() }),
    [state, client, reach, login, leave],
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
