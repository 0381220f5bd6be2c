// SPDX-License-Identifier: MIT
// What was seen for a trace and what was not, to the last hit.
import type { ProbeCount, Trace } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { CapabilityList } from '../ui/capabilities'
import { LossList } from '../ui/figures'
import { Notice } from '../ui/notice'
import { Empty, Section } from '../ui/page'

const LOSSES = [
  'ring_full',
  'throttled',
  'map_full',
  'recursion_missed',
] as const satisfies readonly (keyof ProbeCount)[]

/** Hits that neither came nor are named as lost: there must be none. */
export function unexplained(count: Omit<ProbeCount, 'probe'>): number {
  return (
    LOSSES.reduce((rest, name) => rest - (count[name] ?? 0), 0) +
    count.hits -
    count.delivered
  )
}

export function sumOf(
  probes: readonly ProbeCount[],
): Omit<ProbeCount, 'probe'> {
  const sum = (name: keyof Omit<ProbeCount, 'probe'>) =>
    probes.reduce((total, probe) => total + (probe[name] ?? 0), 0)
  return {
    hits: sum('hits'),
    delivered: sum('delivered'),
    ring_full: sum('ring_full'),
    throttled: sum('throttled'),
    map_full: sum('map_full'),
    recursion_missed: sum('recursion_missed'),
  }
}

export function Accounting({ trace }: { trace: Trace }) {
  const { t } = useI18n()
  return (
    <div className="ps-stack">
      <Section title={t('traces.probes')}>
        <p className="ps-dim">{t('traces.probes.help')}</p>
        <Probes probes={trace.probes} isLive={trace.state === 'running'} />
      </Section>
      <Section title={t('common.losses')}>
        {trace.losses.length === 0 ? (
          <Empty>{t('traces.losses.none')}</Empty>
        ) : (
          <LossList losses={trace.losses} />
        )}
      </Section>
      {trace.stations.length > 0 && (
        <Section
          title={t('traces.stations')}
          aside={t('services.capabilities.count', {
            available: trace.stations.filter((s) => s.available).length,
            total: trace.stations.length,
          })}
        >
          <CapabilityList list={trace.stations} />
        </Section>
      )}
    </div>
  )
}

function Probes({
  probes,
  isLive,
}: {
  probes: readonly ProbeCount[]
  isLive: boolean
}) {
  const { t, locale } = useI18n()
  if (probes.length === 0) return <Empty>{t('traces.probes.none')}</Empty>
  const all = sumOf(probes)
  const rest = probes.filter((probe) => unexplained(probe) !== 0)
  return (
    <>
      {rest.length > 0 && isLive && (
        <p className="ps-dim">
          {t('traces.probes.flight', {
            n: formatCount(Math.max(0, unexplained(all)), locale),
          })}
        </p>
      )}
      {rest.length > 0 && !isLive && (
        <Notice kind="warn" title={t('traces.probes.unexplained')}>
          <span className="ps-mono">
            {rest.map((probe) => probe.probe).join(', ')}
          </span>
        </Notice>
      )}
      <div className="ps-scroll" tabIndex={0}>
        <table className="ps-simple ps-probes">
          <thead>
            <tr>
              <th scope="col" data-text>
                {t('traces.probe')}
              </th>
              <th scope="col">{t('traces.hits')}</th>
              <th scope="col">{t('traces.probe.delivered')}</th>
              {LOSSES.map((name) => (
                <th key={name} scope="col">
                  {t(`traces.probe.${name}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {probes.map((probe) => (
              <ProbeLine key={probe.probe} name={probe.probe} count={probe} />
            ))}
          </tbody>
          <tfoot>
            <ProbeLine name={t('traces.probes.all')} count={all} />
          </tfoot>
        </table>
      </div>
    </>
  )
}

function ProbeLine({
  name,
  count,
}: {
  name: string
  count: Omit<ProbeCount, 'probe'>
}) {
  const { t, locale } = useI18n()
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{formatCount(count.hits, locale)}</td>
      <td>{formatCount(count.delivered, locale)}</td>
      {LOSSES.map((loss) => (
        <td
          key={loss}
          className={(count[loss] ?? 0) > 0 ? 'ps-bad' : undefined}
          data-zero={count[loss] === 0 || undefined}
        >
          {count[loss] === undefined
            ? t('traces.probe.unknown')
            : formatCount(count[loss], locale)}
        </td>
      ))}
    </tr>
  )
}
