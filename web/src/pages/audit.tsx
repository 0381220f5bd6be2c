// SPDX-License-Identifier: MIT
import { useState } from 'react'
import { useAudit } from '../api/hooks'
import { compact } from '../api/query'
import type { AuditEntry, ListAuditRequest } from '../api/types'
import { AuditLine } from '../audit/entry'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { SERVICES } from '../lib/services'
import {
  FilterBar,
  FilterField,
  FilterSelect,
  useFilters,
  type Filters,
} from '../ui/filters'
import { Forbidden } from '../ui/forbidden'
import { Notice } from '../ui/notice'
import { Empty, Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { Updated } from '../ui/updated'

const NAMES = [
  'service',
  'actor',
  'action',
  'target',
  'outcome',
  'since',
] as const
type Name = (typeof NAMES)[number]

const OUTCOMES = [
  'done',
  'refused',
  'failed',
  'unknown',
] as const satisfies readonly AuditEntry['outcome'][]

const PAGE = 100
const MOST = 1000

const isDay = (text: string) => !Number.isNaN(Date.parse(text))

export function auditRequest(
  filters: Filters<Name>,
  limit: number,
): ListAuditRequest {
  return compact<ListAuditRequest>({
    limit,
    service: filters.service,
    actor: filters.actor,
    action: filters.action,
    target: filters.target,
    outcome: OUTCOMES.find((one) => one === filters.outcome),
    since: isDay(filters.since)
      ? new Date(filters.since).toISOString()
      : undefined,
  })
}

export function Component() {
  const { t, locale } = useI18n()
  const may = useCan('admin')
  const [filters, setFilter, clear] = useFilters(NAMES)
  const [limit, setLimit] = useState(PAGE)
  const { data, error, dataUpdatedAt } = useAudit(
    auditRequest(filters, limit),
    may,
  )
  const isFiltered = NAMES.some((name) => filters[name] !== '')
  const hasMore = data?.next_cursor !== undefined && limit < MOST
  if (!may) {
    return (
      <Page title={t('audit.title')}>
        <Forbidden need="admin" />
      </Page>
    )
  }
  return (
    <Page
      loading={!data && !error}
      title={t('audit.title')}
      aside={
        <>
          {data && (
            <span className="ps-num">
              {formatCount(data.entries.length, locale)}
            </span>
          )}
          <Updated at={dataUpdatedAt} />
        </>
      }
    >
      <p className="ps-dim">{t('audit.intro')}</p>
      <FilterBar
        label={t('audit.title')}
        isFiltered={isFiltered}
        onClear={clear}
      >
        <FilterSelect
          label={t('audit.service')}
          value={filters.service}
          onChange={(value) => setFilter('service', value)}
          options={SERVICES.map((name) => [name, name])}
        />
        <FilterSelect
          label={t('audit.outcome')}
          value={filters.outcome}
          onChange={(value) => setFilter('outcome', value)}
          options={OUTCOMES.map((name) => [name, t(`audit.outcome.${name}`)])}
        />
        <FilterField
          label={t('audit.actor')}
          value={filters.actor}
          onChange={(value) => setFilter('actor', value)}
        />
        <FilterField
          label={t('audit.action')}
          value={filters.action}
          onChange={(value) => setFilter('action', value)}
          options={SERVICES.map((name) => `${name}.`)}
          width={180}
        />
        <FilterField
          label={t('audit.target')}
          value={filters.target}
          onChange={(value) => setFilter('target', value)}
        />
        <FilterField
          label={t('audit.since')}
          value={filters.since}
          onChange={(value) => setFilter('since', value)}
          isValid={isDay}
          width={170}
        />
      </FilterBar>
      {error && <ProblemNotice error={error} />}
      {data?.missing.map(({ service, reason }) => (
        <Notice
          key={service}
          kind="warn"
          title={t('audit.missing', { service })}
        >
          {reason}
        </Notice>
      ))}
      {data?.entries.length === 0 && <Empty>{t('audit.none')}</Empty>}
      {data && (
        <ul className="ps-list" aria-label={t('audit.title')}>
          {data.entries.map((entry) => (
            <AuditLine
              key={`${entry.service} ${entry.instance} ${entry.seq}`}
              entry={entry}
            />
          ))}
        </ul>
      )}
      {hasMore && (
        <button
          type="button"
          className="ps-button"
          onClick={() => setLimit((n) => Math.min(MOST, n + 3 * PAGE))}
        >
          {t('common.more')}
        </button>
      )}
      {data && (data.evicted ?? 0) > 0 && (
        <p className="ps-dim">
          {t('audit.evicted', { n: formatCount(data.evicted, locale) })}
        </p>
      )}
    </Page>
  )
}
