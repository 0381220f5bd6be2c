// SPDX-License-Identifier: MIT
// The drops of a trace, those of one reason and place together.
import { Link } from 'react-router'
import type { Drop, PacketWay } from '../api/types'
import { useI18n } from '../i18n'
import { formatClock, formatCount } from '../lib/format'
import { Empty } from '../ui/page'
import { DropDetail, dropOf } from './drop'

export interface DropGroup {
  key: string
  drop: Drop
  packets: number
  /** Of the newest. */
  example: PacketWay
}

/** The most frequent first. */
export function groupDrops(packets: readonly PacketWay[]): DropGroup[] {
  const groups = new Map<string, DropGroup>()
  for (const packet of packets) {
    const drop = dropOf(packet)
    if (!drop) continue
    const key = JSON.stringify([
      drop.reason_code,
      drop.reason,
      drop.subsystem,
      drop.function,
      drop.offset,
      drop.rule?.kind,
      drop.rule?.id,
    ])
    const group = groups.get(key)
    if (group) group.packets++
    else groups.set(key, { key, drop, packets: 1, example: packet })
  }
  return [...groups.values()].sort((a, b) => b.packets - a.packets)
}

export function DropsView({
  packets,
  total,
  linkTo,
  more,
  isBusy = false,
}: {
  /** Dropped ones, the newest first. */
  packets: readonly PacketWay[]
  total: number
  linkTo: (packet: PacketWay) => string
  /** Loads more of them; absent: all are here. */
  more?: (() => void) | undefined
  isBusy?: boolean
}) {
  const { t, locale } = useI18n()
  const groups = groupDrops(packets)
  if (groups.length === 0) return <Empty>{t('traces.drops.none')}</Empty>
  return (
    <>
      {total > packets.length && (
        <p className="ps-dim">
          {t('traces.drops.of', {
            shown: formatCount(packets.length, locale),
            total: formatCount(total, locale),
          })}{' '}
          {more && (
            <button
              type="button"
              className="ps-link"
              disabled={isBusy}
              onClick={more}
            >
              {t(isBusy ? 'common.loading' : 'common.more')}
            </button>
          )}
        </p>
      )}
      <ul className="ps-drops">
        {groups.map((group) => (
          <li key={group.key}>
            <span className="ps-num ps-drops-count">
              {formatCount(group.packets, locale)}
            </span>
            <div>
              <DropDetail drop={group.drop} />
              <Link to={linkTo(group.example)}>
                {t('traces.drops.example', {
                  time: formatClock(group.example.last, locale, 3),
                })}
              </Link>
            </div>
          </li>
        ))}
      </ul>
    </>
  )
}
