// SPDX-License-Identifier: MIT
import { useEffect, type ReactNode } from 'react'
import { useI18n } from '../i18n'

/** A page's frame: its title, what can be done, what it shows. */
export function Page({
  title,
  aside,
  actions,
  fill = false,
  loading = false,
  children,
}: {
  title: string
  /** Beside the title: freshness, counts */
  aside?: ReactNode
  actions?: ReactNode
  /** The content takes the window's height and scrolls by itself. */
  fill?: boolean
  /** Nothing has come yet. */
  loading?: boolean
  children: ReactNode
}) {
  const { t } = useI18n()
  useEffect(() => {
    document.title = `${title} · ${t('app.name')}`
  }, [title, t])
  return (
    <div className="ps-page" data-fill={fill || undefined}>
      <header className="ps-page-head">
        <h1>{title}</h1>
        {aside !== undefined && <div className="ps-page-aside">{aside}</div>}
        {actions !== undefined && (
          <div className="ps-page-actions">{actions}</div>
        )}
      </header>
      {children}
      {loading && (
        <p className="ps-empty" role="status">
          {t('common.loading')}
        </p>
      )}
    </div>
  )
}

export function Section({
  title,
  aside,
  children,
}: {
  title: string
  aside?: ReactNode
  children: ReactNode
}) {
  return (
    <section className="ps-section" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside !== undefined && <span className="ps-dim">{aside}</span>}
      </header>
      {children}
    </section>
  )
}

/** Names and values, in as many columns as fit. */
export function Facts({ items }: { items: readonly (Fact | undefined)[] }) {
  return (
    <dl className="ps-facts">
      {items
        .filter((item) => item !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

export type Fact = readonly [name: string, value: ReactNode]

export function Empty({ children }: { children: ReactNode }) {
  return <p className="ps-empty">{children}</p>
}
