// SPDX-License-Identifier: MIT
import { useState } from 'react'
import type { AuditEntry } from '../api/types'
import { useI18n, type Key } from '../i18n'
import { daemonText } from '../i18n/daemon'
import { formatBytes, formatDateTime, UNKNOWN } from '../lib/format'
import { plain, Tag } from '../ui/figures'
import { Facts } from '../ui/page'
import { diff, type Difference } from './diff'

/** Actions that have words; others are shown by their id. */
const ACTIONS = {
  'guarder.create_rule': 'audit.action.rule.add',
  'guarder.update_rule': 'audit.action.rule.change',
  'guarder.delete_rule': 'audit.action.rule.remove',
  'guarder.put_ruleset': 'audit.action.rules',
  'tracer.create_trace': 'audit.action.trace.add',
  'tracer.delete_trace': 'audit.action.trace.remove',
  'locator.measure_path': 'audit.action.path',
  'gateway.create_token': 'audit.action.token.add',
  'gateway.delete_token': 'audit.action.token.remove',
  'gateway.login': 'audit.action.login',
  'gateway.logout': 'audit.action.logout',
} as const satisfies Record<string, Key>

const actionKey = (action: string): Key | undefined =>
  Object.hasOwn(ACTIONS, action)
    ? ACTIONS[action as keyof typeof ACTIONS]
    : undefined

/** One change: a line, and below it, when opened, what became different. */
export function AuditLine({ entry }: { entry: AuditEntry }) {
  const { t, locale } = useI18n()
  const [opened, setOpened] = useState(false)
  const words = actionKey(entry.action)
  return (
    <li>
      <details
        className="ps-audit"
        onToggle={(event) => setOpened(event.currentTarget.open)}
      >
        <summary>
          <time className="ps-num ps-dim" dateTime={entry.time}>
            {formatDateTime(entry.time, locale)}
          </time>
          <span className="ps-mono">{entry.actor ?? UNKNOWN}</span>
          <span className="ps-audit-action" title={entry.action}>
            {words ? plain(t, words) : entry.action}
            {entry.target !== undefined && (
              <span className="ps-mono"> {entry.target}</span>
            )}
          </span>
          <Tag
            word={entry.outcome}
            text={t(`audit.outcome.${entry.outcome}`)}
          />
        </summary>
        {opened && <Detail entry={entry} />}
      </details>
    </li>
  )
}

function Detail({ entry }: { entry: AuditEntry }) {
  const { t, language, locale } = useI18n()
  const cut = entry.before_cut ?? entry.after_cut
  return (
    <div className="ps-audit-detail">
      <Facts
        items={[
          [t('audit.service'), `${entry.service} · ${entry.instance}`],
          [t('audit.client'), entry.client ?? UNKNOWN],
          [t('audit.action'), entry.action],
          entry.error === undefined
            ? undefined
            : [
                t('audit.error'),
                `${entry.status ?? ''} ${daemonText(language, 'problem', entry.error, entry.error)}`,
              ],
        ]}
      />
      {cut && (
        <p className="ps-dim">
          {t('audit.cut', { size: formatBytes(cut.bytes, locale) })}
        </p>
      )}
      <DiffTable lines={diff(entry.before, entry.after)} />
    </div>
  )
}

function DiffTable({ lines }: { lines: readonly Difference[] }) {
  const { t } = useI18n()
  if (lines.length === 0) return <p className="ps-dim">{t('audit.same')}</p>
  return (
    <table className="ps-diff">
      <thead>
        <tr>
          <th scope="col">{t('audit.field')}</th>
          <th scope="col">{t('audit.before')}</th>
          <th scope="col">{t('audit.after')}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.path}>
            <th scope="row" className="ps-mono">
              {line.path}
            </th>
            <td data-change={line.before === undefined ? undefined : 'old'}>
              {line.before ?? UNKNOWN}
            </td>
            <td data-change={line.after === undefined ? undefined : 'new'}>
              {line.after ?? UNKNOWN}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
