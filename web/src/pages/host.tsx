// SPDX-License-Identifier: MIT
import { lazy, Suspense } from 'react'
import { Link, useParams } from 'react-router'
import { useHost } from '../api/hooks'
import type { HostReport, Place } from '../api/types'
import { useCan } from '../auth/session'
import { useFlowColumns } from '../flows/columns'
import { hostLinks } from '../flows/links'
import { isKey, useI18n } from '../i18n'
import { formatCount, UNKNOWN } from '../lib/format'
import { isIp } from '../lib/ip'
import { usePathColumns } from '../paths/columns'
import { RuleMatch } from '../rules/match'
import { useSocketColumns } from '../sockets/columns'
import { asText, plain, Tag, usePlaceText, useRegionName } from '../ui/figures'
import { Notice } from '../ui/notice'
import { Empty, Facts, Page, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable } from '../ui/table'
import { Updated } from '../ui/updated'

const WorldMap = lazy(() => import('../ui/world-map'))

export function Component() {
  const { t } = useI18n()
  const { ip = '' } = useParams()
  const isValid = isIp(ip)
  const canChange = useCan('operator')
  const canRule = useCan('admin')
  const { data, error, dataUpdatedAt, isPlaceholderData } = useHost(ip, isValid)
  if (!isValid) {
    return (
      <Page title={t('nav.host')}>
        <Notice kind="bad">{t('host.invalid', { ip })}</Notice>
      </Page>
    )
  }
  return (
    <Page
      loading={!data && !error}
      title={t('host.title', { ip })}
      aside={<Updated at={dataUpdatedAt} />}
      actions={
        <>
          <Link className="ps-button" to={hostLinks.find(ip)}>
            {t('traces.find')}
          </Link>
          {canChange && (
            <>
              <Link className="ps-button" to={hostLinks.measure(ip)}>
                {t('host.measure')}
              </Link>
              <Link className="ps-button" to={hostLinks.trace(ip)}>
                {t('host.trace')}
              </Link>
              {canRule && (
                <Link className="ps-button" to={hostLinks.block(ip)}>
                  {t('host.block')}
                </Link>
              )}
            </>
          )}
        </>
      }
    >
      {error && <ProblemNotice error={error} />}
      {data && !isPlaceholderData && <Report report={data} />}
    </Page>
  )
}

function Report({ report }: { report: HostReport }) {
  const { t, locale } = useI18n()
  const flowColumns = useFlowColumns()
  const socketColumns = useSocketColumns()
  const pathColumns = usePathColumns()
  const { flows, sockets, paths, rules } = report
  const count = (list: { total: number } | undefined) =>
    list && formatCount(list.total, locale)
  return (
    <>
      {report.missing.map(({ service, reason }) => (
        <Notice key={service} kind="warn">
          {t('host.missing', { service, reason })}
        </Notice>
      ))}
      <Section title={t('host.place')}>
        <PlaceDetail ip={report.ip} place={report.place} />
      </Section>
      {flows && (
        <Section title={t('host.flows')} aside={count(flows)}>
          <DataTable
            label={t('host.flows')}
            rows={flows.flows}
            columns={flowColumns}
            rowId={(flow) => flow.id}
            empty={t('host.flows.none')}
          />
        </Section>
      )}
      {sockets && (
        <Section title={t('host.sockets')} aside={count(sockets)}>
          <DataTable
            label={t('host.sockets')}
            rows={sockets.sockets}
            columns={socketColumns}
            rowId={(_, index) => String(index)}
            empty={t('host.sockets.none')}
          />
        </Section>
      )}
      {paths && (
        <Section title={t('host.paths')} aside={count(paths)}>
          <DataTable
            label={t('host.paths')}
            rows={paths.paths}
            columns={pathColumns}
            rowId={(path) => path.id}
            empty={t('host.paths.none')}
          />
        </Section>
      )}
      {rules && (
        <Section title={t('host.rules')} aside={count(rules)}>
          {rules.rules.length === 0 && <Empty>{t('host.rules.none')}</Empty>}
          <ul className="ps-list">
            {rules.rules.map((rule) => (
              <li key={rule.id}>
                <span className="ps-mono ps-dim">{rule.id}</span>
                <Tag
                  word={rule.action}
                  text={t(`rules.action.${rule.action}`)}
                />
                <RuleMatch rule={rule} />
                <span className="ps-num">
                  {t('rules.hits')} {formatCount(rule.hit_packets, locale)}
                </span>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

function PlaceDetail({ ip, place }: { ip: string; place: Place | undefined }) {
  const { t, locale } = useI18n()
  const region = useRegionName()
  const text = usePlaceText()
  if (!place) return <Empty>{t('host.place.missing')}</Empty>
  if (place.special !== undefined) {
    const key = `special.${place.special}`
    const kind = isKey(key) ? plain(t, key) : place.special
    return <Empty>{t('host.special', { kind })}</Empty>
  }
  const { latitude, longitude } = place
  const degrees = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 })
  const hasPoint = latitude !== undefined && longitude !== undefined
  const isKnown = place.country ?? place.city ?? place.asn
  if (isKnown === undefined && !hasPoint) {
    return <Empty>{t('host.place.none')}</Empty>
  }
  return (
    <div className="ps-place">
      <Facts
        items={[
          [t('host.country'), region(place.country)],
          [
            t('host.city'),
            [place.city, place.region].filter(Boolean).join(', ') || UNKNOWN,
          ],
          [t('host.as'), asText(place)],
          [
            t('host.coordinates'),
            hasPoint
              ? `${degrees.format(latitude)}, ${degrees.format(longitude)}`
              : UNKNOWN,
          ],
          [t('host.sources'), place.sources.join(', ') || UNKNOWN],
        ]}
      />
      {hasPoint && (
        <Suspense fallback={<div className="ps-map" />}>
          <WorldMap
            label={t('paths.map.point', { ip })}
            points={[
              { key: ip, latitude, longitude, label: text(place), main: true },
            ]}
          />
        </Suspense>
      )}
    </div>
  )
}
