// SPDX-License-Identifier: MIT
import type { GuardedInterface, GuarderStats } from '../api/types'
import { useI18n } from '../i18n'
import { formatBytes, formatCount } from '../lib/format'
import { Empty } from '../ui/page'

/** What XDP saw on each interface. */
export function StatsTable({ stats }: { stats: GuarderStats }) {
  const { t } = useI18n()
  if (stats.interfaces.length === 0)
    return <Empty>{t('rules.stats.none')}</Empty>
  return (
    <div
      className="ps-scroll"
      tabIndex={0}
      role="region"
      aria-label={t('rules.stats')}
    >
      <table className="ps-simple">
        <thead>
          <tr>
            <th scope="col" data-text>
              {t('common.interface')}
            </th>
            <th scope="col" data-text>
              {t('rules.mode')}
            </th>
            <th scope="col">{t('rules.seen')}</th>
            <th scope="col">{t('rules.passed')}</th>
            <th scope="col">{t('rules.dropped')}</th>
            <th scope="col" title={t('rules.unparsed.help')}>
              {t('rules.unparsed')}
            </th>
          </tr>
        </thead>
        <tbody>
          {stats.interfaces.map((line) => (
            <InterfaceLine key={line.ifindex} line={line} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function InterfaceLine({ line }: { line: GuardedInterface }) {
  const { t, locale } = useI18n()
  const both = (packets: number, bytes: number) => (
    <>
      {formatCount(packets, locale)}
      <span className="ps-dim"> {formatBytes(bytes, locale)}</span>
    </>
  )
  return (
    <tr>
      <th scope="row" data-text className="ps-mono">
        {line.ifname ?? `#${line.ifindex}`}
      </th>
      <td data-text>
        {line.mode === undefined ? (
          <span className="ps-warn">{t('rules.mode.none')}</span>
        ) : (
          <span className="ps-mono">{line.mode}</span>
        )}
        {line.reason !== undefined && <div>{line.reason}</div>}
      </td>
      <td>{both(line.seen_packets, line.seen_bytes)}</td>
      <td>{both(line.passed_packets, line.passed_bytes)}</td>
      <td className={line.dropped_packets > 0 ? 'ps-bad' : undefined}>
        {both(line.dropped_packets, line.dropped_bytes)}
      </td>
      <td>{formatCount(line.unparsed_packets, locale)}</td>
    </tr>
  )
}
