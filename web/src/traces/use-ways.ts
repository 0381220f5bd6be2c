// SPDX-License-Identifier: MIT
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Client } from '../api/client'
import { POLL_MS } from '../api/hooks'
import { buildQuery } from '../api/query'
import type {
  ListPacketsRequest,
  PacketWay,
  PacketWayList,
  Trace,
} from '../api/types'
import { useAuth } from '../auth/session'

const PAGE = 50
/** Requests of one look, however little each of them brings. */
const MAX_PAGES = 60

export type Wanted = Pick<ListPacketsRequest, 'drops_only' | 'station'>

/** What is known of a trace's packets, down from the newest. */
export interface Known {
  packets: PacketWay[]
  total: number
  /** Behind the oldest that is known; absent: there is none. */
  next?: string | undefined
}

export interface Ways {
  /** The newest first; undefined until the first page came. */
  packets: PacketWay[] | undefined
  total: number
  error: Error | null
  hasMore: boolean
  /** More are being looked for. */
  isBusy: boolean
  more: () => void
}

const pathOf = (trace: string, request: Omit<ListPacketsRequest, 'id'>) =>
  `traces/${encodeURIComponent(trace)}/packets${buildQuery(request)}`

/** A page under what is known already; where both have a packet, the page's. */
export function join(
  page: readonly PacketWay[],
  known: readonly PacketWay[],
): PacketWay[] {
  const all = new Map(known.map((packet) => [packet.id, packet]))
  for (const packet of page) all.set(packet.id, packet)
  return [...all.values()].sort((a, b) => b.id - a.id)
}

/** Nothing on the page, nor below it, is news. */
function isOld(page: readonly PacketWay[], known: Known): boolean {
  const stored = new Set(
    known.packets.filter((p) => p.stored).map((packet) => packet.id),
  )
  return page.length > 0 && page.every((packet) => stored.has(packet.id))
}

/**
 * Pages from the newest on, until what is known begins, and then from its end
 * on until so many are known.
 */
export async function load(
  get: (cursor: string) => Promise<PacketWayList>,
  most: number,
  before: Known | undefined,
): Promise<Known> {
  let now: Known = before ?? { packets: [], total: 0, next: '' }
  let isMet = before === undefined
  let cursor = ''
  for (let pages = 1; ; pages++) {
    const list = await get(cursor)
    const meetsNow = before !== undefined && !isMet && isOld(list.packets, now)
    now = {
      packets: join(list.packets, now.packets),
      total: list.total,
      next: meetsNow ? before.next : list.next_cursor,
    }
    isMet ||= meetsNow
    if (now.next === undefined) return now
    if (isMet && now.packets.length >= most) return now
    if (pages === MAX_PAGES) return isMet ? now : above(now, list.packets)
    cursor = now.next
  }
}

/** Without what lies below a page: there may be others in between. */
function above(now: Known, page: readonly PacketWay[]): Known {
  const last = page.at(-1)?.id ?? Infinity
  return { ...now, packets: now.packets.filter(({ id }) => id >= last) }
}

/** The packets of a trace, `atOnce` of them, and as many again by more(). */
export function useWays(trace: Trace, wanted: Wanted, atOnce: number): Ways {
  const { client } = useAuth()
  const queries = useQueryClient()
  const { state } = trace
  const of = JSON.stringify([trace.id, wanted])
  const start = { of, most: atOnce, had: atOnce }
  const [kept, setKept] = useState(start)
  const { most, had } = kept.of === of ? kept : start
  // What comes after the end is looked at anew: nothing changes after that.
  const keyAt = (n: number) => ['packets', of, state, n]
  const { data, error, isFetching, isPlaceholderData } = useQuery<Known>({
    queryKey: keyAt(most),
    queryFn: ({ signal }) =>
      load(
        (cursor) =>
          client.get<PacketWayList>(
            pathOf(trace.id, {
              limit: PAGE,
              sort: '-first',
              cursor,
              ...wanted,
            }),
            signal,
          ),
        most,
        queries.getQueryData<Known>(keyAt(most)) ??
          queries.getQueryData<Known>(keyAt(had)),
      ),
    refetchInterval: state === 'running' ? POLL_MS : false,
    placeholderData: (last, query) =>
      query?.queryKey[1] === of ? last : undefined,
  })
  return {
    packets: data?.packets,
    total: data?.total ?? 0,
    error,
    hasMore: data?.next !== undefined,
    isBusy: isFetching && (data === undefined || isPlaceholderData),
    more: () =>
      setKept({ of, most: (data?.packets.length ?? 0) + atOnce, had: most }),
  }
}

/** One packet by its number; with what it carries where that is asked for. */
export function useWay(
  trace: Trace,
  packet: string,
  { enabled, payload }: { enabled: boolean; payload: boolean },
): { way: PacketWay | undefined; error: Error | null; isPending: boolean } {
  const { client } = useAuth()
  const { data, error, isLoading } = useQuery({
    queryKey: ['packet', trace.id, packet, payload, trace.state],
    queryFn: ({ signal }) => getWay(client, trace.id, packet, payload, signal),
    enabled,
    // Each look at payload is recorded: once is enough.
    refetchInterval: (query) =>
      trace.state === 'running' && !payload && query.state.data?.stored !== true
        ? POLL_MS
        : false,
    staleTime: payload ? Infinity : 0,
  })
  return { way: data ?? undefined, error, isPending: isLoading }
}

async function getWay(
  client: Client,
  trace: string,
  packet: string,
  payload: boolean,
  signal: AbortSignal,
): Promise<PacketWay | null> {
  const number = Number(packet)
  if (!Number.isSafeInteger(number) || number < 0) return null
  const list = await client.get<PacketWayList>(
    pathOf(trace, { packet: number, ...(payload && { payload: true }) }),
    signal,
  )
  return list.packets[0] ?? null
}
