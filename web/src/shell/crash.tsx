// SPDX-License-Identifier: MIT
import { Button } from '@mantine/core'
import { useRouteError } from 'react-router'
import { useI18n } from '../i18n'
import { Notice } from '../ui/notice'

export function Crash() {
  const { t } = useI18n()
  const error = useRouteError()
  return (
    <main className="ps-alone">
      <Notice kind="bad" title={t('app.crash')}>
        <p className="ps-mono">
          {error instanceof Error ? error.message : String(error)}
        </p>
        <Button size="xs" onClick={() => window.location.reload()}>
          {t('app.crash.reload')}
        </Button>
      </Notice>
    </main>
  )
}
