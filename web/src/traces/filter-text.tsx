// SPDX-License-Identifier: MIT
import type { TraceFilter, Tuple } from '../api/types'
import { useI18n } from '../i18n'
import { formatEndpoint } from '../lib/format'

export function tupleText(tuple: Tuple): string {
  const from = formatEndpoint(tuple.saddr, tuple.sport)
  const to = formatEndpoint(tuple.daddr, tuple.dport)
  return `${from} → ${to}`
}

function end(ip: string | undefined, port: number | undefined): string {
  return ip === undefined && port === undefined ? '*' : formatEndpoint(ip, port)
}

export function FilterText({ filter }: { filter: TraceFilter }) {
  const { t } = useI18n()
  const { saddr, sport, daddr, dport, proto, netns } = filter
  const isAll = [saddr, sport, daddr, dport, proto, netns].every(
    (part) => part === undefined,
  )
  if (isAll) return <>{t('traces.filter.all')}</>
  return (
    <span className="ps-mono">
      {[
        proto,
        `${end(saddr, sport)} ↔ ${end(daddr, dport)}`,
        netns !== undefined && `netns ${netns}`,
      ]
        .filter(Boolean)
        .join(' ')}
    </span>
  )
}
