// SPDX-License-Identifier: MIT
import type { Rule } from '../api/types'
import { useI18n } from '../i18n'

/** The conditions of a rule, as one would type them. */
export function matchWords(rule: Partial<Rule>): string[] {
  const { src, dst, sport, dport } = rule
  const words: (string | false | undefined)[] = [
    rule.family !== undefined &&
      src === undefined &&
      dst === undefined &&
      `ipv${rule.family}`,
    rule.proto,
    src !== undefined && `src ${src}`,
    sport !== undefined && `sport ${sport}`,
    dst !== undefined && `dst ${dst}`,
    dport !== undefined && `dport ${dport}`,
    ...(rule.tcp_flags_set ?? []).map((flag) => `+${flag}`),
    ...(rule.tcp_flags_unset ?? []).map((flag) => `-${flag}`),
    rule.icmp_type !== undefined && `icmp-type ${rule.icmp_type}`,
    rule.icmp_code !== undefined && `icmp-code ${rule.icmp_code}`,
    rule.interface !== undefined && `in ${rule.interface}`,
  ]
  return words.filter((word) => typeof word === 'string')
}

export function RuleMatch({ rule }: { rule: Rule }) {
  const { t } = useI18n()
  const words = matchWords(rule)
  if (words.length === 0) return <em>{t('rules.match.all')}</em>
  return (
    <span className="ps-mono" title={words.join(' ')}>
      {words.join(' ')}
    </span>
  )
}
