// SPDX-License-Identifier: MIT
import { Link } from 'react-router'
import type { Drop, PacketWay } from '../api/types'
import { useI18n } from '../i18n'
import { daemonText } from '../i18n/daemon'
import { formatHex } from '../lib/format'

export function functionText(name: string, offset: number | undefined): string {
  return offset === undefined ? name : `${name}+${formatHex(offset)}`
}

/** Where the packet stopped, if it was dropped. */
export function dropOf(packet: PacketWay): Drop | undefined {
  return packet.steps.findLast((step) => step.drop !== undefined)?.drop
}

/** "NETFILTER_DROP"; with its owner where it is not the core's. */
export function useReasonText(): (drop: Drop) => string {
  const { t } = useI18n()
  return ({ reason, subsystem, rule }) => {
    if (reason === undefined && rule) return `${rule.kind} ${rule.id}`
    const text = reason ?? t('flows.drop.unknown')
    const isCore = subsystem === undefined || subsystem === 'core'
    return isCore ? text : `${subsystem} ${text}`
  }
}

/** What usually causes it and what to look at. */
export function useAdvice(): (drop: Drop) => string | undefined {
  const { language } = useI18n()
  return ({ advice, advice_id: id }) =>
    advice === undefined
      ? undefined
      : daemonText(language, 'advice', id, advice)
}

/** The rule that dropped; the guarder's own leads to the rules. */
export function DropRuleLine({ drop }: { drop: Drop }) {
  const { t } = useI18n()
  const { rule } = drop
  if (!rule) return null
  const id = <span className="ps-mono">{rule.id}</span>
  return (
    <p className="ps-rule-line">
      {t('traces.rule', { kind: rule.kind })}{' '}
      {rule.kind === 'guarder' ? <Link to="/rules">{id}</Link> : id}{' '}
      {rule.inferred === true && (
        <span className="ps-tag" title={t('traces.rule.inferred.help')}>
          {t('traces.inferred')}
        </span>
      )}
      {rule.text !== undefined && (
        <code className="ps-mono ps-rule-text">{rule.text}</code>
      )}
    </p>
  )
}

/** Reason, place, rule and advice. */
export function DropDetail({ drop }: { drop: Drop }) {
  const { t } = useI18n()
  const reason = useReasonText()(drop)
  const advice = useAdvice()(drop)
  return (
    <div className="ps-drop">
      <p>
        <strong className="ps-bad">{t('traces.dropped', { reason })}</strong>{' '}
        {drop.function !== undefined && (
          <span className="ps-mono">
            {t('traces.dropped.at', {
              function: functionText(drop.function, drop.offset),
            })}
          </span>
        )}
      </p>
      <DropRuleLine drop={drop} />
      {advice !== undefined && <p>{advice}</p>}
      {drop.advice_source !== undefined && (
        <p className="ps-dim ps-source">
          {t('traces.source', { source: drop.advice_source })}
        </p>
      )}
    </div>
  )
}
