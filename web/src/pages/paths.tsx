// SPDX-License-Identifier: MIT
import { Button } from '@mantine/core'
import { useState, type SyntheticEvent } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { useMeasurePath, usePaths } from '../api/hooks'
import { compact } from '../api/query'
import type { MeasureRequest } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import { usePathColumns } from '../paths/columns'
import { Field, numberOf, useFieldErrors } from '../ui/form'
import { Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable } from '../ui/table'
import { Updated } from '../ui/updated'

export function Component() {
  const { t } = useI18n()
  const canChange = useCan('operator')
  const { data, error, dataUpdatedAt, age } = usePaths()
  const columns = usePathColumns()
  return (
    <Page
      loading={!data && !error}
      fill
      title={t('paths.title')}
      aside={<Updated at={dataUpdatedAt} age={age} />}
    >
      {canChange && <MeasureForm />}
      {error && <ProblemNotice error={error} />}
      {data && (
        <DataTable
          fill
          label={t('paths.title')}
          rows={data.paths}
          columns={columns}
          rowId={(path) => path.id}
          empty={t('paths.none')}
        />
      )}
    </Page>
  )
}

const FIELDS = ['target', 'probes', 'max_hops'] as const

function MeasureForm() {
  const { t } = useI18n()
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const [target, setTarget] = useState(params.get('target') ?? '')
  const [probes, setProbes] = useState('')
  const [hops, setHops] = useState('')
  const { mutate, error, isPending } = useMeasurePath()
  const errors = useFieldErrors(error, 'request', FIELDS)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const request = compact<MeasureRequest>({
      target: target.trim(),
      probes: numberOf(probes),
      max_hops: numberOf(hops),
    })
    mutate(request, {
      onSuccess: (path) => void navigate(`/paths/${path.id}`),
    })
  }

  return (
    <form className="ps-inline-form" onSubmit={submit}>
      {errors.rest}
      <Field
        label={t('paths.target')}
        placeholder={t('paths.target.help')}
        value={target}
        onChange={(event) => setTarget(event.currentTarget.value)}
        error={errors.of('target')}
        required
        withAsterisk={false}
        w={260}
      />
      <Field
        label={t('paths.probes')}
        placeholder="10"
        inputMode="numeric"
        value={probes}
        onChange={(event) => setProbes(event.currentTarget.value)}
        error={errors.of('probes')}
        w={110}
      />
      <Field
        label={t('paths.hops.max')}
        placeholder="30"
        inputMode="numeric"
        value={hops}
        onChange={(event) => setHops(event.currentTarget.value)}
        error={errors.of('max_hops')}
        w={110}
      />
      <Button type="submit" size="xs" loading={isPending}>
        {t('paths.measure')}
      </Button>
    </form>
  )
}
