// SPDX-License-Identifier: MIT
import type { Capability } from '../api/types'
import { useI18n } from '../i18n'
import { daemonText } from '../i18n/daemon'

/** Missing ones first: they are what the reader came for. */
export function CapabilityList({ list }: { list: readonly Capability[] }) {
  const ordered = [...list].sort(
    (a, b) => Number(a.available) - Number(b.available),
  )
  return (
    <ul className="ps-capabilities">
      {ordered.map((capability) => (
        <CapabilityLine key={capability.id} capability={capability} />
      ))}
    </ul>
  )
}

function CapabilityLine({ capability }: { capability: Capability }) {
  const { t, language } = useI18n()
  const { id, available, tier, reason, without } = capability
  return (
    <li data-available={available}>
      <span className="ps-capability-mark">
        <span aria-hidden="true">{available ? '✓' : '✕'}</span>
        <span className="ps-hidden">
          {t(available ? 'services.available' : 'services.missing')}
        </span>
      </span>
      <div>
        <span title={id}>{daemonText(language, 'capability', id, id)}</span>
        {tier !== undefined && <span className="ps-tier ps-mono">{tier}</span>}
        {reason !== undefined && <p>{reason}</p>}
        {!available && without !== undefined && (
          <p>
            <strong>
              {t('services.without')}
              {t('common.colon')}
            </strong>
            {daemonText(language, 'without', id, without)}
          </p>
        )}
      </div>
    </li>
  )
}
