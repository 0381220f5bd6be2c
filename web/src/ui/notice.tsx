// SPDX-License-Identifier: MIT
import type { ReactNode } from 'react'

export type NoticeKind = 'bad' | 'warn' | 'info'

/** Something that the reader must see before going on. */
export function Notice({
  kind,
  title,
  children,
}: {
  kind: NoticeKind
  title?: string
  children?: ReactNode
}) {
  return (
    <div
      className="ps-notice"
      data-kind={kind}
      role={kind === 'bad' ? 'alert' : 'status'}
    >
      {title !== undefined && <strong>{title}</strong>}
      {children !== undefined && <div>{children}</div>}
    </div>
  )
}
