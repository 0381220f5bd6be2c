// SPDX-License-Identifier: MIT
import type { TraceFilter, Tuple } from '../api/types'
import { useI18n } from '../i18n'
import { formatDuration, formatEndpoint, formatHex } from '../lib/format'

export function tupleText(tuple: Tuple): string {
  const from = formatEndpoint(tuple.saddr, tuple.sport)
  const to = formatEndpoint(tuple.daddr, tuple.dport)
  return `${from} → ${to}`
}

function end(ip: string | undefined, port: number | undefined): string {
  return ip === undefined && port === undefined ? '*' : formatEndpoint(ip, port)
}

function endsText({ saddr, sport, daddr, dport }: TraceFilter) {
  const isAny = [saddr, sport, daddr, dport].every((v) => v === undefined)
  return isAny ? undefined : `${end(saddr, sport)} ↔ ${end(daddr, dport)}`
}

const markText = ({ mark, mark_mask: mask }: TraceFilter) =>
  mark !== undefined &&
  `mark ${formatHex(mark)}${mask === undefined ? '' : `/${formatHex(mask)}`}`

/** Each criterion that is set, shortest names first; empty for none. */
export function useFilterParts(): (filter: TraceFilter) => string[] {
  const { t, locale } = useI18n()
  return (filter) =>
    [
      filter.expr !== undefined && filter.expr,
      filter.proto,
      endsText(filter),
      filter.inner === true && t('traces.filter.inner'),
      filter.netns !== undefined && `netns ${filter.netns}`,
      filter.ifname,
      markText(filter),
      filter.pid !== undefined && `pid ${filter.pid}`,
      filter.cgroup,
      filter.container?.slice(0, 12),
      filter.min_latency_ns !== undefined &&
        `≥ ${formatDuration(filter.min_latency_ns, locale)}`,
      filter.drops_only === true && t('traces.filter.drops'),
      filter.sample !== undefined &&
        filter.sample > 1 &&
        t('traces.filter.sample', { n: filter.sample }),
    ].filter((part) => typeof part === 'string' && part !== '') as string[]
}

export function FilterText({ filter }: { filter: TraceFilter }) {
  const { t } = useI18n()
  const parts = useFilterParts()(filter)
  if (parts.length === 0) return <>{t('traces.filter.all')}</>
  return <span className="ps-mono">{parts.join(' · ')}</span>
}
