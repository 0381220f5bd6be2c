// SPDX-License-Identifier: MIT
// What the tracer can see on this kernel, said where it is asked for.
import { useServices } from '../api/hooks'
import type { Capability } from '../api/types'
import { useI18n } from '../i18n'
import { daemonText } from '../i18n/daemon'
import { Notice } from '../ui/notice'

const FUNCTIONS = 'tracer.functions'

/** Undefined where no tracer has said anything of it. */
export function useFunctionTier(): Capability | undefined {
  const { data } = useServices()
  const all = data?.services
    .filter((service) => service.name === 'tracer')
    .flatMap((service) => service.capabilities)
    .filter((capability) => capability.id === FUNCTIONS)
  return all?.find((capability) => capability.available) ?? all?.[0]
}

export function FunctionTierMissing({
  capability,
  short = false,
}: {
  capability: Capability
  /** One line, that opens. */
  short?: boolean
}) {
  const { t, language } = useI18n()
  const { id, without, reason } = capability
  const why = (
    <>
      {without !== undefined && (
        <p>{daemonText(language, 'without', id, without)}</p>
      )}
      {reason !== undefined && <p className="ps-dim ps-mono">{reason}</p>}
    </>
  )
  return short ? (
    <details className="ps-details">
      <summary className="ps-dim">{t('traces.tier.missing')}</summary>
      {why}
    </details>
  ) : (
    <Notice kind="info" title={t('traces.tier.missing')}>
      {why}
    </Notice>
  )
}
