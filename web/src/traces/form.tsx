// SPDX-License-Identifier: MIT
import { Button } from '@mantine/core'
import { useState, type SyntheticEvent } from 'react'
import { useCreateTrace } from '../api/hooks'
import { compact } from '../api/query'
import type { CreateTraceRequest, Trace, TraceFilter } from '../api/types'
import { useI18n } from '../i18n'
import { Field, numberOf, useFieldErrors } from '../ui/form'

export const TRACE_FIELDS = [
  'saddr',
  'sport',
  'daddr',
  'dport',
  'proto',
  'netns',
  'max_packets',
  'duration',
  'comment',
] as const
export type TraceDraft = Record<(typeof TRACE_FIELDS)[number], string>

export function traceRequest(draft: TraceDraft): CreateTraceRequest {
  const seconds = numberOf(draft.duration)
  return compact<CreateTraceRequest>({
    filter: compact<TraceFilter>({
      saddr: draft.saddr.trim(),
      daddr: draft.daddr.trim(),
      sport: numberOf(draft.sport),
      dport: numberOf(draft.dport),
      proto: draft.proto.trim(),
      netns: numberOf(draft.netns),
    }),
    max_packets: numberOf(draft.max_packets),
    duration_ns: seconds === undefined ? undefined : Math.round(seconds * 1e9),
    comment: draft.comment.trim(),
  })
}

/** Names of the request's fields, as the gateway's errors use them. */
const ASKED_AS: Record<string, string> = { duration: 'duration_ns' }

export function TraceForm({
  initial,
  onDone,
}: {
  initial: TraceDraft
  onDone: (trace: Trace) => void
}) {
  const { t } = useI18n()
  const [draft, setDraft] = useState(initial)
  const { mutate, error, isPending } = useCreateTrace()
  const names = TRACE_FIELDS.map((name) => ASKED_AS[name] ?? name)
  const errors = useFieldErrors(error, 'filter', names)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    mutate(traceRequest(draft), { onSuccess: onDone })
  }
  const field = (name: keyof TraceDraft) => ({
    value: draft[name],
    onChange: (event: { currentTarget: HTMLInputElement }) => {
      const { value } = event.currentTarget
      setDraft((now) => ({ ...now, [name]: value }))
    },
    error: errors.of(ASKED_AS[name] ?? name),
  })

  return (
    <form className="ps-form" onSubmit={submit}>
      {errors.rest}
      <p className="ps-dim ps-wide">{t('traces.direction')}</p>
      <Field label={t('traces.saddr')} data-autofocus {...field('saddr')} />
      <Field label={t('traces.sport')} {...field('sport')} />
      <Field label={t('traces.daddr')} {...field('daddr')} />
      <Field label={t('traces.dport')} {...field('dport')} />
      <Field
        label={t('common.protocol')}
        placeholder="tcp"
        {...field('proto')}
      />
      <Field label={t('traces.netns')} {...field('netns')} />
      <Field
        label={t('traces.max')}
        placeholder="1000"
        {...field('max_packets')}
      />
      <Field
        label={t('traces.duration')}
        placeholder="60"
        {...field('duration')}
      />
      <div className="ps-wide">
        <Field label={t('common.comment')} mono={false} {...field('comment')} />
      </div>
      <div className="ps-form-end">
        <Button type="submit" size="xs" loading={isPending}>
          {t('traces.start')}
        </Button>
      </div>
    </form>
  )
}
