// SPDX-License-Identifier: MIT
import { Drawer } from '@mantine/core'
import { Link } from 'react-router'
import { buildQuery } from '../api/query'
import type { Event } from '../api/types'
import { isKey, useI18n } from '../i18n'
import { daemonText } from '../i18n/daemon'
import { formatClock, formatCount, formatDateTime } from '../lib/format'
import { plain, Tag } from '../ui/figures'
import { Notice } from '../ui/notice'
import { useEvents } from './context'
import { MAX_EVENTS } from './store'

export function EventsDrawer({
  opened,
  onClose,
}: {
  opened: boolean
  onClose: () => void
}) {
  const { t, locale } = useI18n()
  const { state } = useEvents()
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      size="28rem"
      title={
        <span className="ps-drawer-title">
          {t('events.title')}
          <span className="ps-stream" data-stream={state.stream}>
            {t(`events.${state.stream}`)}
          </span>
        </span>
      }
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {state.missed.times > 0 && (
        <Notice kind="warn">
          {state.missed.count > 0
            ? t('events.lost', { n: formatCount(state.missed.count, locale) })
            : t('events.lost.unknown')}
        </Notice>
      )}
      {state.entries.length === 0 && (
        <p className="ps-empty">{t('events.none')}</p>
      )}
      <ol className="ps-events" aria-live="polite">
        {state.entries.map(({ key, event }) => (
          <EventLine key={key} event={event} onLeave={onClose} />
        ))}
      </ol>
      {state.trimmed && (
        <p className="ps-dim">{t('events.trimmed', { n: MAX_EVENTS })}</p>
      )}
    </Drawer>
  )
}

/** The trace that an event is about, or the traces of an alert. */
export function eventLink({
  id,
  params,
}: Pick<Event, 'id' | 'params'>): ['trace' | 'traces', string] | undefined {
  const valueOf = (name: string) => params.find((p) => p.name === name)?.value
  if (id.startsWith('tracer.trace_')) {
    const trace = valueOf('trace') ?? valueOf('id')
    return trace === undefined
      ? undefined
      : ['trace', `/traces/${encodeURIComponent(trace)}`]
  }
  const alert = valueOf('alert')
  return alert === undefined
    ? undefined
    : ['traces', `/traces${buildQuery({ alert })}`]
}

function EventLine({ event, onLeave }: { event: Event; onLeave: () => void }) {
  const { t, language, locale } = useI18n()
  const key = `severity.${event.severity}`
  const link = eventLink(event)
  return (
    <li data-severity={event.severity}>
      <div>
        <time
          className="ps-mono"
          dateTime={event.time}
          title={formatDateTime(event.time, locale)}
        >
          {formatClock(event.time, locale)}
        </time>
        <Tag
          word={event.severity}
          text={isKey(key) ? plain(t, key) : event.severity}
        />
        <span className="ps-dim">{event.source}</span>
      </div>
      <p>{daemonText(language, 'event', event.id, event.text, event.params)}</p>
      {link && (
        <Link to={link[1]} onClick={onLeave}>
          {t(`events.${link[0]}`)}
        </Link>
      )}
    </li>
  )
}
