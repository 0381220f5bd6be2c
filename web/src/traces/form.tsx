// SPDX-License-Identifier: MIT
import { Button, NativeSelect } from '@mantine/core'
import { useState, type SyntheticEvent } from 'react'
import { useCreateTrace, useSetFilter } from '../api/hooks'
import type { Trace } from '../api/types'
import { useI18n } from '../i18n'
import { Field, useFieldErrors } from '../ui/form'
import {
  ASKED_FIELDS,
  askedAs,
  draftOf,
  filterOf,
  traceRequest,
  type TraceDraft,
  type TraceField,
} from './draft'
import {
  bind,
  FilterFields,
  Group,
  Switchable,
  type Bound,
} from './filter-fields'
import { FunctionTierMissing, useFunctionTier } from './tiers'

/** What is typed, and what the gateway says of it. */
function useDraft<F extends TraceField>(
  initial: Record<F, string>,
  error: unknown,
) {
  const [draft, setDraft] = useState(initial)
  const errors = useFieldErrors(error, 'filter', ASKED_FIELDS)
  const bound: Bound<F> = {
    draft,
    set: (name, value) => setDraft((now) => ({ ...now, [name]: value })),
    errorOf: (name) =>
      askedAs(name)
        .map(errors.of)
        .find((text) => text !== undefined),
  }
  return { bound, rest: errors.rest }
}

export function TraceForm({
  initial,
  onDone,
}: {
  initial: TraceDraft
  onDone: (trace: Trace) => void
}) {
  const { t } = useI18n()
  const { mutate, error, isPending } = useCreateTrace()
  const { bound, rest } = useDraft<TraceField>(initial, error)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    mutate(traceRequest(bound.draft), { onSuccess: onDone })
  }

  return (
    <form className="ps-form" onSubmit={submit}>
      {rest}
      <FilterFields of={bound} />
      <Group
        title={t('traces.group.detail')}
        of={bound}
        names={['tier', 'stacks', 'sockets', 'snaplen']}
      >
        <DetailFields of={bound} />
      </Group>
      <Field
        label={t('traces.max')}
        placeholder="1000"
        inputMode="numeric"
        {...bind(bound, 'max_packets')}
      />
      <Field
        label={t('traces.duration')}
        placeholder="60"
        inputMode="decimal"
        {...bind(bound, 'duration')}
      />
      <div className="ps-wide">
        <Field
          label={t('common.comment')}
          mono={false}
          {...bind(bound, 'comment')}
        />
      </div>
      <div className="ps-form-end">
        {isPending && (
          <p className="ps-dim ps-late" role="status">
            {t('traces.starting')}
          </p>
        )}
        <Button type="submit" size="xs" loading={isPending}>
          {t('traces.start')}
        </Button>
      </div>
    </form>
  )
}

function DetailFields({ of }: { of: Bound }) {
  const { t } = useI18n()
  const functions = useFunctionTier()
  return (
    <>
      <NativeSelect
        size="xs"
        label={t('traces.tier')}
        description={t('traces.tier.help')}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        value={of.draft.tier}
        error={of.errorOf('tier')}
        data={[
          { value: '', label: t('traces.tier.best') },
          { value: 'core', label: t('traces.tier.core') },
          { value: 'function', label: t('traces.tier.function') },
        ]}
        onChange={(event) => of.set('tier', event.currentTarget.value)}
      />
      <Field
        label={t('traces.snaplen')}
        description={t('traces.snaplen.help')}
        placeholder="128"
        inputMode="numeric"
        {...bind(of, 'snaplen')}
      />
      {functions && !functions.available && (
        <div className="ps-wide">
          <FunctionTierMissing capability={functions} />
        </div>
      )}
      <div className="ps-wide">
        <Switchable
          of={of}
          name="stacks"
          label={t('traces.stacks')}
          description={t('traces.stacks.help')}
        />
      </div>
      <div className="ps-wide">
        <Switchable
          of={of}
          name="sockets"
          label={t('traces.sockets')}
          description={t('traces.sockets.help')}
        />
      </div>
    </>
  )
}

/** The filter of a trace that runs: the next packet is held against it. */
export function FilterForm({
  trace,
  onDone,
}: {
  trace: Trace
  onDone: () => void
}) {
  const { t } = useI18n()
  const { mutate, error, isPending } = useSetFilter()
  const [initial] = useState(() => draftOf(trace.filter))
  const { bound, rest } = useDraft(initial, error)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    mutate(
      { id: trace.id, filter: filterOf(bound.draft) },
      { onSuccess: onDone },
    )
  }

  return (
    <form className="ps-form" onSubmit={submit}>
      <p className="ps-dim ps-wide">{t('traces.change.help')}</p>
      {rest}
      <FilterFields of={bound} />
      <div className="ps-form-end">
        <Button size="xs" variant="default" onClick={onDone}>
          {t('common.cancel')}
        </Button>
        <Button type="submit" size="xs" loading={isPending}>
          {t('traces.change.do')}
        </Button>
      </div>
    </form>
  )
}
