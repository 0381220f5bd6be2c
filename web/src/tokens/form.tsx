// SPDX-License-Identifier: MIT
import { Button, Checkbox, NativeSelect } from '@mantine/core'
import { useState } from 'react'
import { useCreateToken } from '../api/hooks'
import type { CreateTokenRequest, Role } from '../api/types'
import { useI18n } from '../i18n'
import { Field, useFieldErrors } from '../ui/form'
import { Notice } from '../ui/notice'

const ROLES = ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]

/** Days until a token ends; 0: never. */
export const EXPIRIES = [1, 7, 30, 90, 365, 0] as const
const USUAL_DAYS = 90

const FIELDS = ['name', 'roles', 'expires']
const DAY_MS = 86_400_000

export interface TokenDraft {
  name: string
  role: (typeof ROLES)[number]
  payload: boolean
  days: number
}

/** What is asked for; the time is now's. */
export function requestOf(draft: TokenDraft, now: number): CreateTokenRequest {
  return {
    name: draft.name.trim(),
    roles: [draft.role, ...(draft.payload ? (['payload'] as const) : [])],
    ...(draft.days > 0 && {
      expires: new Date(now + draft.days * DAY_MS).toISOString(),
    }),
  }
}

/** Asks for a token, then shows its secret, this once. */
export function TokenForm({ onDone }: { onDone: () => void }) {
  const { t } = useI18n()
  const { mutate, data, error, isPending } = useCreateToken()
  const errors = useFieldErrors(error, 'token', FIELDS)
  const [draft, setDraft] = useState<TokenDraft>({
    name: '',
    role: 'viewer',
    payload: false,
    days: USUAL_DAYS,
  })
  const change = (part: Partial<TokenDraft>) =>
    setDraft((before) => ({ ...before, ...part }))
  if (data) return <Secret secret={data.secret} onDone={onDone} />
  return (
    <form
      className="ps-form"
      onSubmit={(event) => {
        event.preventDefault()
        mutate(requestOf(draft, Date.now()))
      }}
    >
      {errors.rest}
      <Field
        label={t('tokens.name')}
        description={t('tokens.name.help')}
        value={draft.name}
        error={errors.of('name')}
        required
        data-autofocus
        onChange={(event) => change({ name: event.currentTarget.value })}
      />
      <NativeSelect
        size="xs"
        label={t('app.role')}
        description={t(`tokens.role.${draft.role}`)}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        value={draft.role}
        error={errors.of('roles')}
        data={ROLES.map((role) => ({
          value: role,
          label: t(`app.role.${role}`),
        }))}
        onChange={(event) => {
          const role = ROLES.find((one) => one === event.currentTarget.value)
          if (role) change({ role })
        }}
      />
      <Checkbox
        size="xs"
        label={t('tokens.payload')}
        description={t('tokens.payload.help')}
        checked={draft.payload}
        onChange={(event) => change({ payload: event.currentTarget.checked })}
      />
      <NativeSelect
        size="xs"
        label={t('tokens.expires')}
        value={String(draft.days)}
        error={errors.of('expires')}
        data={EXPIRIES.map((days) => ({
          value: String(days),
          label:
            days === 0 ? t('tokens.expires.never') : t('tokens.days', { days }),
        }))}
        onChange={(event) =>
          change({ days: Number(event.currentTarget.value) })
        }
      />
      <div className="ps-form-end">
        <Button size="xs" variant="default" onClick={onDone}>
          {t('common.cancel')}
        </Button>
        <Button type="submit" size="xs" loading={isPending}>
          {t('common.create')}
        </Button>
      </div>
    </form>
  )
}

function Secret({ secret, onDone }: { secret: string; onDone: () => void }) {
  const { t } = useI18n()
  const [copied, setCopied] = useState(false)
  return (
    <div className="ps-form">
      <Notice kind="warn" title={t('tokens.secret')}>
        {t('tokens.secret.help')}
      </Notice>
      <output className="ps-secret ps-mono" aria-label={t('tokens.secret')}>
        {secret}
      </output>
      <div className="ps-form-end">
        {/* A page that came by plain HTTP has no clipboard. */}
        {'clipboard' in navigator && (
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              navigator.clipboard.writeText(secret).then(
                () => setCopied(true),
                () => setCopied(false),
              )
            }}
          >
            {copied ? t('tokens.copied') : t('tokens.copy')}
          </Button>
        )}
        <Button size="xs" onClick={onDone}>
          {t('common.close')}
        </Button>
      </div>
    </div>
  )
}
