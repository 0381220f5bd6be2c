// SPDX-License-Identifier: MIT
import { useMemo } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { useTraces } from '../api/hooks'
import type { Trace } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { formatCount, formatDateTime } from '../lib/format'
import { FilterText } from '../traces/filter-text'
import { TRACE_FIELDS, type TraceDraft } from '../traces/draft'
import { TraceForm } from '../traces/form'
import { lossText, StateTag } from '../ui/figures'
import { Dialog } from '../ui/form'
import { Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable, type Columns } from '../ui/table'
import { Updated } from '../ui/updated'

export function Component() {
  const { t } = useI18n()
  const navigate = useNavigate()
  const [params, setParams] = useSearchParams()
  const canChange = useCan('operator')
  const alert = params.get('alert') ?? ''
  const { data, error, dataUpdatedAt, age } = useTraces(alert)
  const columns = useColumns()
  const draft = Object.fromEntries(
    TRACE_FIELDS.map((name) => [name, params.get(name) ?? '']),
  ) as TraceDraft
  return (
    <Page
      loading={!data && !error}
      fill
      title={t('traces.title')}
      aside={<Updated at={dataUpdatedAt} age={age} />}
      actions={
        <>
          <Link className="ps-button" to="/packets">
            {t('traces.find')}
          </Link>
          {canChange && (
            <Link className="ps-button" data-main to="/traces?new=1">
              {t('traces.new')}
            </Link>
          )}
        </>
      }
    >
      {error && <ProblemNotice error={error} />}
      {alert !== '' && (
        <p className="ps-actions">
          <Link className="ps-button" to="/traces">
            {t('traces.of.alert', { alert })}
            <span aria-hidden="true">✕</span>
          </Link>
        </p>
      )}
      {data && (
        <DataTable
          fill
          label={t('traces.title')}
          rows={data.traces}
          columns={columns}
          rowId={(trace) => trace.id}
          empty={t('traces.none')}
        />
      )}
      <Dialog
        opened={canChange && params.has('new')}
        onClose={() => setParams({}, { replace: true })}
        title={t('traces.new')}
        size="xl"
      >
        <TraceForm
          initial={draft}
          onDone={(trace) => void navigate(`/traces/${trace.id}`)}
        />
      </Dialog>
    </Page>
  )
}

function useColumns(): Columns<Trace> {
  const { t, language, locale } = useI18n()
  return useMemo<Columns<Trace>>(
    () => [
      {
        id: 'id',
        header: 'ID',
        meta: { width: 112, narrow: 62, wrap: true },
        cell: ({ row: { original: trace } }) => (
          <Link className="ps-mono" to={`/traces/${trace.id}`}>
            {trace.id}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('common.state'),
        meta: { width: 92, narrow: 58 },
        cell: ({ row: { original: trace } }) => (
          <StateTag state={trace.state} />
        ),
      },
      {
        id: 'filter',
        header: t('traces.filter'),
        meta: { width: 150, narrow: 130, grow: 3, wrap: true },
        cell: ({ row: { original: trace } }) => (
          <FilterText filter={trace.filter} />
        ),
      },
      {
        id: 'comment',
        header: t('common.comment'),
        meta: { width: 120, grow: 1, only: 'wide' },
        cell: ({ row: { original: trace } }) => trace.comment,
      },
      ...(['packets', 'steps', 'drops'] as const).map((name) => ({
        id: name,
        header: {
          packets: t('common.packets'),
          steps: t('traces.steps'),
          drops: t('common.drops'),
        }[name],
        meta: {
          width: 78,
          narrow: 52,
          align: 'right' as const,
          ...(name === 'steps' && { only: 'wide' as const }),
        },
        cell: ({ row: { original } }: { row: { original: Trace } }) => (
          <span
            className={
              name === 'drops' && original.drops > 0
                ? 'ps-num ps-bad'
                : 'ps-num'
            }
            data-zero={original[name] === 0 || undefined}
          >
            {formatCount(original[name], locale)}
          </span>
        ),
      })),
      {
        id: 'losses',
        header: t('common.losses'),
        meta: { width: 110, align: 'right', only: 'wide' },
        cell: ({ row: { original: trace } }) => {
          const lost = lossText(trace.losses, language, locale)
          return (
            <span
              className={lost === '0' ? 'ps-num' : 'ps-num ps-bad'}
              data-zero={lost === '0' || undefined}
            >
              {lost}
            </span>
          )
        },
      },
      {
        id: 'created',
        header: t('common.created'),
        meta: { width: 170, align: 'right', only: 'wide' },
        cell: ({ row: { original: trace } }) => (
          <span className="ps-num">
            {formatDateTime(trace.created, locale)}
          </span>
        ),
      },
    ],
    [t, language, locale],
  )
}
