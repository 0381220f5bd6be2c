// SPDX-License-Identifier: MIT
import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Path } from '../api/types'
import { useI18n } from '../i18n'
import { formatDateTime, formatDuration, UNKNOWN } from '../lib/format'
import { asText, StateTag, usePlaceText } from '../ui/figures'
import type { Columns } from '../ui/table'

/** Round-trip time to the target: of the last hop, if it is the target. */
export function targetRtt(path: Path): number | undefined {
  if (path.reached !== true) return undefined
  return path.hops.at(-1)?.rtt_p50_ns
}

export function usePathColumns(): Columns<Path> {
  const { t, locale } = useI18n()
  return useMemo<Columns<Path>>(
    () => [
      {
        id: 'target',
        header: t('paths.target'),
        meta: { width: 150, narrow: 116, grow: 1, wrap: true },
        cell: ({ row: { original: path } }) => (
          <Link className="ps-mono" to={`/paths/${path.id}`}>
            {path.target}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('common.state'),
        meta: { width: 92, narrow: 58 },
        cell: ({ row: { original: path } }) => <StateTag state={path.state} />,
      },
      {
        id: 'reached',
        header: t('paths.reached'),
        meta: { width: 96, only: 'wide' },
        cell: ({ row: { original: path } }) =>
          path.reached === undefined
            ? UNKNOWN
            : t(path.reached ? 'paths.reached.yes' : 'paths.reached.no'),
      },
      {
        id: 'hops',
        header: t('paths.hops'),
        meta: { width: 64, narrow: 46, align: 'right' },
        cell: ({ row: { original: path } }) => (
          <span className="ps-num">{path.hops.length}</span>
        ),
      },
      {
        id: 'rtt',
        header: t('paths.p50'),
        meta: { width: 92, narrow: 74, align: 'right' },
        cell: ({ row: { original: path } }) => (
          <span className="ps-num">
            {formatDuration(targetRtt(path), locale)}
          </span>
        ),
      },
      {
        id: 'place',
        header: t('paths.place'),
        meta: { width: 140, grow: 1, only: 'wide' },
        cell: ({ row: { original: path } }) => <Place path={path} />,
      },
      {
        id: 'as',
        header: t('paths.as'),
        meta: { width: 140, grow: 1, only: 'wide' },
        cell: ({ row: { original: path } }) => asText(path.place),
      },
      {
        id: 'started',
        header: t('common.started'),
        meta: { width: 170, align: 'right', only: 'wide' },
        cell: ({ row: { original: path } }) => (
          <span className="ps-num">{formatDateTime(path.started, locale)}</span>
        ),
      },
    ],
    [t, locale],
  )
}

function Place({ path }: { path: Path }) {
  const text = usePlaceText()
  return <>{text(path.place)}</>
}
