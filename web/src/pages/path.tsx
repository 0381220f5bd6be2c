// SPDX-License-Identifier: MIT
import { lazy, Suspense, useState } from 'react'
import { Link, useParams } from 'react-router'
import { usePath } from '../api/hooks'
import type { Path } from '../api/types'
import { useI18n } from '../i18n'
import {
  formatDateTime,
  formatDuration,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { HopTable } from '../paths/hops'
import { mapPoints } from '../paths/points'
import { asText, Endpoint, StateTag, usePlaceText } from '../ui/figures'
import { Notice } from '../ui/notice'
import { Empty, Facts, Page, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'

const WorldMap = lazy(() => import('../ui/world-map'))

export function Component() {
  const { t } = useI18n()
  const { id = '' } = useParams()
  const [isRunning, setRunning] = useState(true)
  const { data, error } = usePath(id, isRunning)
  const running = data ? data.state === 'running' : true
  if (running !== isRunning) setRunning(running)
  return (
    <Page
      loading={!data && !error}
      title={data ? `${t('paths.title')} ${data.target}` : t('paths.title')}
      aside={data && <StateTag state={data.state} />}
      actions={
        <Link className="ps-button" to="/paths">
          {t('paths.back')}
        </Link>
      }
    >
      {error && <ProblemNotice error={error} />}
      {data && <Detail path={data} />}
    </Page>
  )
}

function Detail({ path }: { path: Path }) {
  const { t, locale } = useI18n()
  const place = usePlaceText()
  const points = mapPoints(path, place)
  return (
    <>
      {path.failure !== undefined && (
        <Notice kind="bad" title={t('paths.failure')}>
          {path.failure}
        </Notice>
      )}
      <Facts
        items={[
          [t('paths.target'), <Endpoint key="t" ip={path.target} />],
          [
            t('paths.reached'),
            path.reached === undefined
              ? UNKNOWN
              : t(path.reached ? 'paths.reached.yes' : 'paths.reached.no'),
          ],
          [t('paths.source'), <Endpoint key="s" ip={path.source} />],
          [t('paths.place'), place(path.place)],
          [t('paths.as'), asText(path.place)],
          [t('common.started'), formatDateTime(path.started, locale)],
          [
            t('common.duration'),
            formatDuration(nsBetween(path.started, path.ended), locale),
          ],
        ]}
      />
      <Section title={t('paths.hops')}>
        <HopTable path={path} />
      </Section>
      <Section title={t('paths.map')}>
        {points.length === 0 ? (
          <Empty>{t('paths.map.none')}</Empty>
        ) : (
          <Suspense fallback={<div className="ps-map" />}>
            <WorldMap joined points={points} label={t('paths.map')} />
          </Suspense>
        )}
      </Section>
    </>
  )
}
