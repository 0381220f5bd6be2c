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
import { useWays } from './use-ways'
import { PacketWayView } from './way'

/** "tcp_rcv|in|4026531840" as a person reads it. */
const nodeText = (key: string) => key.split('|')[0] ?? key

export function Recording({ trace }: { trace: Trace }) {
  const { t } = useI18n()
  const [params, setParams] = useSearchParams()
  const [payload, setPayload] = useState(false)
  const functions = useFunctionTier()
  const isLive = trace.state === 'running'
  const dropsOnly = params.get('drops') !== null
  const { packets, total, error, hasMore, more } = useWays(trace, {
    ...(dropsOnly && { drops_only: true }),
    ...(payload && { payload: true }),
  })
  const from = params.get('from') ?? undefined
  const to = params.get('to') ?? undefined
  const all = packets ?? []
  const list =
    from === undefined ? all : all.filter((p) => hasPassed(p, from, to))
  const picked = params.get('packet')
  const packet =
    all.find((p) => String(p.id) === picked) ??
    (picked === null ? list[0] : undefined)
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
        aside={<Shown list={list} all={all} total={total} />}
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
              })}{' '}
              <span aria-hidden="true">✕</span>
            </button>
          )}
        </div>
        {list.length === 0 ? (
          <Empty>
            {t(
              !packets
                ? 'common.loading'
                : from !== undefined
                  ? 'traces.packets.passed.none'
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
          <button type="button" className="ps-button" onClick={more}>
            {t('common.more')}
          </button>
        )}
      </Section>
      <Section
        title={packet ? t('traces.packet', { id: packet.id }) : t('traces.way')}
      >
        {trace.tier === 'core' && functions && !functions.available && (
          <FunctionTierMissing capability={functions} short />
        )}
        {packet ? (
          <PacketWayView
            packet={packet}
            onPayload={payload ? undefined : () => setPayload(true)}
          />
        ) : (
          <Empty>
            {t(picked === null ? 'traces.packet.pick' : 'traces.packet.gone')}
          </Empty>
        )}
      </Section>
    </div>
  )
}

function Shown({
  list,
  all,
  total,
}: {
  list: readonly PacketWay[]
  all: readonly PacketWay[]
  total: number
}) {
  const { t, locale } = useI18n()
  const count = (n: number) => formatCount(n, locale)
  if (list.length === all.length) {
    return t('common.shown', { shown: count(list.length), total: count(total) })
  }
  return t('traces.shown.passed', {
    shown: count(list.length),
    looked: count(all.length),
    total: count(total),
  })
}
