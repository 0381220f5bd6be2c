// SPDX-License-Identifier: MIT
// Every criterion that a trace's filter has.
import { Checkbox } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useI18n } from '../i18n'
import { Field } from '../ui/form'
import type { FilterField, TraceField } from './draft'

export interface Bound<F extends TraceField = TraceField> {
  draft: Record<F, string>
  set: (name: F, value: string) => void
  errorOf: (name: F) => string | undefined
}

/** What people ask for most, in the words of pcap-filter. */
const EXAMPLES = [
  'tcp port 443',
  'host 192.0.2.7 and not port 22',
  'udp and dst port 53',
  'icmp or icmp6',
  'net 2001:db8::/32',
  'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0',
] as const

/** The text field of one name. */
export function bind<F extends TraceField>(
  { draft, set, errorOf }: Bound<F>,
  name: F,
) {
  return {
    value: draft[name],
    onChange: (event: { currentTarget: HTMLInputElement }) =>
      set(name, event.currentTarget.value),
    error: errorOf(name),
  }
}

export function Switchable<F extends TraceField>({
  of,
  name,
  label,
  description,
}: {
  of: Bound<F>
  name: F
  label: string
  description?: string
}) {
  return (
    <Checkbox
      size="xs"
      label={label}
      description={description}
      checked={of.draft[name] !== ''}
      error={of.errorOf(name)}
      onChange={(event) => of.set(name, event.currentTarget.checked ? '1' : '')}
    />
  )
}

/** Closed at first where nothing in it is set; opened by what is wrong. */
export function Group<F extends TraceField>({
  title,
  of,
  names,
  children,
}: {
  title: string
  of: Bound<F>
  names: readonly F[]
  children: ReactNode
}) {
  const set = names.filter((name) => of.draft[name] !== '').length
  const isWrong = names.some((name) => of.errorOf(name) !== undefined)
  const [opened, setOpened] = useState(set > 0)
  return (
    <details
      className="ps-wide ps-group"
      open={opened || isWrong}
      onToggle={(event) => setOpened(event.currentTarget.open)}
    >
      <summary>
        {title}
        {set > 0 && <span className="ps-tag">{set}</span>}
      </summary>
      <div className="ps-form">{children}</div>
    </details>
  )
}

export function FilterFields({ of }: { of: Bound<FilterField> }) {
  const { t } = useI18n()
  return (
    <>
      <div className="ps-wide ps-expr">
        <Field
          label={t('traces.expr')}
          description={t('traces.expr.help')}
          placeholder="tcp port 443"
          data-autofocus
          {...bind(of, 'expr')}
        />
        <ul className="ps-examples" aria-label={t('traces.expr.examples')}>
          {EXAMPLES.map((example) => (
            <li key={example}>
              <button
                type="button"
                className="ps-example ps-mono"
                onClick={() => of.set('expr', example)}
              >
                {example}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <p className="ps-dim ps-wide">{t('traces.direction')}</p>
      <Field label={t('traces.saddr')} {...bind(of, 'saddr')} />
      <Field label={t('traces.sport')} {...bind(of, 'sport')} />
      <Field label={t('traces.daddr')} {...bind(of, 'daddr')} />
      <Field label={t('traces.dport')} {...bind(of, 'dport')} />
      <Field
        label={t('common.protocol')}
        placeholder="tcp, udp, icmp"
        {...bind(of, 'proto')}
      />
      <div className="ps-beside">
        <Switchable
          of={of}
          name="inner"
          label={t('traces.inner')}
          description={t('traces.inner.help')}
        />
      </div>
      <Group
        title={t('traces.group.owner')}
        of={of}
        names={['pid', 'cgroup', 'container', 'ifname', 'netns', 'mark']}
      >
        <Field
          label={t('traces.pid')}
          description={t('traces.pid.help')}
          inputMode="numeric"
          {...bind(of, 'pid')}
        />
        <Field
          label={t('traces.container')}
          description={t('traces.container.help')}
          {...bind(of, 'container')}
        />
        <Field
          label={t('traces.cgroup')}
          placeholder="system.slice/nginx.service"
          {...bind(of, 'cgroup')}
        />
        <Field
          label={t('traces.ifname')}
          placeholder="eth0"
          {...bind(of, 'ifname')}
        />
        <Field label={t('traces.netns')} {...bind(of, 'netns')} />
        <Field
          label={t('traces.mark.field')}
          description={t('traces.mark.help')}
          placeholder="0x10/0xff"
          {...bind(of, 'mark')}
        />
      </Group>
      <Group
        title={t('traces.group.keep')}
        of={of}
        names={['drops_only', 'min_latency', 'sample']}
      >
        <div className="ps-wide">
          <Switchable
            of={of}
            name="drops_only"
            label={t('traces.drops_only')}
            description={t('traces.drops_only.help')}
          />
        </div>
        <Field
          label={t('traces.min_latency')}
          description={t('traces.min_latency.help')}
          {...bind(of, 'min_latency')}
        />
        <Field
          label={t('traces.sample')}
          description={t('traces.sample.help')}
          placeholder="1"
          {...bind(of, 'sample')}
        />
      </Group>
    </>
  )
}
