// SPDX-License-Identifier: MIT
// The packets of a trace, and the way of the one that is picked.
import { useState } from 'react'
import { useSearchParams } from 'react-router'
import type { PacketWay, Trace } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { Empty, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { hasPassed } from './graph-layout'
import { packetKey, PacketList } from './packet-list'
import { FunctionTierMissing, useFunctionTier } from './tiers'
import { useWay, useWays } from './use-ways'
import { PacketWayView } from './way'

/** "tcp_rcv|in|4026531840" as a person reads it. */
const nodeText = (key: string) => key.split('|')[0] ?? key

const AT_ONCE = 200

export function Recording({ trace }: { trace: Trace }) {
  const { t } = useI18n()
  const [params, setParams] = useSearchParams()
  const [payloadOf, setPayloadOf] = useState<string>()
  const functions = useFunctionTier()
  const isLive = trace.state === 'running'
  const dropsOnly = params.get('drops') !== null
  const from = params.get('from') ?? undefined
  const to = params.get('to') ?? undefined
  const { packets, total, error, hasMore, isBusy, more } = useWays(
    trace,
    {
      ...(dropsOnly && { drops_only: true }),
      ...(from !== undefined && { station: nodeText(from) }),
    },
    AT_ONCE,
  )
  const all = packets ?? []
  const list =
    from === undefined ? all : all.filter((p) => hasPassed(p, from, to))
  const picked = params.get('packet')
  // The newest one at first; those that come later do not push it away.
  const view = JSON.stringify([trace.id, dropsOnly, from, to])
  const [first, setFirst] = useState<{ view: string; id: string }>()
  const newest = list[0] && String(list[0].id)
  if (first?.view !== view && newest !== undefined) {
    setFirst({ view, id: newest })
  }
  const id = picked ?? (first?.view === view ? first.id : newest)
  const listed = all.find((p) => String(p.id) === id)
  const payload = id !== undefined && id === payloadOf
  const one = useWay(trace, id ?? '', {
    enabled: id !== undefined && packets !== undefined && (payload || !listed),
    payload,
  })
  const packet = (payload ? one.way : undefined) ?? listed ?? one.way
  const change = (changes: Record<string, string | undefined>) => {
    const after = new URLSearchParams(params)
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) after.delete(name)
      else after.set(name, value)
    }
    setParams(after, { replace: true })
  }
  if (error) return <ProblemNotice error={error} />
  return (
    <div className="ps-split">
      <Section
        title={t('traces.packets')}
        aside={
          <Shown list={list} total={from === undefined ? total : undefined} />
        }
      >
        <div className="ps-actions">
          <button
            type="button"
            className="ps-button"
            aria-pressed={dropsOnly}
            onClick={() =>
              change({ drops: dropsOnly ? undefined : '1', packet: undefined })
            }
          >
            {t('traces.drops_only.show')}
          </button>
          {from !== undefined && (
            <button
              type="button"
              className="ps-button"
              onClick={() => change({ from: undefined, to: undefined })}
            >
              {t('traces.passed', {
                way: [from, to]
                  .filter((key) => key !== undefined)
                  .map(nodeText)
                  .join(' → '),
              })}
              <span aria-hidden="true">✕</span>
            </button>
          )}
        </div>
        {list.length === 0 ? (
          <Empty>
            {t(
              !packets || isBusy
                ? 'common.loading'
                : from !== undefined
                  ? hasMore
                    ? 'traces.packets.passed.none'
                    : 'traces.packets.passed.nowhere'
                  : dropsOnly
                    ? 'traces.drops.none'
                    : isLive
                      ? 'traces.packets.wait'
                      : 'traces.packets.none',
            )}
          </Empty>
        ) : (
          <PacketList
            packets={list}
            selected={packet && packetKey(packet)}
            onSelect={(next) => change({ packet: String(next.id) })}
          />
        )}
        {hasMore && (
          <button
            type="button"
            className="ps-button"
            disabled={isBusy}
            aria-busy={isBusy}
            onClick={more}
          >
            {t(isBusy ? 'common.loading' : 'common.more')}
          </button>
        )}
      </Section>
      <Section
        title={packet ? t('traces.packet', { id: packet.id }) : t('traces.way')}
      >
        {trace.tier === 'core' && functions && !functions.available && (
          <FunctionTierMissing capability={functions} short />
        )}
        {one.error && <ProblemNotice error={one.error} />}
        {packet ? (
          <PacketWayView
            packet={packet}
            onPayload={
              payload ? undefined : () => setPayloadOf(String(packet.id))
            }
          />
        ) : (
          <Empty>
            {t(
              one.isPending
                ? 'common.loading'
                : picked === null
                  ? 'traces.packet.pick'
                  : 'traces.packet.gone',
            )}
          </Empty>
        )}
      </Section>
    </div>
  )
}

function Shown({
  list,
  total,
}: {
  list: readonly PacketWay[]
  /** Absent: nobody counted those that fit. */
  total: number | undefined
}) {
  const { t, locale } = useI18n()
  const count = (n: number) => formatCount(n, locale)
  return total === undefined
    ? count(list.length)
    : t('common.shown', { shown: count(list.length), total: count(total) })
}
