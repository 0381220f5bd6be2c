// SPDX-License-Identifier: MIT
import { useI18n } from '../i18n'
import { formatSeconds } from '../lib/format'
import { useNow } from './clock'

/** "updated 2 s ago", by our own clock; 0: never yet. */
export function Updated({ at }: { at: number }) {
  const { t, locale } = useI18n()
  const now = useNow()
  if (at === 0) return null
  const age = formatSeconds(Math.max(0, now - at) * 1e6, locale)
  return (
    <span className="ps-dim ps-nowrap">{t('common.updated', { age })}</span>
  )
}
