// SPDX-License-Identifier: MIT
import { useLocation } from 'react-router'
import { useI18n } from '../i18n'
import { Page } from '../ui/page'

export function NotFound() {
  const { t } = useI18n()
  const { pathname } = useLocation()
  return (
    <Page title={t('app.notfound')}>
      <p>{t('app.notfound.text', { path: pathname })}</p>
    </Page>
  )
}
