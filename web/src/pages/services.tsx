// SPDX-License-Identifier: MIT
import { useServices } from '../api/hooks'
import type { Capability, ServiceStatus } from '../api/types'
import { isKey, useI18n } from '../i18n'
import { formatBytes, formatSeconds, UNKNOWN } from '../lib/format'
import { SERVICES } from '../lib/services'
import { CapabilityList } from '../ui/capabilities'
import { Ago, isLost, LossList, plain, StateTag, useAge } from '../ui/figures'
import { Notice } from '../ui/notice'
import { Empty, Facts, Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { Updated } from '../ui/updated'

/** Those without which a page of the console is empty. */
const DAEMONS = ['tracer', 'analyzer', 'locator', 'guarder'] as const

const URGENCY = ['down', 'degraded']

/** What is wrong first, then always in the same order. */
export function sortServices(list: readonly ServiceStatus[]): ServiceStatus[] {
  const place = (s: ServiceStatus) => {
    const index = SERVICES.indexOf(s.name)
    return index < 0 ? SERVICES.length : index
  }
  const urgency = (s: ServiceStatus) => {
    const index = URGENCY.indexOf(s.state)
    return index < 0 ? URGENCY.length : index
  }
  return [...list].sort(
    (a, b) =>
      urgency(a) - urgency(b) ||
      place(a) - place(b) ||
      a.name.localeCompare(b.name) ||
      a.instance.localeCompare(b.instance),
  )
}

export function Component() {
  const { t } = useI18n()
  const { data, error, dataUpdatedAt } = useServices()
  const services = data && sortServices(data.services)
  return (
    <Page
      loading={!data && !error}
      title={t('nav.services')}
      aside={<Updated at={dataUpdatedAt} />}
    >
      {error && <ProblemNotice error={error} />}
      {services && (
        <>
          <Absent services={services} />
          <p className="ps-dim">{t('services.intro')}</p>
          {services.length === 0 && <Empty>{t('services.none')}</Empty>}
          <Instances services={services} />
          <div className="ps-services">
            {services.map((service) => (
              <ServiceCard
                key={`${service.name} ${service.instance}`}
                service={service}
              />
            ))}
          </div>
        </>
      )}
    </Page>
  )
}

/** Names behind which several instances work, with the state of each. */
function Instances({ services }: { services: readonly ServiceStatus[] }) {
  const { t } = useI18n()
  const names = [...new Set(services.map(({ name }) => name))]
  return names.map((name) => {
    const several = services.filter((service) => service.name === name)
    if (several.length < 2) return null
    return (
      <p key={name} className="ps-instances">
        <strong>{name}</strong> {t('services.instances', { n: several.length })}
        {several.map((service) => (
          <a key={service.instance} href={`#${cardId(service)}`}>
            <span className="ps-mono">{service.instance}</span>{' '}
            <StateTag state={service.state} />
          </a>
        ))}
      </p>
    )
  })
}

const cardId = (service: ServiceStatus) =>
  `service-${service.name}-${service.instance}`

/** Daemons that nobody has heard of at all. */
function Absent({ services }: { services: readonly ServiceStatus[] }) {
  const { t } = useI18n()
  const absent = DAEMONS.filter(
    (name) => !services.some((service) => service.name === name),
  )
  return absent.map((name) => (
    <Notice
      key={name}
      kind="bad"
      title={t('services.absent', {
        name,
        without: t(`services.without.${name}`),
      })}
    >
      {t('services.down.todo')}
    </Notice>
  ))
}

function ServiceCard({ service }: { service: ServiceStatus }) {
  const { t, locale } = useI18n()
  const headingId = cardId(service)
  const hasLost = service.losses.some(isLost)
  return (
    <article
      className="ps-card"
      data-state={service.state}
      aria-labelledby={headingId}
    >
      <header>
        <h2 id={headingId}>{service.name}</h2>
        <span className="ps-dim ps-mono">{service.instance}</span>
        <StateTag state={service.state} />
      </header>
      {service.state === 'down' && <Down service={service} />}
      {service.state !== 'down' && service.reason !== undefined && (
        <Notice kind={service.state === 'standby' ? 'info' : 'warn'}>
          {service.reason}
        </Notice>
      )}
      <Facts
        items={[
          [t('services.version'), <Mono key="v" text={service.version} />],
          [t('services.uptime'), formatSeconds(service.uptime_ns, locale)],
          [t('services.seen'), <Ago key="s" time={service.last_seen} />],
          [t('services.rss'), formatBytes(service.rss_bytes, locale)],
          [t('services.bpf'), formatBytes(service.bpf_memory_bytes, locale)],
          [t('services.pid'), service.pid ?? UNKNOWN],
          [t('services.user'), <Mono key="u" text={service.user} />],
          [t('services.privileges'), <Privileges key="p" service={service} />],
        ]}
      />
      <Capabilities list={service.capabilities} />
      <section>
        <h3>
          {t('services.losses')}
          {hasLost && (
            <span className="ps-tag" data-tone="bad">
              {t('services.losses.some')}
            </span>
          )}
        </h3>
        {service.losses.length === 0 ? (
          <p className="ps-dim">{t('services.losses.none')}</p>
        ) : (
          <>
            <LossList losses={service.losses} />
            <details className="ps-details">
              <summary>{t('services.losses.what')}</summary>
              <p className="ps-dim">{t('services.losses.help')}</p>
            </details>
          </>
        )}
      </section>
    </article>
  )
}

function Mono({ text }: { text: string | undefined }) {
  return <span className="ps-mono">{text ?? UNKNOWN}</span>
}

function Privileges({ service }: { service: ServiceStatus }) {
  const { t } = useI18n()
  if (service.privileges.length > 0) {
    return <span className="ps-mono">{service.privileges.join(' ')}</span>
  }
  // A daemon that never spoke said nothing of its privileges either.
  return service.user === undefined ? UNKNOWN : t('services.privileges.none')
}

function Down({ service }: { service: ServiceStatus }) {
  const { t } = useI18n()
  const age = useAge()
  const withoutKey = `services.without.${service.name}`
  return (
    <Notice kind="bad" title={t('services.down', { name: service.name })}>
      {service.last_seen === undefined
        ? t('services.down.never')
        : t('services.down.seen', { age: age(service.last_seen) })}{' '}
      {isKey(withoutKey) &&
        `${t('services.without')}${t('common.colon')}${plain(t, withoutKey)} `}
      {t('services.down.todo')}
      {service.reason !== undefined && <p>{service.reason}</p>}
    </Notice>
  )
}

const isStation = ({ id }: Capability) => id.includes('.station.')

/** Too fine for a summary, unless it is missing. */
const isDetail = (c: Capability) => c.available && isStation(c)

function Capabilities({ list }: { list: readonly Capability[] }) {
  const { t } = useI18n()
  const available = list.filter((c) => c.available).length
  const details = list.filter(isDetail)
  return (
    <section>
      <h3>
        {t('services.capabilities')}
        {list.length > 0 && (
          <span
            className="ps-tag"
            data-tone={available === list.length ? 'good' : 'warn'}
          >
            {t('services.capabilities.count', {
              available,
              total: list.length,
            })}
          </span>
        )}
      </h3>
      {list.length === 0 && (
        <p className="ps-dim">{t('services.capabilities.none')}</p>
      )}
      <CapabilityList list={list.filter((c) => !isDetail(c))} />
      {details.length > 0 && (
        <details className="ps-details">
          <summary>
            {t('traces.stations')}{' '}
            <span className="ps-dim">
              {t('services.capabilities.count', {
                available: details.length,
                total: list.filter(isStation).length,
              })}
            </span>
          </summary>
          <CapabilityList list={details} />
        </details>
      )}
    </section>
  )
}
