// SPDX-License-Identifier: MIT
import { Link } from 'react-router'
import type { ReactNode } from 'react'

/** Views of one page; each has an address of its own. */
export function Tabs({
  label,
  current,
  items,
}: {
  label: string
  current: string
  items: readonly { id: string; to: string; text: ReactNode }[]
}) {
  return (
    <nav className="ps-tabs" aria-label={label}>
      {items.map(({ id, to, text }) => (
        <Link
          key={id}
          to={to}
          replace
          aria-current={id === current ? 'page' : undefined}
        >
          {text}
        </Link>
      ))}
    </nav>
  )
}
