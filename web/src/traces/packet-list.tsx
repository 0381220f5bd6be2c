// SPDX-License-Identifier: MIT
import { useMemo, useRef, useEffect } from 'react'
import type { PacketWay } from '../api/types'
import { isKey, useI18n } from '../i18n'
import {
  formatClock,
  formatCount,
  formatDuration,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { plain, Tag } from '../ui/figures'
import { DataTable, type Columns } from '../ui/table'
import { tupleText } from './filter-text'

export function Fate({ fate }: { fate: string | undefined }) {
  const { t } = useI18n()
  if (fate === undefined) return <>{UNKNOWN}</>
  const key = `traces.fate.${fate}`
  return <Tag word={fate} text={isKey(key) ? plain(t, key) : fate} />
}

export function PacketList({
  packets,
  selected,
  onSelect,
}: {
  packets: PacketWay[]
  selected: number | undefined
  onSelect: (id: number) => void
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
        meta: { width: 126, narrow: 112 },
        cell: ({ row: { original: packet } }) => (
          <button
            type="button"
            className="ps-link ps-mono"
            aria-label={t('traces.packet', { id: packet.id })}
            onClick={() => select.current(packet.id)}
          >
            {formatClock(packet.first, locale, 6)}
          </button>
        ),
      },
      {
        id: 'tuple',
        header: t('common.address'),
        meta: { width: 150, grow: 1, wrap: true },
        cell: ({ row: { original: packet } }) => (
          <span className="ps-mono" title={tupleText(packet.tuple)}>
            {tupleText(packet.tuple)}
          </span>
        ),
      },
      {
        id: 'length',
        header: t('traces.length'),
        meta: { width: 60, align: 'right', only: 'wide' },
        cell: ({ row: { original: packet } }) => (
          <span className="ps-num">{formatCount(packet.len, locale)}</span>
        ),
      },
      {
        id: 'took',
        header: t('common.duration'),
        meta: { width: 74, align: 'right', only: 'wide' },
        cell: ({ row: { original: packet } }) => (
          <span className="ps-num">
            {formatDuration(nsBetween(packet.first, packet.last), locale)}
          </span>
        ),
      },
      {
        id: 'fate',
        header: t('traces.fate'),
        meta: { width: 88, narrow: 64 },
        cell: ({ row: { original: packet } }) => <Fate fate={packet.fate} />,
      },
    ],
    [t, locale],
  )
  return (
    <DataTable
      label={t('traces.packets')}
      rows={packets}
      columns={columns}
      rowId={(packet) => String(packet.id)}
      isSelected={(packet) => packet.id === selected}
      empty={t('traces.packets.none')}
    />
  )
}
