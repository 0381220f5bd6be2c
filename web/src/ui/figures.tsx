// SPDX-License-Identifier: MIT
// The small things that every page shows: addresses, ages, states.
import { Link } from 'react-router'
import type { Loss, Place } from '../api/types'
import { useI18n, isKey, type Language } from '../i18n'
import { daemonText, idWords } from '../i18n/daemon'
import { ageNs, formatCount, formatSeconds, UNKNOWN } from '../lib/format'
import { useNow } from './clock'

/** An address with its port; the address leads to its host page. */
export function Endpoint({
  ip,
  port,
}: {
  ip: string | undefined
  port?: number | undefined
}) {
  if (ip === undefined) {
    return (
      <span className="ps-mono">
        {port === undefined ? UNKNOWN : `*:${port}`}
      </span>
    )
  }
  const isV6 = ip.includes(':')
  const text = port !== undefined && isV6 ? `[${ip}]` : ip
  // Any address and any port, as `ss` writes them.
  if (ip === '0.0.0.0' || ip === '::') {
    return (
      <span className="ps-endpoint ps-mono ps-dim">
        {port === undefined ? ip : `${text}:${port === 0 ? '*' : port}`}
      </span>
    )
  }
  return (
    <span className="ps-endpoint ps-mono">
      <Link to={`/hosts/${encodeURIComponent(ip)}`} title={ip}>
        {text}
      </Link>
      {port !== undefined && <span className="ps-port">:{port}</span>}
    </span>
  )
}

/** Both ends in one cell: the local one above the remote one. */
export function Endpoints({
  of,
}: {
  of: { laddr?: string; lport?: number; raddr?: string; rport?: number }
}) {
  return (
    <div className="ps-lines">
      <div>
        <Endpoint ip={of.laddr} port={of.lport} />
      </div>
      <div>
        <span className="ps-other-end ps-mono">↔ </span>
        <Endpoint ip={of.raddr} port={of.rport} />
      </div>
    </div>
  )
}

/** Rounded to what a reader of "… ago" wants. */
export function useAge(): (time: string | undefined) => string {
  const { locale } = useI18n()
  const now = useNow()
  return (time) => {
    return formatSeconds(ageNs(time, now), locale)
  }
}

export function Ago({ time }: { time: string | undefined }) {
  const { t } = useI18n()
  const age = useAge()
  if (time === undefined) return <>{UNKNOWN}</>
  return <time dateTime={time}>{t('common.ago', { age: age(time) })}</time>
}

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain'

const TONES: Record<string, Tone> = {
  ready: 'good',
  starting: 'info',
  degraded: 'warn',
  standby: 'plain',
  draining: 'warn',
  down: 'bad',
  running: 'info',
  done: 'good',
  failed: 'bad',
  refused: 'warn',
  unknown: 'warn',
  delivered: 'good',
  sent: 'good',
  forwarded: 'good',
  dropped: 'bad',
  drop: 'bad',
  pass: 'good',
  info: 'plain',
  notice: 'info',
  warning: 'warn',
  critical: 'bad',
}

export function Tag({ word, text }: { word: string; text: string }) {
  return (
    <span className="ps-tag" data-tone={TONES[word] ?? 'plain'}>
      {text}
    </span>
  )
}

export function StateTag({ state }: { state: string }) {
  const { t } = useI18n()
  const key = `state.${state}`
  return <Tag word={state} text={isKey(key) ? plain(t, key) : state} />
}

/** A text without parameters, by a key put together at run time. */
export function plain(
  t: ReturnType<typeof useI18n>['t'],
  key: Parameters<ReturnType<typeof useI18n>['t']>[0],
): string {
  return (t as (key: string) => string)(key)
}

/** Steps that wait for their packet are not lost yet. */
/** Counted, so that the sum is right, and missed by nobody. */
const BESIDE = ['filtered', 'in_flight', 'other_bytes', 'other_sockets']

export function isLost({ id, count }: Loss): boolean {
  return count > 0 && !BESIDE.includes(id)
}

/** "0", or sums of what has the same unit: "3 steps + 2 packets". */
export function lossText(
  losses: readonly Loss[],
  language: Language,
  locale: string,
): string {
  const sums = new Map<string, number>()
  for (const { unit, count } of losses.filter(isLost)) {
    sums.set(unit, (sums.get(unit) ?? 0) + count)
  }
  const parts = [...sums].map(
    ([unit, count]) =>
      `${formatCount(count, locale)} ${daemonText(language, 'unit', unit, unit)}`,
  )
  return parts.length > 0 ? parts.join(' + ') : '0'
}

/** Each by its name, most first: "beyond the packet limit (3 steps)". */
export function lossNames(
  losses: readonly Loss[],
  language: Language,
  locale: string,
): string {
  return losses
    .filter(isLost)
    .sort((a, b) => b.count - a.count)
    .map(({ id, unit, count }) => {
      const name = daemonText(language, 'loss', id, idWords(id))
      const of = daemonText(language, 'unit', unit, unit)
      return `${name} (${formatCount(count, locale)} ${of})`
    })
    .join(', ')
}

export function LossList({ losses }: { losses: readonly Loss[] }) {
  const { language, locale } = useI18n()
  return (
    <ul className="ps-losses">
      {losses.map((loss) => (
        <li key={loss.id} data-lost={isLost(loss) || undefined}>
          <span className="ps-mono ps-num">
            {formatCount(loss.count, locale)}
          </span>
          <span className="ps-dim">
            {daemonText(language, 'unit', loss.unit, loss.unit)}
          </span>
          <span title={loss.id}>
            {daemonText(language, 'loss', loss.id, idWords(loss.id))}
          </span>
        </li>
      ))}
    </ul>
  )
}

export function useRegionName(): (code: string | undefined) => string {
  const { locale } = useI18n()
  return (code) => {
    if (code === undefined) return UNKNOWN
    try {
      const names = new Intl.DisplayNames(locale, { type: 'region' })
      return names.of(code) ?? code
    } catch {
      return code
    }
  }
}

/** "Frankfurt, Germany" or the kind of special address. */
export function usePlaceText(): (place: Place | undefined) => string {
  const { t } = useI18n()
  const region = useRegionName()
  return (place) => {
    if (!place) return UNKNOWN
    if (place.special !== undefined) {
      const key = `special.${place.special}`
      return isKey(key) ? plain(t, key) : place.special
    }
    const parts = [
      place.city,
      place.country !== undefined ? region(place.country) : undefined,
    ].filter((part) => part !== undefined)
    return parts.length > 0 ? parts.join(', ') : UNKNOWN
  }
}

export function asText(place: Place | undefined): string {
  if (place?.asn === undefined) return UNKNOWN
  return `AS${place.asn}${place.as_name === undefined ? '' : ` ${place.as_name}`}`
}
