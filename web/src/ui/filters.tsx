// SPDX-License-Identifier: MIT
// Filters live in the page's URL, so that a view can be sent to a colleague.
import { useCallback, useEffect, useState, type ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { useI18n } from '../i18n'

export type Filters<K extends string> = Record<K, string>

/** The filters of the URL, and how to change one ("" takes it off). */
export function useFilters<K extends string>(
  names: readonly K[],
): [Filters<K>, (name: K, value: string) => void, () => void] {
  const [params, setParams] = useSearchParams()
  const values = Object.fromEntries(
    names.map((name) => [name, params.get(name) ?? '']),
  ) as Filters<K>
  const set = useCallback(
    (name: K, value: string) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before)
          if (value === '') after.delete(name)
          else after.set(name, value)
          return after
        },
        { replace: true },
      ),
    [setParams],
  )
  const clear = useCallback(
    () =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before)
          for (const name of names) after.delete(name)
          return after
        },
        { replace: true },
      ),
    [setParams, names],
  )
  return [values, set, clear]
}

/** The filters of a page in a row, and what takes them off where some are. */
export function FilterBar({
  label,
  isFiltered,
  onClear,
  children,
}: {
  label: string
  isFiltered: boolean
  onClear: () => void
  children: ReactNode
}) {
  const { t } = useI18n()
  return (
    <div className="ps-filters" role="search" aria-label={label}>
      {children}
      {isFiltered && (
        <button type="button" className="ps-button" onClick={onClear}>
          {t('common.clear')}
        </button>
      )}
    </div>
  )
}

const TYPING_MS = 300

/** A field that takes effect when it holds something that can be asked. */
export function FilterField({
  label,
  value,
  onChange,
  isValid = () => true,
  width = 140,
  numeric = false,
  options,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  isValid?: (text: string) => boolean
  width?: number
  numeric?: boolean
  /** Offered while typing; others are taken too. */
  options?: readonly string[]
}) {
  const [text, setText] = useState(value)
  const [seen, setSeen] = useState(value)
  // Changed from outside ("clear", the back button).
  if (seen !== value) {
    setSeen(value)
    setText(value)
  }
  const trimmed = text.trim()
  const ok = trimmed === '' || isValid(trimmed)
  useEffect(() => {
    if (!ok || trimmed === value) return
    const timer = setTimeout(() => onChange(trimmed), TYPING_MS)
    return () => clearTimeout(timer)
  }, [trimmed, ok, value, onChange])
  const list = options ? `list-${label}` : undefined
  return (
    <label className="ps-filter" style={{ width }}>
      <span>{label}</span>
      <input
        type="text"
        inputMode={numeric ? 'numeric' : 'text'}
        value={text}
        list={list}
        spellCheck={false}
        autoComplete="off"
        aria-invalid={!ok}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {options && (
        <datalist id={list}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </label>
  )
}

export function FilterSelect({
  label,
  value,
  onChange,
  options,
  width = 110,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  options: readonly (readonly [value: string, text: string])[]
  width?: number
}) {
  const { t } = useI18n()
  return (
    <label className="ps-filter" style={{ width }}>
      <span>{label}</span>
      <select
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        <option value="">{t('common.all')}</option>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

export function PauseButton({
  paused,
  onChange,
}: {
  paused: boolean
  onChange: (paused: boolean) => void
}) {
  const { t } = useI18n()
  return (
    <button
      type="button"
      className="ps-button"
      aria-pressed={paused}
      onClick={() => onChange(!paused)}
    >
      {paused ? t('common.resume') : t('common.pause')}
    </button>
  )
}
