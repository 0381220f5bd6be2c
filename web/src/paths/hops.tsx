// SPDX-License-Identifier: MIT
import type { Hop, Path } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount, formatDuration, formatRatio } from '../lib/format'
import { asText, Endpoint, usePlaceText } from '../ui/figures'

/** Every hop; each round-trip time on one scale, so that they compare. */
export function HopTable({ path }: { path: Path }) {
  const { t } = useI18n()
  const longest = Math.max(0, ...path.hops.map((hop) => hop.rtt_max_ns ?? 0))
  return (
    <div
      className="ps-scroll"
      tabIndex={0}
      role="region"
      aria-label={t('paths.hops')}
    >
      <table className="ps-hops">
        <thead>
          <tr>
            <th scope="col">{t('paths.hop')}</th>
            <th scope="col">{t('paths.address')}</th>
            <th scope="col">{t('paths.place')}</th>
            <th scope="col">{t('paths.as')}</th>
            <th scope="col">{t('paths.sent')}</th>
            <th scope="col">{t('paths.received')}</th>
            <th scope="col">{t('paths.loss')}</th>
            <th scope="col">{t('paths.min')}</th>
            <th scope="col">{t('paths.p50')}</th>
            <th scope="col">{t('paths.max')}</th>
            <th scope="col">{t('paths.rtt')}</th>
          </tr>
        </thead>
        <tbody>
          {path.hops.map((hop) => (
            <HopLine key={hop.ttl} hop={hop} longest={longest} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function HopLine({ hop, longest }: { hop: Hop; longest: number }) {
  const { t, locale } = useI18n()
  const place = usePlaceText()
  const isLossy = (hop.loss_ratio ?? 0) > 0
  return (
    <tr data-silent={hop.addresses.length === 0 || undefined}>
      <td>{hop.ttl}</td>
      <td data-text>
        {hop.addresses.length === 0 && (
          <span className="ps-dim">{t('paths.noanswer')}</span>
        )}
        {hop.addresses.map(({ ip }) => (
          <div key={ip}>
            <Endpoint ip={ip} />
          </div>
        ))}
        {hop.unreachable !== undefined && (
          <span className="ps-bad">
            {t('paths.unreachable', { what: hop.unreachable })}
          </span>
        )}
      </td>
      <td data-text>
        {hop.addresses.map((address) => (
          <div key={address.ip}>{place(address.place)}</div>
        ))}
      </td>
      <td data-text>
        {hop.addresses.map((address) => (
          <div key={address.ip}>{asText(address.place)}</div>
        ))}
      </td>
      <td>{formatCount(hop.sent, locale)}</td>
      <td>{formatCount(hop.received, locale)}</td>
      <td className={isLossy ? 'ps-bad' : undefined}>
        {formatRatio(hop.loss_ratio, locale)}
      </td>
      <td>{formatDuration(hop.rtt_min_ns, locale)}</td>
      <td>{formatDuration(hop.rtt_p50_ns, locale)}</td>
      <td>{formatDuration(hop.rtt_max_ns, locale)}</td>
      <td>
        <RttBar hop={hop} longest={longest} />
      </td>
    </tr>
  )
}

const BAR_PX = 160

/** From the shortest to the longest time, with a mark at the median. */
function RttBar({ hop, longest }: { hop: Hop; longest: number }) {
  const { t, locale } = useI18n()
  const { rtt_min_ns: min, rtt_p50_ns: median, rtt_max_ns: max } = hop
  if (min === undefined || max === undefined || longest === 0) return null
  const x = (ns: number) => 1 + (ns / longest) * (BAR_PX - 3)
  return (
    <svg
      className="ps-rtt"
      width={BAR_PX}
      height={14}
      role="img"
      aria-label={t('paths.rtt.bar', {
        min: formatDuration(min, locale),
        p50: formatDuration(median, locale),
        max: formatDuration(max, locale),
      })}
    >
      <line x1={0} x2={BAR_PX} y1={7} y2={7} />
      <rect x={x(min)} y={3} width={Math.max(2, x(max) - x(min))} height={8} />
      {median !== undefined && (
        <rect data-median x={x(median) - 1} y={0} width={2} height={14} />
      )}
    </svg>
  )
}
