// SPDX-License-Identifier: MIT
import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { POLL_MS } from '../api/hooks'
import { buildQuery } from '../api/query'
import type {
  ListPacketsRequest,
  PacketWay,
  PacketWayList,
  Trace,
} from '../api/types'
import { useAuth } from '../auth/session'
import { newestFirst } from './packet-list'

const PAGE = 100
/** Loaded without being asked; "more" loads as many again. */
export const AT_ONCE = 2000

export interface Ways {
  /** The newest first; undefined until the first page came. */
  packets: PacketWay[] | undefined
  total: number
  error: Error | null
  hasMore: boolean
  more: () => void
}

type Wanted = Pick<ListPacketsRequest, 'drops_only' | 'payload'>

/**
 * The packets of a trace, page by page, the oldest page first as the API has
 * them. While it runs only those pages are asked for again that can change.
 */
export function useWays(trace: Trace, wanted: Wanted): Ways {
  const { client } = useAuth()
  const queries = useQueryClient()
  const key = JSON.stringify([trace.id, wanted])
  const start = { key, cursors: [''], most: AT_ONCE }
  const [kept, setKept] = useState(start)
  const now = kept.key === key ? kept : start
  const { cursors, most } = now
  const isLive = trace.state === 'running'

  // Each page by its cursor; what is on the last one may be the trace's end.
  const pages = useQueries({
    queries: cursors.map((cursor, at) => ({
      queryKey: ['packets', trace.id, wanted, cursor],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        client.get<PacketWayList>(
          `traces/${encodeURIComponent(trace.id)}/packets${buildQuery({ limit: PAGE, cursor, ...wanted })}`,
          signal,
        ),
      refetchInterval: (query: {
        state: { data?: PacketWayList | undefined }
      }) =>
        isLive && (at === cursors.length - 1 || mayChange(query.state.data))
          ? POLL_MS
          : (false as const),
    })),
  })
  const lists = pages.map((page) => page.data)
  const next = lists.at(-1)?.next_cursor
  const loaded = lists.reduce((n, list) => n + (list?.packets.length ?? 0), 0)
  if (next !== undefined && loaded < most && !cursors.includes(next)) {
    setKept({ ...now, cursors: [...cursors, next] })
  }

  // What came between the last poll and the end.
  useEffect(() => {
    if (isLive) return
    void queries.invalidateQueries({ queryKey: ['packets', trace.id] })
  }, [isLive, queries, trace.id])

  return {
    packets:
      lists[0] && newestFirst(lists.flatMap((list) => list?.packets ?? [])),
    total: lists.at(-1)?.total ?? lists[0]?.total ?? 0,
    error: pages.find((page) => page.error)?.error ?? null,
    hasMore: next !== undefined && loaded >= most,
    more: () => setKept({ ...now, most: most + AT_ONCE }),
  }
}

/** A packet that is not stored yet may still go on. */
function mayChange(list: PacketWayList | undefined): boolean {
  return list?.packets.some((packet) => packet.stored === false) ?? false
}
