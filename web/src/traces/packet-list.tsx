// SPDX-License-Identifier: MIT
import { useMemo, useRef, useEffect } from 'react'
import type { PacketWay } from '../api/types'
import { isKey, useI18n } from '../i18n'
import { formatClock, formatDuration, nsBetween, UNKNOWN } from '../lib/format'
import { plain, Tag } from '../ui/figures'
import { DataTable, type Columns } from '../ui/table'
import { dropOf, useReasonText } from './drop'
import { tupleText } from './filter-text'

export function Fate({ fate }: { fate: string | undefined }) {
  const { t } = useI18n()
  if (fate === undefined) return <>{UNKNOWN}</>
  const key = `traces.fate.${fate}`
  return <Tag word={fate} text={isKey(key) ? plain(t, key) : fate} />
}

/** The way's end; of a drop, why. */
function FateOf({ packet }: { packet: PacketWay }) {
  const { t } = useI18n()
  const reasonText = useReasonText()
  const drop = dropOf(packet)
  // A copy may have been dropped while the packet itself went on.
  const isDropped = packet.fate === undefined || packet.fate === 'dropped'
  if (!drop || !isDropped) return <Fate fate={packet.fate} />
  const reason = reasonText(drop)
  return (
    <span
      className="ps-tag ps-fate"
      data-tone="bad"
      title={t('traces.dropped', { reason })}
    >
      <span className="ps-hidden">{t('traces.fate.dropped')}</span>
      <span aria-hidden="true">✕ </span>
      <span>{reason}</span>
    </span>
  )
}

/** What sets this packet apart from every other. */
export const packetKey = (packet: PacketWay) =>
  `${packet.trace ?? ''} ${packet.id}`

export function PacketList({
  packets,
  selected,
  onSelect,
}: {
  packets: PacketWay[]
  selected: string | undefined
  onSelect: (packet: PacketWay) => void
}) {
  const { t, locale } = useI18n()
  const select = useRef(onSelect)
  useEffect(() => {
    select.current = onSelect
  })
  const columns = useMemo<Columns<PacketWay>>(
    () => [
      {
        id: 'time',
        header: t('traces.time'),
        meta: { width: 92, narrow: 84 },
        cell: ({ row: { original: packet } }) => (
          <button
            type="button"
            className="ps-link ps-mono"
            aria-label={t('traces.packet', { id: packet.id })}
            title={formatClock(packet.first, locale, 9)}
            onClick={() => select.current(packet)}
          >
            {formatClock(packet.first, locale, 3)}
          </button>
        ),
      },
      {
        id: 'tuple',
        header: t('common.address'),
        meta: { width: 200, narrow: 120, grow: 1, wrap: true },
        cell: ({ row: { original: packet } }) => (
          <span className="ps-mono" title={tupleText(packet.tuple)}>
            <span className="ps-dim">{packet.tuple.proto}</span>{' '}
            {tupleText(packet.tuple)}
          </span>
        ),
      },
      {
        id: 'took',
        header: t('common.duration'),
        meta: { width: 68, align: 'right', only: 'wide' },
        cell: ({ row: { original: packet } }) => (
          <span className="ps-num">
            {formatDuration(nsBetween(packet.first, packet.last), locale)}
          </span>
        ),
      },
      {
        id: 'fate',
        header: t('traces.fate'),
        meta: { width: 134, narrow: 112 },
        cell: ({ row: { original: packet } }) => <FateOf packet={packet} />,
      },
    ],
    [t, locale],
  )
  return (
    <DataTable
      label={t('traces.packets')}
      rows={packets}
      columns={columns}
      rowId={packetKey}
      isSelected={(packet) => packetKey(packet) === selected}
      empty={t('traces.packets.none')}
      wraps
    />
  )
}
