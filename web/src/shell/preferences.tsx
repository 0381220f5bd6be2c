// SPDX-License-Identifier: MIT
import { SegmentedControl, useMantineColorScheme } from '@mantine/core'
import { LANGUAGES, useI18n, type Language } from '../i18n'

export function Preferences() {
  const { t, language, setLanguage } = useI18n()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <div className="ps-preferences">
      <SegmentedControl
        size="xs"
        aria-label={t('app.language')}
        value={language}
        onChange={(value) => setLanguage(value as Language)}
        data={Object.entries(LANGUAGES).map(([value, label]) => ({
          value,
          label,
        }))}
      />
      <SegmentedControl
        size="xs"
        aria-label={t('app.theme')}
        value={colorScheme}
        onChange={(value) => setColorScheme(value)}
        data={[
          { value: 'auto', label: t('app.theme.auto') },
          { value: 'light', label: t('app.theme.light') },
          { value: 'dark', label: t('app.theme.dark') },
        ]}
      />
    </div>
  )
}
