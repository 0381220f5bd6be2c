// SPDX-License-Identifier: MIT
// A rule while it is typed: texts, as the fields hold them.
import { compact } from '../api/query'
import type { Rule, RuleAction, TcpFlag } from '../api/types'
import { familyOf } from '../lib/ip'
import { numberOf } from '../ui/form'

export const TEXT_FIELDS = [
  'priority',
  'comment',
  'src',
  'dst',
  'family',
  'proto',
  'sport',
  'dport',
  'icmp_type',
  'icmp_code',
  'interface',
] as const
export type TextField = (typeof TEXT_FIELDS)[number]

export interface RuleDraft extends Record<TextField, string> {
  action: RuleAction
  enabled: boolean
  tcp_flags_set: TcpFlag[]
  tcp_flags_unset: TcpFlag[]
}

/** All that an error of the gateway may name. */
export const RULE_FIELDS: readonly string[] = [
  ...TEXT_FIELDS,
  'tcp_flags_set',
  'tcp_flags_unset',
]

const text = (value: string | number | undefined) =>
  value === undefined ? '' : String(value)

export function draftOf(rule: Partial<Rule>): RuleDraft {
  const texts = Object.fromEntries(
    TEXT_FIELDS.map((name) => [name, text(rule[name])]),
  ) as Record<TextField, string>
  return {
    ...texts,
    action: rule.action ?? 'drop',
    enabled: rule.enabled ?? true,
    tcp_flags_set: rule.tcp_flags_set ?? [],
    tcp_flags_unset: rule.tcp_flags_unset ?? [],
  }
}

/** What a link to the form filled in. */
export function draftOfParams(params: URLSearchParams): RuleDraft {
  const texts = Object.fromEntries(
    TEXT_FIELDS.map((name) => [name, params.get(name) ?? '']),
  ) as Record<TextField, string>
  return { ...draftOf({}), ...texts }
}

export function ruleOf(draft: RuleDraft): Rule {
  const flags = (list: TcpFlag[]) => (list.length > 0 ? list : undefined)
  return compact<Rule>({
    action: draft.action,
    enabled: draft.enabled,
    priority: numberOf(draft.priority),
    comment: draft.comment.trim(),
    src: draft.src.trim(),
    dst: draft.dst.trim(),
    family: familyOf(draft.family),
    proto: draft.proto.trim(),
    sport: draft.sport.replaceAll(' ', ''),
    dport: draft.dport.replaceAll(' ', ''),
    tcp_flags_set: flags(draft.tcp_flags_set),
    tcp_flags_unset: flags(draft.tcp_flags_unset),
    icmp_type: numberOf(draft.icmp_type),
    icmp_code: numberOf(draft.icmp_code),
    interface: draft.interface.trim(),
  })
}

/** The rule as it is asked for: without what the guarder writes itself. */
export function requestOf(rule: Rule): Rule {
  return ruleOf(draftOf(rule))
}

/** Drops so much that the person who makes it may lock himself out. */
export function isSweeping(draft: RuleDraft): boolean {
  if (draft.action !== 'drop' || !draft.enabled) return false
  const { src, dst, sport, dport, icmp_type, proto } = draft
  const isNarrow = [src, dst, sport, dport, icmp_type, draft.interface].some(
    (value) => value.trim() !== '',
  )
  const isIcmp = proto.trim().startsWith('icmp')
  return !isNarrow && !isIcmp && draft.tcp_flags_set.length === 0
}
