// SPDX-License-Identifier: MIT
import { lazy, Suspense, useMemo, useState } from 'react'
import { useFlows } from '../api/hooks'
import { compact } from '../api/query'
import type { Flow, FlowList, ListFlowsRequest } from '../api/types'
import { FlowDrawer } from '../flows/drawer'
import { useFlowColumns } from '../flows/columns'
import { useRates } from '../flows/use-rates'
import { useI18n } from '../i18n'
import { formatByteRate, formatCount, UNKNOWN } from '../lib/format'
import { isIp, isPort } from '../lib/ip'
import {
  FilterBar,
  FilterField,
  FilterSelect,
  PauseButton,
  useFilters,
  type Filters,
} from '../ui/filters'
import { Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { PROTOCOLS } from '../ui/protocols'
import { DataTable } from '../ui/table'
import { Updated } from '../ui/updated'

const RateChart = lazy(() =>
  import('../ui/rate-chart').then((m) => ({ default: m.RateChart })),
)

const LIMIT = 1000
const NAMES = ['addr', 'port', 'proto', 'ifname', 'sort', 'flow'] as const
type Name = (typeof NAMES)[number]

export function flowsRequest(filters: Filters<Name>): ListFlowsRequest {
  return compact<ListFlowsRequest>({
    limit: LIMIT,
    sort: filters.sort || '-rate',
    addr: filters.addr,
    port: isPort(filters.port) ? Number(filters.port) : undefined,
    proto: filters.proto,
    ifname: filters.ifname,
  })
}

export function Component() {
  const { t, locale } = useI18n()
  const [filters, setFilter, clear] = useFilters(NAMES)
  const [paused, setPaused] = useState(false)
  const request = useMemo(() => flowsRequest(filters), [filters])
  const { data, error, dataUpdatedAt, age, isPlaceholderData } = useFlows(
    request,
    paused,
  )
  const open = (flow: Flow) => setFilter('flow', flow.id)
  const columns = useFlowColumns(open)
  const isFiltered = Boolean(
    filters.addr || filters.port || filters.proto || filters.ifname,
  )
  // Totals of another filter are another series.
  const series = JSON.stringify({ ...request, sort: undefined })
  const fresh = isPlaceholderData ? undefined : data
  const { columns: rates, rx, tx } = useRates(series, fresh)

  return (
    <Page
      loading={!data && !error}
      fill
      title={t('flows.title')}
      aside={
        <>
          {data && (
            <span className="ps-num">
              {t('common.shown', {
                shown: formatCount(data.flows.length, locale),
                total: formatCount(data.total, locale),
              })}
            </span>
          )}
          {paused && <span className="ps-tag">{t('common.paused')}</span>}
          <Updated at={dataUpdatedAt} age={age} />
        </>
      }
      actions={<PauseButton paused={paused} onChange={setPaused} />}
    >
      <div className="ps-flows-head">
        <div className="ps-totals" title={t('flows.units')}>
          <Total kind="rx" label={t('flows.rx')} rate={rx} />
          <Total kind="tx" label={t('flows.tx')} rate={tx} />
        </div>
        <Suspense fallback={<div className="ps-chart" />}>
          <RateChart columns={rates} label={t('flows.chart')} locale={locale} />
        </Suspense>
      </div>
      <FilterBar
        label={t('flows.title')}
        isFiltered={isFiltered}
        onClear={clear}
      >
        <FilterField
          label={t('common.address')}
          value={filters.addr}
          onChange={(value) => setFilter('addr', value)}
          isValid={isIp}
          width={220}
        />
        <FilterField
          label={t('common.port')}
          value={filters.port}
          onChange={(value) => setFilter('port', value)}
          isValid={isPort}
          width={80}
          numeric
        />
        <FilterSelect
          label={t('common.protocol')}
          value={filters.proto}
          onChange={(value) => setFilter('proto', value)}
          options={PROTOCOLS.map((name) => [name, name])}
        />
        <FilterField
          label={t('common.interface')}
          value={filters.ifname}
          onChange={(value) => setFilter('ifname', value)}
          width={120}
          options={interfaceNames(data)}
        />
      </FilterBar>
      {error && <ProblemNotice error={error} />}
      {data && (
        <DataTable
          fill
          label={t('flows.title')}
          rows={data.flows}
          columns={columns}
          rowId={(flow) => flow.id}
          sort={filters.sort || '-rate'}
          onSort={(sort) => setFilter('sort', sort === '-rate' ? '' : sort)}
          isSelected={(flow) => flow.id === filters.flow}
          empty={t(isFiltered ? 'flows.none' : 'flows.none.all')}
        />
      )}
      <FlowDrawer
        id={filters.flow || undefined}
        paused={paused}
        onClose={() => setFilter('flow', '')}
      />
    </Page>
  )
}

function interfaceNames(list: FlowList | undefined): string[] {
  const names = list?.flows.map((flow) => flow.ifname) ?? []
  return [...new Set(names)].filter((name) => name !== undefined).sort()
}

function Total({
  kind,
  label,
  rate,
}: {
  kind: 'rx' | 'tx'
  label: string
  rate: number | undefined
}) {
  const { locale } = useI18n()
  return (
    <div data-kind={kind}>
      <span>{label}</span>
      <strong className="ps-num">
        {rate === undefined ? UNKNOWN : formatByteRate(rate, locale)}
      </strong>
    </div>
  )
}
