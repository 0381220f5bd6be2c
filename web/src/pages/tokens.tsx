// SPDX-License-Identifier: MIT
import { useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import { useDeleteToken, useTokens } from '../api/hooks'
import type { Token } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { formatDateTime } from '../lib/format'
import { TokenForm } from '../tokens/form'
import { ConfirmButton } from '../ui/confirm'
import { Ago } from '../ui/figures'
import { Forbidden } from '../ui/forbidden'
import { Dialog } from '../ui/form'
import { Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable, type Columns } from '../ui/table'
import { Updated } from '../ui/updated'

/** The token of the file admin.token; it ends when the file is deleted. */
const FILE_TOKEN = 'admin'

export function Component() {
  const { t } = useI18n()
  const [params, setParams] = useSearchParams()
  const may = useCan('admin')
  const { data, error, dataUpdatedAt } = useTokens(may)
  const remove = useDeleteToken()
  const { mutate: doRemove, isPending } = remove
  const columns = useColumns(isPending, doRemove)
  const failure = error ?? remove.error
  const close = () => setParams({}, { replace: true })
  return (
    <Page
      loading={may && !data && !error}
      title={t('tokens.title')}
      aside={<Updated at={dataUpdatedAt} />}
      actions={
        may && (
          <Link className="ps-button" data-main to="/tokens?new=1">
            {t('tokens.new')}
          </Link>
        )
      }
    >
      {!may && <Forbidden need="admin" />}
      {may && <p className="ps-dim">{t('tokens.intro')}</p>}
      {failure && <ProblemNotice error={failure} />}
      {data && (
        <DataTable
          label={t('tokens.title')}
          rows={data.tokens}
          columns={columns}
          rowId={(token) => token.id}
          empty={t('tokens.none')}
        />
      )}
      <Dialog
        opened={may && params.has('new')}
        onClose={close}
        title={t('tokens.create.title')}
        size="md"
      >
        <TokenForm onDone={close} />
      </Dialog>
    </Page>
  )
}

function useColumns(
  isBusy: boolean,
  onRemove: (id: string) => void,
): Columns<Token> {
  const { t, locale } = useI18n()
  return useMemo<Columns<Token>>(
    () => [
      {
        id: 'name',
        header: t('tokens.name'),
        meta: { width: 110, grow: 2, wrap: true },
        cell: ({ row: { original: token } }) => (
          <span className="ps-mono" title={token.id}>
            {token.name}
          </span>
        ),
      },
      {
        id: 'roles',
        header: t('tokens.roles'),
        meta: { width: 120, narrow: 104, grow: 1, wrap: true },
        cell: ({ row: { original: token } }) => (
          <span className="ps-tags">
            {token.roles.map((role) => (
              <span key={role} className="ps-tag" data-role={role}>
                {t(`app.role.${role}`)}
              </span>
            ))}
          </span>
        ),
      },
      {
        id: 'expires',
        header: t('tokens.expires'),
        meta: { width: 160, narrow: 92, wrap: true },
        cell: ({ row: { original: token } }) => <Expiry token={token} />,
      },
      {
        id: 'used',
        header: t('tokens.used'),
        meta: { width: 130, only: 'wide' },
        cell: ({ row: { original: token } }) =>
          token.last_used === undefined ? (
            <span className="ps-dim">{t('tokens.used.never')}</span>
          ) : (
            <Ago time={token.last_used} />
          ),
      },
      {
        id: 'created',
        header: t('common.created'),
        meta: { width: 160, only: 'wide' },
        cell: ({ row: { original: token } }) => (
          <span className="ps-num">
            {formatDateTime(token.created, locale)}
          </span>
        ),
      },
      {
        id: 'by',
        header: t('tokens.by'),
        meta: { width: 100, grow: 1, only: 'wide' },
        cell: ({ row: { original: token } }) => (
          <span className="ps-mono ps-dim">
            {token.created_by ?? t('tokens.by.gateway')}
          </span>
        ),
      },
      {
        id: 'change',
        header: () => <span className="ps-hidden">{t('common.action')}</span>,
        meta: { width: 44 },
        cell: ({ row: { original: token } }) =>
          token.id === FILE_TOKEN ? null : (
            <ConfirmButton
              icon="trash"
              label={t('tokens.delete.of', { name: token.name })}
              question={t('tokens.delete.ask', { name: token.name })}
              busy={isBusy}
              onConfirm={() => onRemove(token.id)}
            />
          ),
      },
    ],
    [t, locale, isBusy, onRemove],
  )
}

function Expiry({ token }: { token: Token }) {
  const { t, locale } = useI18n()
  if (token.expires === undefined) {
    return <span className="ps-dim">{t('tokens.expires.never')}</span>
  }
  return (
    <span className="ps-mono">{formatDateTime(token.expires, locale)}</span>
  )
}
