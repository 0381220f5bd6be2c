// SPDX-License-Identifier: MIT
import { useRole } from '../auth/session'
import { isKey, useI18n } from '../i18n'
import { plain } from './figures'

/** The session's role in words; one that we do not know, as it is called. */
export function useRoleName(): string {
  const { t } = useI18n()
  const role = useRole()
  const key = `app.role.${role}`
  return isKey(key) ? plain(t, key) : role
}
