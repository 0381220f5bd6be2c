// SPDX-License-Identifier: MIT
import { Button } from '@mantine/core'
import { useState } from 'react'
import { useI18n } from '../i18n'
import { Dialog } from './form'
import { Icon, type IconName } from './icon'

/** A button that asks once more before it does what cannot be undone. */
export function ConfirmButton({
  label,
  question,
  busy,
  icon,
  onConfirm,
}: {
  label: string
  question: string
  busy: boolean
  /** Shown in place of the label. */
  icon?: IconName
  onConfirm: () => void
}) {
  const { t } = useI18n()
  const [opened, setOpened] = useState(false)
  return (
    <>
      <button
        type="button"
        className={icon ? 'ps-icon-button' : 'ps-button'}
        aria-label={icon ? label : undefined}
        title={icon ? label : undefined}
        disabled={busy}
        onClick={() => setOpened(true)}
      >
        {icon ? <Icon name={icon} /> : label}
      </button>
      <Dialog
        opened={opened}
        onClose={() => setOpened(false)}
        title={label}
        size="sm"
      >
        <p>{question}</p>
        <div className="ps-form-end">
          <Button
            size="xs"
            variant="default"
            data-autofocus
            onClick={() => setOpened(false)}
          >
            {t('common.cancel')}
          </Button>
          <Button
            size="xs"
            color="red"
            onClick={() => {
              setOpened(false)
              onConfirm()
            }}
          >
            {t('common.delete')}
          </Button>
        </div>
      </Dialog>
    </>
  )
}
