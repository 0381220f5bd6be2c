// SPDX-License-Identifier: MIT
import { Switch } from '@mantine/core'
import { useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import { useDeleteRule, useRules, useSaveRule, useStats } from '../api/hooks'
import type { Rule } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { formatBytes, formatCount, formatDateTime } from '../lib/format'
import { draftOf, draftOfParams, requestOf } from '../rules/draft'
import { RuleForm } from '../rules/form'
import { RuleMatch } from '../rules/match'
import { StatsTable } from '../rules/stats'
import { ConfirmButton } from '../ui/confirm'
import { Dialog } from '../ui/form'
import { Icon } from '../ui/icon'
import { Tag } from '../ui/figures'
import { Page, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable, type Columns } from '../ui/table'
import { Updated } from '../ui/updated'

export function Component() {
  const { t, locale } = useI18n()
  const [params, setParams] = useSearchParams()
  const canChange = useCan('admin')
  const { data, error, dataUpdatedAt, age } = useRules()
  const stats = useStats()
  const save = useSaveRule()
  const remove = useDeleteRule()
  const { mutate: doSave, isPending: isSaving } = save
  const { mutate: doRemove, isPending: isRemoving } = remove
  const columns = useColumns({
    canChange,
    isBusy: isSaving || isRemoving,
    onToggle: doSave,
    onRemove: doRemove,
  })
  const edited = data?.rules.find((rule) => rule.id === params.get('edit'))
  const close = () => setParams({}, { replace: true })
  const failure = error ?? save.error ?? remove.error

  return (
    <Page
      loading={!data && !error}
      title={t('rules.title')}
      aside={
        <>
          {data && (
            <span className="ps-dim ps-num">
              {formatCount(data.total, locale)} ·{' '}
              {t('rules.generation', { n: data.generation })}
            </span>
          )}
          <Updated at={dataUpdatedAt} age={age} />
        </>
      }
      actions={
        canChange && (
          <Link className="ps-button" data-main to="/rules?new=1">
            {t('rules.new')}
          </Link>
        )
      }
    >
      <p className="ps-dim">{t('rules.intro')}</p>
      {failure && <ProblemNotice error={failure} />}
      {data && (
        <DataTable
          label={t('rules.title')}
          rows={data.rules}
          columns={columns}
          rowId={(rule, index) => rule.id ?? String(index)}
          empty={t('rules.none')}
        />
      )}
      <Section title={t('rules.stats')} aside={t('rules.stats.help')}>
        {stats.error && <ProblemNotice error={stats.error} />}
        {stats.data && <StatsTable stats={stats.data} />}
      </Section>
      <Dialog
        opened={canChange && (params.has('new') || edited !== undefined)}
        onClose={close}
        title={
          edited
            ? t('rules.edit.title', { id: edited.id ?? '' })
            : t('rules.create.title')
        }
      >
        <RuleForm
          initial={edited ? draftOf(edited) : draftOfParams(params)}
          of={edited?.id}
          onDone={close}
          onCancel={close}
        />
      </Dialog>
    </Page>
  )
}

function useColumns({
  canChange,
  isBusy,
  onToggle,
  onRemove,
}: {
  canChange: boolean
  isBusy: boolean
  onToggle: (change: { rule: Rule; of: string | undefined }) => void
  onRemove: (id: string) => void
}): Columns<Rule> {
  const { t, locale } = useI18n()
  return useMemo<Columns<Rule>>(
    () => [
      {
        id: 'priority',
        header: t('rules.priority'),
        meta: { width: 78, align: 'right', only: 'wide' },
        cell: ({ row: { original: rule } }) => (
          <span className="ps-num">{formatCount(rule.priority, locale)}</span>
        ),
      },
      {
        id: 'action',
        header: t('common.action'),
        meta: { width: 76, narrow: 50 },
        cell: ({ row: { original: rule } }) => (
          <Tag word={rule.action} text={t(`rules.action.${rule.action}`)} />
        ),
      },
      {
        id: 'match',
        header: t('rules.match'),
        meta: { width: 130, grow: 3, wrap: true },
        cell: ({ row: { original: rule } }) => <RuleMatch rule={rule} />,
      },
      {
        id: 'comment',
        header: t('common.comment'),
        meta: { width: 120, grow: 2, only: 'wide' },
        cell: ({ row: { original: rule } }) => (
          <span title={rule.comment}>{rule.comment}</span>
        ),
      },
      {
        id: 'packets',
        header: t('common.packets'),
        meta: { width: 80, narrow: 58, align: 'right' },
        cell: ({ row: { original: rule } }) => (
          <span
            className="ps-num"
            data-zero={rule.hit_packets === 0 || undefined}
          >
            {formatCount(rule.hit_packets, locale)}
          </span>
        ),
      },
      {
        id: 'bytes',
        header: t('common.bytes'),
        meta: { width: 88, align: 'right', only: 'wide' },
        cell: ({ row: { original: rule } }) => (
          <span className="ps-num">{formatBytes(rule.hit_bytes, locale)}</span>
        ),
      },
      {
        id: 'updated',
        header: t('rules.updated'),
        meta: { width: 168, align: 'right', only: 'wide' },
        cell: ({ row: { original: rule } }) => (
          <span className="ps-num">{formatDateTime(rule.updated, locale)}</span>
        ),
      },
      {
        id: 'id',
        header: 'ID',
        meta: { width: 90, only: 'wide' },
        cell: ({ row: { original: rule } }) => (
          <span className="ps-mono ps-dim" title={rule.id}>
            {rule.id}
          </span>
        ),
      },
      {
        id: 'enabled',
        header: t('rules.enabled'),
        meta: { width: 64, narrow: 46 },
        cell: ({ row: { original: rule } }) => (
          <Switch
            size="xs"
            aria-label={t('rules.enable', { id: rule.id ?? '' })}
            checked={rule.enabled ?? true}
            disabled={!canChange || isBusy}
            onChange={(event) => {
              const enabled = event.currentTarget.checked
              onToggle({ rule: { ...requestOf(rule), enabled }, of: rule.id })
            }}
          />
        ),
      },
      ...(canChange
        ? [
            {
              id: 'change',
              header: () => (
                <span className="ps-hidden">{t('common.action')}</span>
              ),
              meta: { width: 64 },
              cell: ({ row: { original } }: { row: { original: Rule } }) => (
                <Change rule={original} isBusy={isBusy} onRemove={onRemove} />
              ),
            },
          ]
        : []),
    ],
    [t, locale, canChange, isBusy, onToggle, onRemove],
  )
}

function Change({
  rule,
  isBusy,
  onRemove,
}: {
  rule: Rule
  isBusy: boolean
  onRemove: (id: string) => void
}) {
  const { t } = useI18n()
  const { id } = rule
  if (id === undefined) return null
  return (
    <span className="ps-row-actions">
      <Link
        className="ps-icon-button"
        aria-label={t('rules.edit.of', { id })}
        title={t('common.edit')}
        to={`/rules?edit=${encodeURIComponent(id)}`}
      >
        <Icon name="edit" />
      </Link>
      <ConfirmButton
        icon="trash"
        label={t('rules.delete.of', { id })}
        question={t('rules.delete.ask', { id })}
        busy={isBusy}
        onConfirm={() => onRemove(id)}
      />
    </span>
  )
}
