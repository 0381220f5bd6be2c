// SPDX-License-Identifier: MIT
import { useState } from 'react'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import { useDeleteTrace, useGraph, useTrace } from '../api/hooks'
import { buildQuery } from '../api/query'
import type { Trace } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { Accounting } from '../traces/accounting'
import { DropsView } from '../traces/drops'
import { ExportButtons, useExport } from '../traces/export'
import { FilterForm } from '../traces/form'
import { GraphView } from '../traces/graph'
import { Recording } from '../traces/recording'
import { Summary } from '../traces/summary'
import { useWays } from '../traces/use-ways'
import { ConfirmButton } from '../ui/confirm'
import { StateTag } from '../ui/figures'
import { Dialog } from '../ui/form'
import { Empty, Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { Tabs } from '../ui/tabs'

const VIEWS = ['packets', 'drops', 'graph', 'account'] as const
type View = (typeof VIEWS)[number]
const DROPS_AT_ONCE = 1000

export function Component() {
  const { t } = useI18n()
  const { id = '' } = useParams()
  const [params] = useSearchParams()
  const trace = useTrace(id)
  const remove = useDeleteTrace()
  const download = useExport(id)
  const view = VIEWS.find((one) => one === params.get('view')) ?? 'packets'
  const error = trace.error ?? remove.error ?? download.error

  return (
    <Page
      loading={!trace.data && !error}
      title={`${t('traces.of')} ${id}`}
      aside={trace.data && <StateTag state={trace.data.state} />}
      actions={
        <>
          <Link className="ps-button" to="/traces">
            {t('traces.back')}
          </Link>
          {trace.data && (
            <>
              <ExportButtons of={download} />
              <Changes trace={trace.data} remove={remove} />
            </>
          )}
        </>
      }
    >
      {error && <ProblemNotice error={error} />}
      {trace.data && (
        <>
          <Summary trace={trace.data} />
          <Views trace={trace.data} view={view} />
        </>
      )}
    </Page>
  )
}

/** What who may change something can do with the trace. */
function Changes({
  trace,
  remove,
}: {
  trace: Trace
  remove: ReturnType<typeof useDeleteTrace>
}) {
  const { t } = useI18n()
  const navigate = useNavigate()
  const canChange = useCan('operator')
  const [changing, setChanging] = useState(false)
  const isLive = trace.state === 'running'
  if (!canChange) return null
  return (
    <>
      {isLive && (
        <button
          type="button"
          className="ps-button"
          onClick={() => setChanging(true)}
        >
          {t('traces.change')}
        </button>
      )}
      <ConfirmButton
        label={t(isLive ? 'traces.delete' : 'common.delete')}
        question={t('traces.delete.ask')}
        busy={remove.isPending}
        onConfirm={() =>
          remove.mutate(trace.id, {
            onSuccess: () => void navigate('/traces'),
          })
        }
      />
      <Dialog
        opened={changing && isLive}
        onClose={() => setChanging(false)}
        title={t('traces.change')}
        size="xl"
      >
        <FilterForm trace={trace} onDone={() => setChanging(false)} />
      </Dialog>
    </>
  )
}

function Views({ trace, view }: { trace: Trace; view: View }) {
  const { t, locale } = useI18n()
  const count = (n: number) => <span className="ps-dim">{n}</span>
  return (
    <>
      <Tabs
        label={t('traces.views')}
        current={view}
        items={VIEWS.map((one) => ({
          id: one,
          to: one === 'packets' ? '?' : `?view=${one}`,
          text: (
            <>
              {t(`traces.view.${one}`)}{' '}
              {one === 'packets' && count(trace.packets)}
              {one === 'drops' && trace.drops > 0 && (
                <span className="ps-tag" data-tone="bad">
                  {formatCount(trace.drops, locale)}
                </span>
              )}
            </>
          ),
        }))}
      />
      {view === 'packets' && <Recording trace={trace} />}
      {view === 'drops' && <Drops trace={trace} />}
      {view === 'graph' && <Graph trace={trace} />}
      {view === 'account' && <Accounting trace={trace} />}
    </>
  )
}

function Drops({ trace }: { trace: Trace }) {
  const { t } = useI18n()
  const { packets, total, error, hasMore, isBusy, more } = useWays(
    trace,
    { drops_only: true },
    DROPS_AT_ONCE,
  )
  if (error) return <ProblemNotice error={error} />
  if (!packets) return <Empty>{t('common.loading')}</Empty>
  return (
    <DropsView
      packets={packets}
      total={total}
      more={hasMore ? more : undefined}
      isBusy={isBusy}
      linkTo={(packet) => `?drops=1&packet=${packet.id}`}
    />
  )
}

function Graph({ trace }: { trace: Trace }) {
  const { t } = useI18n()
  const { data, error } = useGraph(trace.id, trace.state === 'running')
  if (error) return <ProblemNotice error={error} />
  if (!data) return <Empty>{t('common.loading')}</Empty>
  return (
    <GraphView graph={data} linkTo={(from, to) => buildQuery({ from, to })} />
  )
}
