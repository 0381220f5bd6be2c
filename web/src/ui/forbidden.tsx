// SPDX-License-Identifier: MIT
import { useRole } from '../auth/session'
import { isKey, useI18n } from '../i18n'
import { plain } from './figures'
import { Notice } from './notice'

/** In place of what the role may not see: why, and what helps. */
export function Forbidden({ need }: { need: 'operator' | 'admin' }) {
  const { t } = useI18n()
  const role = useRole()
  const roleKey = `app.role.${role}`
  return (
    <Notice
      kind="warn"
      title={t('forbidden.title', { need: t(`app.role.${need}`) })}
    >
      {t('forbidden.text', {
        role: isKey(roleKey) ? plain(t, roleKey) : role,
      })}
    </Notice>
  )
}
