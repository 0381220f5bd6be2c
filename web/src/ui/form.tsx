// SPDX-License-Identifier: MIT
import { Modal, TextInput, type TextInputProps } from '@mantine/core'
import type { ReactNode } from 'react'
import { ApiError } from '../api/client'
import { useI18n } from '../i18n'
import { ProblemNotice, useProblemText } from './problem'

/**
 * The field of the form that a problem is about: "rule.sport" and "sport"
 * are the same to a person.
 */
export function fieldOf(error: unknown, prefix: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  const { field } = error.problem
  if (field === undefined) return undefined
  const bare = field.startsWith(`${prefix}.`)
    ? field.slice(prefix.length + 1)
    : field
  return bare.replace(/\[\d+\].*$/, '')
}

/** For each field what the gateway says of it; the rest stands above. */
export function useFieldErrors(
  error: unknown,
  prefix: string,
  names: readonly string[],
): { of: (name: string) => string | undefined; rest: ReactNode } {
  const problemText = useProblemText()
  const field = fieldOf(error, prefix)
  const isShown = field !== undefined && names.includes(field)
  const text =
    isShown && error instanceof ApiError ? problemText(error.problem) : ''
  return {
    of: (name) => (isShown && name === field ? text : undefined),
    rest: error && !isShown ? <ProblemNotice error={error} /> : null,
  }
}

export function Field({
  mono = true,
  ...props
}: TextInputProps & { mono?: boolean }) {
  return (
    <TextInput
      size="xs"
      spellCheck={false}
      autoComplete="off"
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      classNames={mono ? { input: 'ps-mono' } : {}}
      {...props}
    />
  )
}

export function Dialog({
  opened,
  onClose,
  title,
  size = 'lg',
  children,
}: {
  opened: boolean
  onClose: () => void
  title: string
  size?: string
  children: ReactNode
}) {
  const { t } = useI18n()
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      size={size}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {children}
    </Modal>
  )
}

/** "12" → 12; "" → undefined; the rest goes to the gateway to be refused. */
export function numberOf(text: string): number | undefined {
  const trimmed = text.trim()
  return trimmed === '' ? undefined : Number(trimmed)
}

/** What is not a whole number of this range, or undefined. */
export function isWhole(text: string, min: number, max: number): boolean {
  const trimmed = text.trim()
  if (trimmed === '') return true
  return (
    /^\d+$/.test(trimmed) && Number(trimmed) >= min && Number(trimmed) <= max
  )
}
