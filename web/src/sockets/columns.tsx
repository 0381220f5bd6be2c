// SPDX-License-Identifier: MIT
import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Socket } from '../api/types'
import { useCan } from '../auth/session'
import { traceSocketLink } from '../flows/links'
import { useI18n } from '../i18n'
import { formatCount, formatDuration, UNKNOWN } from '../lib/format'
import { Endpoint, Endpoints } from '../ui/figures'
import { Icon } from '../ui/icon'
import { OwnerText } from '../ui/owner'
import type { Columns } from '../ui/table'

interface SocketCell {
  row: { original: Socket }
}

export function useSocketColumns(): Columns<Socket> {
  const { t, locale } = useI18n()
  const canTrace = useCan('operator')
  return useMemo<Columns<Socket>>(
    () => [
      {
        id: 'proto',
        header: t('common.protocol'),
        meta: { sort: 'proto', width: 72, only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <>
            {socket.proto}
            <span className="ps-dim"> v{socket.family}</span>
          </>
        ),
      },
      {
        id: 'proto-state',
        header: t('common.protocol'),
        meta: { sort: 'proto', width: 86, only: 'narrow', wrap: true },
        cell: ({ row: { original: socket } }) => (
          <div className="ps-lines">
            <div>
              {socket.proto}
              <span className="ps-dim">&nbsp;v{socket.family}</span>
            </div>
            <span className="ps-mono ps-dim">{socket.state}</span>
          </div>
        ),
      },
      {
        id: 'state',
        header: t('common.state'),
        meta: { sort: 'state', width: 92, only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <span className="ps-mono">{socket.state}</span>
        ),
      },
      {
        id: 'local',
        header: t('common.local'),
        meta: { sort: 'lport', width: 150, grow: 2, only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <Endpoint ip={socket.laddr} port={socket.lport} />
        ),
      },
      {
        id: 'remote',
        header: t('common.remote'),
        meta: { sort: 'rport', width: 150, grow: 2, only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <Endpoint ip={socket.raddr} port={socket.rport} />
        ),
      },
      {
        id: 'ends',
        header: `${t('common.local')} ↔ ${t('common.remote')}`,
        meta: {
          only: 'narrow',
          wrap: true,
          width: 150,
          grow: 1,
          sort: 'lport',
        },
        cell: ({ row: { original: socket } }) => <Endpoints of={socket} />,
      },
      {
        id: 'owner',
        header: t('sockets.process'),
        meta: { width: 140, narrow: 116, grow: 2, wrap: true },
        cell: ({ row: { original: socket } }) => (
          <OwnerText owner={socket.owners[0]} others={socket.owners.slice(1)} />
        ),
      },
      {
        id: 'queues',
        header: t('sockets.queues'),
        meta: {
          sort: 'recv_queue',
          width: 124,
          align: 'right',
          only: 'wide',
        },
        cell: ({ row: { original: socket } }) => (
          <span className="ps-num">
            {formatCount(socket.recv_queue, locale)} /{' '}
            {formatCount(socket.send_queue, locale)}
          </span>
        ),
      },
      {
        id: 'rtt',
        header: t('sockets.rtt'),
        meta: { sort: 'rtt_ns', width: 72, align: 'right', only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <span className="ps-num">
            {formatDuration(socket.rtt_ns, locale)}
          </span>
        ),
      },
      {
        id: 'retransmits',
        header: t('sockets.retransmits'),
        meta: {
          sort: 'retransmits',
          width: 84,
          align: 'right',
          only: 'wide',
        },
        cell: ({ row: { original: socket } }) => (
          <span
            className="ps-num"
            data-zero={socket.retransmits === 0 || undefined}
          >
            {formatCount(socket.retransmits, locale)}
          </span>
        ),
      },
      {
        id: 'uid',
        header: t('sockets.user'),
        meta: { sort: 'uid', width: 56, align: 'right', only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <span className="ps-num">{socket.uid ?? UNKNOWN}</span>
        ),
      },
      {
        id: 'netns',
        header: t('common.netns'),
        meta: { sort: 'netns', width: 100, grow: 1, only: 'wide' },
        cell: ({ row: { original: socket } }) => (
          <span className="ps-mono" title={String(socket.netns ?? UNKNOWN)}>
            {socket.netns_name ?? socket.netns ?? UNKNOWN}
          </span>
        ),
      },
      ...(canTrace
        ? [
            {
              id: 'trace',
              header: () => (
                <span className="ps-hidden">{t('common.action')}</span>
              ),
              meta: { width: 38, only: 'wide' as const },
              cell: ({ row: { original: socket } }: SocketCell) => (
                <Link
                  className="ps-icon-button"
                  to={traceSocketLink(socket)}
                  aria-label={t('sockets.trace')}
                  title={t('sockets.trace')}
                >
                  <Icon name="traces" />
                </Link>
              ),
            },
          ]
        : []),
    ],
    [t, locale, canTrace],
  )
}
