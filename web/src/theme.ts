// SPDX-License-Identifier: MIT
import { createTheme, type CSSVariablesResolver } from '@mantine/core'

const SANS =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", ' +
  '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif'
const MONO =
  'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, ' +
  'Consolas, monospace'

export const theme = createTheme({
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  colors: {
    // Mantine's greys, a little towards blue.
    dark: [
      '#dfe3e8',
      '#b8c0c8',
      '#8b95a0',
      '#5d6873',
      '#3d4650',
      '#2c333a',
      '#1f242a',
      '#14171b',
      '#101317',
      '#0b0d10',
    ],
  },
  primaryColor: 'blue',
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: 'sm',
  fontSizes: {
    xs: '0.75rem',
    sm: '0.8125rem',
    md: '0.875rem',
    lg: '1rem',
    xl: '1.25rem',
  },
  headings: { fontFamily: SANS, fontWeight: '600' },
  respectReducedMotion: true,
})

// Colours that carry meaning, each at least 4.5:1 on its background.
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#1b1f24',
    '--mantine-color-dimmed': '#59636e',
    '--mantine-color-placeholder': '#68727d',
    '--mantine-color-error': '#c01f1f',
    '--ps-surface': '#f6f8fa',
    '--ps-hover': '#eef2f6',
    '--ps-line': '#d8dee4',
    '--ps-link': '#0b5cad',
    '--ps-good': '#17692f',
    '--ps-warn': '#855300',
    '--ps-bad': '#c01f1f',
    '--ps-good-bg': '#e3f5e7',
    '--ps-warn-bg': '#fdf1d6',
    '--ps-bad-bg': '#fde7e7',
    '--ps-info-bg': '#e2effb',
    '--ps-rx': '#0b62b8',
    '--ps-tx': '#9a4f00',
    '--ps-land': '#dfe4ea',
  },
  dark: {
    '--mantine-color-body': '#14171b',
    '--mantine-color-text': '#dfe3e8',
    '--mantine-color-dimmed': '#99a3ae',
    '--mantine-color-placeholder': '#8b95a0',
    '--mantine-color-error': '#ff8585',
    '--ps-surface': '#1b1f24',
    '--ps-hover': '#242a31',
    '--ps-line': '#323940',
    '--ps-link': '#74b3f5',
    '--ps-good': '#6fce85',
    '--ps-warn': '#e8b04a',
    '--ps-bad': '#ff8585',
    '--ps-good-bg': '#17301e',
    '--ps-warn-bg': '#362a10',
    '--ps-bad-bg': '#3d1b1d',
    '--ps-info-bg': '#152c44',
    '--ps-rx': '#74b3f5',
    '--ps-tx': '#e89b52',
    '--ps-land': '#2c333a',
  },
})
