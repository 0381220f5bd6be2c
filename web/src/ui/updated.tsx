// SPDX-License-Identifier: MIT
import { useI18n } from '../i18n'
import { formatDuration, formatSeconds } from '../lib/format'
import { useNow } from './clock'

/**
 * "updated 2 s ago", by our own clock; 0: never yet. age: how many
 * milliseconds old the answer was already, because the gateway shares it.
 */
export function Updated({ at, age: old = 0 }: { at: number; age?: number }) {
  const { t, locale } = useI18n()
  const now = useNow()
  if (at === 0) return null
  const age = formatSeconds(Math.max(0, now - at + old) * 1e6, locale)
  return (
    <span
      className="ps-dim ps-nowrap"
      title={
        old > 0
          ? t('common.shared', { age: formatDuration(old * 1e6, locale) })
          : undefined
      }
    >
      {t('common.updated', { age })}
      {old > 0 && ' ≈'}
    </span>
  )
}
