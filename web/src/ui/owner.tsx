// SPDX-License-Identifier: MIT
import type { Owner } from '../api/types'
import { useI18n } from '../i18n'
import { UNKNOWN } from '../lib/format'

function ownerText(owner: Owner): string {
  return `${owner.comm ?? ''}[${owner.pid}]`
}

const ownerLine = (owner: Owner) =>
  [ownerText(owner), owner.container ?? owner.cgroup].filter(Boolean).join(' ')

/** A process, and the container that it is in. */
export function OwnerText({
  owner,
  others = [],
}: {
  owner: Owner | undefined
  /** More that hold the same: how many, and all of them in the title. */
  others?: readonly Owner[]
}) {
  const { t } = useI18n()
  if (!owner) {
    return <span title={t('sockets.process.none')}>{UNKNOWN}</span>
  }
  return (
    <span
      className="ps-mono"
      title={[owner, ...others].map(ownerLine).join('\n')}
    >
      {owner.comm ?? UNKNOWN}
      <span className="ps-dim">
        [{owner.pid}]{others.length > 0 && ` +${others.length}`}
        {owner.container !== undefined && ` ${owner.container.slice(0, 12)}`}
      </span>
    </span>
  )
}
