// SPDX-License-Identifier: MIT
// Each resource of the API that a page shows, as a query or a change.
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query'
import { useAuth } from '../auth/session'
import { patient } from './patient'
import { buildQuery } from './query'
import type * as T from './types'

export const POLL_MS = 2000

export interface Poll<R> {
  data: R | undefined
  error: Error | null
  dataUpdatedAt: number
  isPlaceholderData: boolean
  /** Milliseconds that the answer was old when it came: it is shared. */
  age: number
}

/** Polls while `every` is a number; keeps what it had when the query changes. */
function usePoll<R>(
  key: readonly unknown[],
  path: string,
  every: number | false = POLL_MS,
  enabled = true,
): Poll<R> {
  const { client } = useAuth()
  const { data, error, dataUpdatedAt, isPlaceholderData } = useQuery<R>({
    queryKey: key,
    queryFn: ({ signal }) => client.get<R>(path, signal),
    refetchInterval: every,
    placeholderData: keepPreviousData,
    enabled,
  })
  const age = data === undefined ? 0 : client.ageOf(path)
  return { data, error, dataUpdatedAt, isPlaceholderData, age }
}

const id = encodeURIComponent

export const useServices = () =>
  usePoll<T.ServiceList>(['services'], 'services')

export const useFlows = (request: T.ListFlowsRequest, paused = false) =>
  usePoll<T.FlowList>(
    ['flows', request],
    `flows${buildQuery(request)}`,
    paused ? false : POLL_MS,
  )

export const useFlow = (flow: string | undefined, paused = false) =>
  usePoll<T.Flow>(
    ['flow', flow],
    `flows/${id(flow ?? '')}`,
    paused ? false : POLL_MS,
    flow !== undefined,
  )

export const useSockets = (request: T.ListSocketsRequest, paused = false) =>
  usePoll<T.SocketList>(
    ['sockets', request],
    `sockets${buildQuery(request)}`,
    paused ? false : POLL_MS,
  )

export const useHost = (ip: string, enabled: boolean) =>
  usePoll<T.HostReport>(['host', ip], `hosts/${id(ip)}`, 5000, enabled)

/** All of them, or those that one alert started. */
export const useTraces = (alert = '') =>
  usePoll<T.TraceList>(
    ['traces', alert],
    `traces${buildQuery({ limit: 200, alert })}`,
  )

export const useTrace = (trace: string) =>
  usePoll<T.Trace>(['trace', trace], `traces/${id(trace)}`)

export const useGraph = (trace: string, live: boolean) =>
  usePoll<T.TraceGraph>(
    ['graph', trace],
    `traces/${id(trace)}/graph`,
    live ? POLL_MS : false,
  )

/** Page by page; a search that takes long goes on with each. */
export function useFindPackets(request: T.FindPacketsRequest) {
  const { client } = useAuth()
  return useInfiniteQuery({
    queryKey: ['find', request],
    queryFn: ({ pageParam, signal }) =>
      client.get<T.FoundPackets>(
        `packets${buildQuery({ ...request, cursor: pageParam })}`,
        signal,
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  })
}

export const usePaths = () =>
  usePoll<T.PathList>(['paths'], 'paths?limit=200', 5000)

export const usePath = (path: string, running: boolean) =>
  usePoll<T.Path>(['path', path], `paths/${id(path)}`, running ? 1000 : false)

export const useRules = () => usePoll<T.RuleList>(['rules'], 'rules?limit=1000')

export const useStats = () => usePoll<T.GuarderStats>(['stats'], 'stats')

export const useTokens = (enabled: boolean) =>
  usePoll<T.TokenList>(['tokens'], 'tokens', 5000, enabled)

export const useAudit = (request: T.ListAuditRequest, enabled: boolean) =>
  usePoll<T.AuditReport>(
    ['audit', request],
    `audit${buildQuery(request)}`,
    5000,
    enabled,
  )

export function useCreateToken() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: T.CreateTokenRequest) =>
      client.request<T.NewToken>('tokens', { method: 'POST', body }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['tokens'] }),
    // The secret is shown once, and kept nowhere.
    gcTime: 0,
  })
}

export function useDeleteToken() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (token: string) =>
      client.request<unknown>(`tokens/${id(token)}`, { method: 'DELETE' }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['tokens'] }),
  })
}

export function useCreateTrace() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: T.CreateTraceRequest) =>
      patient<T.Trace>(client, 'traces', { method: 'POST', body }),
    onSuccess: (trace) => {
      queries.setQueryData(['trace', trace.id], trace)
      return queries.invalidateQueries({ queryKey: ['traces'] })
    },
  })
}

/** Another filter for a trace that runs. */
export function useSetFilter() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({
      id: trace,
      filter,
    }: {
      id: string
      filter: T.TraceFilter
    }) =>
      patient<T.Trace>(client, `traces/${id(trace)}/filter`, {
        method: 'PUT',
        body: filter,
      }),
    onSuccess: (trace) => {
      queries.setQueryData(['trace', trace.id], trace)
      return queries.invalidateQueries({ queryKey: ['traces'] })
    },
  })
}

export function useDeleteTrace() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (trace: string) =>
      client.request<unknown>(`traces/${id(trace)}`, { method: 'DELETE' }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['traces'] }),
  })
}

export function useMeasurePath() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: T.MeasureRequest) =>
      client.request<T.Path>('paths', { method: 'POST', body }),
    onSuccess: (path) => {
      queries.setQueryData(['path', path.id], path)
      return queries.invalidateQueries({ queryKey: ['paths'] })
    },
  })
}

/** Creates a rule, or replaces the one whose id is given. */
export function useSaveRule() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ rule, of }: { rule: T.Rule; of: string | undefined }) =>
      of === undefined
        ? client.request<T.Rule>('rules', { method: 'POST', body: rule })
        : client.request<T.Rule>(`rules/${id(of)}`, {
            method: 'PUT',
            body: rule,
          }),
    onSuccess: () => refreshRules(queries),
  })
}

export function useDeleteRule() {
  const { client } = useAuth()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (rule: string) =>
      client.request<unknown>(`rules/${id(rule)}`, { method: 'DELETE' }),
    onSuccess: () => refreshRules(queries),
  })
}

async function refreshRules(queries: ReturnType<typeof useQueryClient>) {
  await Promise.all([
    queries.invalidateQueries({ queryKey: ['rules'] }),
    queries.invalidateQueries({ queryKey: ['stats'] }),
  ])
}
