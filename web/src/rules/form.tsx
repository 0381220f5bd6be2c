// SPDX-License-Identifier: MIT
import { Button, Chip, SegmentedControl, Switch } from '@mantine/core'
import { useState, type SyntheticEvent } from 'react'
import { useSaveRule } from '../api/hooks'
import { TCP_FLAGS, type TcpFlag } from '../api/types'
import { useI18n } from '../i18n'
import { Field, useFieldErrors } from '../ui/form'
import { Notice } from '../ui/notice'
import {
  isSweeping,
  RULE_FIELDS,
  ruleOf,
  type RuleDraft,
  type TextField,
} from './draft'

export function RuleForm({
  initial,
  of,
  onDone,
  onCancel,
}: {
  initial: RuleDraft
  /** The rule that is changed; undefined: a new one. */
  of: string | undefined
  onDone: () => void
  onCancel: () => void
}) {
  const { t } = useI18n()
  const [draft, setDraft] = useState(initial)
  const { mutate, error, isPending } = useSaveRule()
  const errors = useFieldErrors(error, 'rule', RULE_FIELDS)
  const set = <K extends keyof RuleDraft>(name: K, value: RuleDraft[K]) =>
    setDraft((now) => ({ ...now, [name]: value }))
  const field = (name: TextField) => ({
    value: draft[name],
    onChange: (event: { currentTarget: HTMLInputElement }) =>
      set(name, event.currentTarget.value),
    error: errors.of(name),
  })

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    mutate({ rule: ruleOf(draft), of }, { onSuccess: onDone })
  }

  return (
    <form className="ps-form" onSubmit={submit}>
      {errors.rest}
      <div className="ps-wide ps-row">
        <SegmentedControl
          size="xs"
          aria-label={t('common.action')}
          value={draft.action}
          onChange={(value) => set('action', value)}
          data={(['drop', 'pass'] as const).map((value) => ({
            value,
            label: t(`rules.action.${value}`),
          }))}
        />
        <Switch
          size="xs"
          label={t('rules.enabled')}
          checked={draft.enabled}
          onChange={(event) => set('enabled', event.currentTarget.checked)}
        />
        <span className="ps-dim">{t('rules.empty.help')}</span>
      </div>
      <Field
        label={t('rules.src')}
        description={t('rules.prefix.help')}
        data-autofocus
        {...field('src')}
      />
      <Field
        label={t('rules.dst')}
        description={t('rules.prefix.help')}
        {...field('dst')}
      />
      <Field
        label={t('common.protocol')}
        placeholder="tcp, udp, icmp, icmpv6, 47"
        {...field('proto')}
      />
      <Field
        label={t('common.family')}
        placeholder="4, 6"
        {...field('family')}
      />
      <Field
        label={t('rules.sport')}
        description={t('rules.port.help')}
        {...field('sport')}
      />
      <Field
        label={t('rules.dport')}
        description={t('rules.port.help')}
        {...field('dport')}
      />
      <Flags
        label={t('rules.flags.set')}
        value={draft.tcp_flags_set}
        onChange={(value) => set('tcp_flags_set', value)}
        error={errors.of('tcp_flags_set')}
      />
      <Flags
        label={t('rules.flags.unset')}
        value={draft.tcp_flags_unset}
        onChange={(value) => set('tcp_flags_unset', value)}
        error={errors.of('tcp_flags_unset')}
      />
      <Field label={t('rules.icmp.type')} {...field('icmp_type')} />
      <Field label={t('rules.icmp.code')} {...field('icmp_code')} />
      <Field
        label={t('common.interface')}
        description={t('rules.interface.help')}
        {...field('interface')}
      />
      <Field
        label={t('rules.priority')}
        placeholder="1000"
        {...field('priority')}
      />
      <div className="ps-wide">
        <Field label={t('common.comment')} mono={false} {...field('comment')} />
      </div>
      {isSweeping(draft) && (
        <div className="ps-wide">
          <Notice kind="warn">{t('rules.lockout')}</Notice>
        </div>
      )}
      <div className="ps-form-end">
        <Button size="xs" variant="default" onClick={onCancel}>
          {t('common.cancel')}
        </Button>
        <Button type="submit" size="xs" loading={isPending}>
          {t(of === undefined ? 'common.create' : 'common.save')}
        </Button>
      </div>
    </form>
  )
}

function Flags({
  label,
  value,
  onChange,
  error,
}: {
  label: string
  value: TcpFlag[]
  onChange: (value: TcpFlag[]) => void
  error: string | undefined
}) {
  return (
    <fieldset className="ps-wide ps-flags">
      <legend>{label}</legend>
      <Chip.Group multiple value={value} onChange={(next) => onChange(next)}>
        {TCP_FLAGS.map((flag) => (
          <Chip key={flag} value={flag} size="xs" radius="sm">
            {flag}
          </Chip>
        ))}
      </Chip.Group>
      {error !== undefined && <p className="ps-bad">{error}</p>}
    </fieldset>
  )
}
