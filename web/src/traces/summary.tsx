// SPDX-License-Identifier: MIT
import { Link } from 'react-router'
import { buildQuery } from '../api/query'
import type { Trace } from '../api/types'
import { isKey, useI18n } from '../i18n'
import {
  formatCount,
  formatDateTime,
  formatDuration,
  formatRatio,
  formatSeconds,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { useNow } from '../ui/clock'
import { isLost, lossNames, plain } from '../ui/figures'
import { Facts } from '../ui/page'
import { Notice } from '../ui/notice'
import { FilterText } from './filter-text'

/** Nanoseconds that it ran, until now while it does. */
function useRan(trace: Trace): number | undefined {
  const now = useNow()
  const end = trace.ended ?? new Date(now).toISOString()
  const ran = nsBetween(trace.created, end)
  return ran === undefined ? undefined : Math.max(0, ran)
}

export function Summary({ trace }: { trace: Trace }) {
  const { t, locale } = useI18n()
  const endKey = `traces.end.${trace.end_reason ?? ''}`
  const tierKey = `traces.tier.${trace.tier ?? ''}`
  const ran = useRan(trace)
  return (
    <>
      <Facts
        items={[
          [
            t('traces.filter'),
            <span key="f" className="ps-wide-fact">
              <FilterText filter={trace.filter} />
            </span>,
          ],
          [t('common.created'), formatDateTime(trace.created, locale)],
          [
            t('common.duration'),
            trace.ended === undefined
              ? t('traces.ran.of', {
                  ran: formatSeconds(ran, locale),
                  all: formatSeconds(trace.duration_ns, locale),
                })
              : formatDuration(ran, locale),
          ],
          trace.state === 'running'
            ? undefined
            : [
                t('traces.end'),
                isKey(endKey)
                  ? plain(t, endKey)
                  : (trace.end_reason ?? UNKNOWN),
              ],
          [
            t('common.packets'),
            trace.max_packets === undefined
              ? formatCount(trace.packets, locale)
              : t('traces.packets.of', {
                  n: formatCount(trace.packets, locale),
                  all: formatCount(trace.max_packets, locale),
                }),
          ],
          trace.filtered === undefined || trace.filtered === 0
            ? undefined
            : [t('traces.filtered'), formatCount(trace.filtered, locale)],
          [t('traces.steps'), formatCount(trace.steps, locale)],
          [
            t('common.drops'),
            <span key="d" className={trace.drops > 0 ? 'ps-bad' : undefined}>
              {formatCount(trace.drops, locale)}
            </span>,
          ],
          trace.tier === undefined
            ? undefined
            : [
                t('traces.tier'),
                isKey(tierKey) ? plain(t, tierKey) : trace.tier,
              ],
          trace.cpu_ns === undefined
            ? undefined
            : [t('traces.cpu'), <Cpu key="c" ns={trace.cpu_ns} of={ran} />],
          trace.alert === undefined
            ? undefined
            : [
                t('traces.alert'),
                <Link
                  key="a"
                  className="ps-mono"
                  to={`/traces${buildQuery({ alert: trace.alert })}`}
                >
                  {trace.alert}
                </Link>,
              ],
          trace.comment === undefined
            ? undefined
            : [
                t('common.comment'),
                <span key="n" className="ps-wide-fact">
                  {trace.comment}
                </span>,
              ],
        ]}
      />
      <Warnings trace={trace} />
    </>
  )
}

/** CPU time of the tracer's programs, and its share of one core. */
function Cpu({ ns, of }: { ns: number; of: number | undefined }) {
  const { t, locale } = useI18n()
  const time = formatDuration(ns, locale)
  if (of === undefined || of === 0) return <>{time}</>
  return (
    <span title={t('traces.cpu.help')}>
      {time} ({formatRatio(ns / of, locale)})
    </span>
  )
}

/** What makes the recording less than all that happened. */
function Warnings({ trace }: { trace: Trace }) {
  const { t, language, locale } = useI18n()
  const { throttle } = trace
  // The tracer's sampling is of all traces: nothing of an ended one may have
  // been left out by it.
  const isThrottled =
    trace.state === 'running' ||
    trace.losses.some((loss) => loss.id === 'throttled' && loss.count > 0)
  // That there were more packets than asked for is said above.
  const lost = trace.losses.filter((loss) => loss.id !== 'packet_limit')
  const isFull =
    trace.state === 'running' &&
    trace.packets >= (trace.max_packets ?? Infinity)
  return (
    <>
      {trace.waiting && trace.state === 'running' && (
        <Notice kind="info">{t('traces.waiting')}</Notice>
      )}
      {(trace.partial ?? 0) > 0 && (
        <Notice kind="warn">
          {t('traces.partial', { n: trace.partial ?? 0 })}
        </Notice>
      )}
      {isFull && <Notice kind="info">{t('traces.full')}</Notice>}
      {throttle !== undefined && throttle > 1 && isThrottled && (
        <Notice kind="warn" title={t('traces.throttle', { n: throttle })}>
          {t('traces.throttle.help')}
        </Notice>
      )}
      {lost.some(isLost) && (
        <Notice kind="warn">
          {t('traces.lost', {
            lost: lossNames(lost, language, locale),
          })}{' '}
          <Link to="?view=account">{t('traces.lost.where')}</Link>
        </Notice>
      )}
    </>
  )
}
