// SPDX-License-Identifier: MIT
import { useI18n } from '../i18n'
import { Notice } from './notice'
import { useRoleName } from './role'

/** In place of what the role may not see: why, and what helps. */
export function Forbidden({ need }: { need: 'operator' | 'admin' }) {
  const { t } = useI18n()
  const role = useRoleName()
  return (
    <Notice
      kind="warn"
      title={t('forbidden.title', { need: t(`app.role.${need}`) })}
    >
      {t('forbidden.text', { role })}
    </Notice>
  )
}
