// SPDX-License-Identifier: MIT
import { Tooltip } from '@mantine/core'
import { useMemo, useRef, useEffect } from 'react'
import type { Counters, Flow } from '../api/types'
import { useI18n } from '../i18n'
import {
  formatByteRate,
  formatBytes,
  formatCount,
  formatEndpoint,
} from '../lib/format'
import { Ago, Endpoint, Endpoints } from '../ui/figures'
import { protocolText } from '../ui/protocols'
import type { Columns } from '../ui/table'

export function flowName(flow: Flow): string {
  const local = formatEndpoint(flow.laddr, flow.lport)
  const remote = formatEndpoint(flow.raddr, flow.rport)
  return `${protocolText(flow.proto, flow.ethertype)} ${local} ↔ ${remote}`
}

/** Both directions; not known unless both are. */
export function sum(
  a: number | undefined,
  b: number | undefined,
): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b
}

const total = (flow: Flow, field: keyof Counters) =>
  flow.rx[field] + flow.tx[field]

export function useFlowColumns(onOpen?: (flow: Flow) => void): Columns<Flow> {
  const { t, locale } = useI18n()
  // Columns keep their identity, or every row would be drawn anew.
  const open = useRef(onOpen)
  useEffect(() => {
    open.current = onOpen
  })
  const canOpen = onOpen !== undefined
  return useMemo<Columns<Flow>>(
    () => [
      {
        id: 'proto',
        header: t('common.protocol'),
        meta: { width: 66, narrow: 50 },
        cell: ({ row: { original: flow } }) =>
          canOpen ? (
            <button
              type="button"
              className="ps-link"
              aria-label={t('flows.detail.of', { flow: flowName(flow) })}
              onClick={() => open.current?.(flow)}
            >
              {protocolText(flow.proto, flow.ethertype)}
            </button>
          ) : (
            protocolText(flow.proto, flow.ethertype)
          ),
      },
      {
        id: 'local',
        header: t('common.local'),
        meta: { width: 170, grow: 2, only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <Endpoint ip={flow.laddr} port={flow.lport} />
        ),
      },
      {
        id: 'remote',
        header: t('common.remote'),
        meta: { width: 170, grow: 2, only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <Endpoint ip={flow.raddr} port={flow.rport} />
        ),
      },
      {
        id: 'ends',
        header: `${t('common.local')} ↔ ${t('common.remote')}`,
        meta: { only: 'narrow', wrap: true, width: 150, grow: 1 },
        cell: ({ row: { original: flow } }) => <Endpoints of={flow} />,
      },
      {
        id: 'interface',
        header: t('common.interface'),
        meta: { width: 84, grow: 1, only: 'wide' },
        cell: ({ row: { original: flow } }) => <Interface flow={flow} />,
      },
      {
        id: 'rate',
        header: t('flows.rate'),
        meta: { width: 87, narrow: 82, align: 'right', sort: 'rate' },
        cell: ({ row: { original: flow } }) => (
          <Rate rate={sum(flow.rx_bytes_per_s, flow.tx_bytes_per_s)} />
        ),
      },
      {
        id: 'rx',
        header: t('flows.rate.rx'),
        meta: { width: 87, align: 'right', only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <Rate rate={flow.rx_bytes_per_s} packets={flow.rx_packets_per_s} />
        ),
      },
      {
        id: 'tx',
        header: t('flows.rate.tx'),
        meta: { width: 87, align: 'right', only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <Rate rate={flow.tx_bytes_per_s} packets={flow.tx_packets_per_s} />
        ),
      },
      {
        id: 'bytes',
        header: t('common.bytes'),
        meta: { width: 88, narrow: 72, align: 'right', sort: 'bytes' },
        cell: ({ row: { original: flow } }) => (
          <span className="ps-num">
            {formatBytes(total(flow, 'bytes'), locale)}
          </span>
        ),
      },
      {
        id: 'packets',
        header: t('common.packets'),
        meta: { width: 84, align: 'right', sort: 'packets', only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <span className="ps-num">
            {formatCount(total(flow, 'packets'), locale)}
          </span>
        ),
      },
      {
        id: 'drops',
        header: t('flows.dropped'),
        meta: { width: 84, align: 'right', sort: 'drops', only: 'wide' },
        cell: ({ row: { original: flow } }) => <Dropped flow={flow} />,
      },
      {
        id: 'last',
        header: t('flows.last'),
        meta: { width: 78, align: 'right', sort: 'last', only: 'wide' },
        cell: ({ row: { original: flow } }) => (
          <span className="ps-dim">
            <Ago time={flow.last} />
          </span>
        ),
      },
    ],
    [t, locale, canOpen],
  )
}

function Interface({ flow }: { flow: Flow }) {
  const { t } = useI18n()
  const name = flow.ifname ?? `#${flow.ifindex}`
  return (
    <span
      className="ps-mono"
      title={`${name}, ${t('common.netns')} ${flow.netns}`}
    >
      {name}
      {flow.netns_name !== undefined && (
        <span className="ps-dim"> {flow.netns_name}</span>
      )}
    </span>
  )
}

function Rate({
  rate,
  packets,
}: {
  rate: number | undefined
  packets?: number | undefined
}) {
  const { t, locale } = useI18n()
  return (
    <span
      className="ps-num"
      data-zero={rate === 0 || undefined}
      title={
        packets === undefined
          ? undefined
          : t('flows.packets.rate', { rate: formatCount(packets, locale) })
      }
    >
      {formatByteRate(rate, locale)}
    </span>
  )
}

function Dropped({ flow }: { flow: Flow }) {
  const { t, locale } = useI18n()
  const count = formatCount(flow.dropped_packets, locale)
  if (flow.dropped_packets === 0) {
    return (
      <span className="ps-num" data-zero>
        {count}
      </span>
    )
  }
  return (
    <Tooltip
      events={{ hover: true, focus: true, touch: true }}
      label={
        <ul className="ps-plain">
          {flow.drops.map((drop, index) => (
            <li key={index}>
              {formatCount(drop.packets, locale)}{' '}
              {drop.reason ?? t('flows.drop.unknown')}
              {drop.function !== undefined && ` (${drop.function})`}
            </li>
          ))}
        </ul>
      }
    >
      <span className="ps-num ps-bad" tabIndex={0}>
        {count}
      </span>
    </Tooltip>
  )
}
