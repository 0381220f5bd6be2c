// SPDX-License-Identifier: MIT
// Packets of all traces, by any of the tuples that they had.
import { useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import { useFindPackets } from '../api/hooks'
import { compact } from '../api/query'
import type { FindPacketsRequest } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { isIp, isPort } from '../lib/ip'
import { packetKey, PacketList } from '../traces/packet-list'
import { PacketWayView } from '../traces/way'
import {
  FilterField,
  FilterSelect,
  useFilters,
  type Filters,
} from '../ui/filters'
import { Notice } from '../ui/notice'
import { Empty, Page, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { PROTOCOLS } from '../ui/protocols'

const LIMIT = 100
const NAMES = ['saddr', 'sport', 'daddr', 'dport', 'proto'] as const
type Name = (typeof NAMES)[number]

export function findRequest(filters: Filters<Name>): FindPacketsRequest {
  const port = (text: string) => (isPort(text) ? Number(text) : undefined)
  return compact<FindPacketsRequest>({
    limit: LIMIT,
    saddr: filters.saddr,
    sport: port(filters.sport),
    daddr: filters.daddr,
    dport: port(filters.dport),
    proto: filters.proto,
  })
}

export function Component() {
  const { t, locale } = useI18n()
  const [params, setParams] = useSearchParams()
  const [filters, setFilter, clear] = useFilters(NAMES)
  const request = useMemo(() => findRequest(filters), [filters])
  const isFiltered = NAMES.some((name) => filters[name] !== '')
  const find = useFindPackets(request)
  const { data, error } = find
  const picked = params.get('packet')
  const list = data?.pages.flatMap((page) => page.packets) ?? []
  const packet =
    list.find((one) => packetKey(one) === picked) ??
    (picked === null ? list[0] : undefined)
  const ends = [
    ['saddr', 'sport', 'traces.saddr', 'traces.sport'],
    ['daddr', 'dport', 'traces.daddr', 'traces.dport'],
  ] as const
  return (
    <Page
      loading={!data && !error}
      title={t('traces.find')}
      aside={
        data && (
          <span className="ps-num">
            {formatCount(list.length, locale)}
            {find.hasNextPage && '+'}
          </span>
        )
      }
      actions={
        <Link className="ps-button" to="/traces">
          {t('traces.back')}
        </Link>
      }
    >
      <p className="ps-dim">{t('traces.find.help')}</p>
      <div className="ps-filters" role="search" aria-label={t('traces.find')}>
        {ends.map(([addr, port, addrLabel, portLabel]) => (
          <div key={addr} className="ps-pair">
            <FilterField
              label={t(addrLabel)}
              value={filters[addr]}
              onChange={(value) => setFilter(addr, value)}
              isValid={isIp}
              width={200}
            />
            <FilterField
              label={t(portLabel)}
              value={filters[port]}
              onChange={(value) => setFilter(port, value)}
              isValid={isPort}
              width={90}
              numeric
            />
          </div>
        ))}
        <FilterSelect
          label={t('common.protocol')}
          value={filters.proto}
          onChange={(value) => setFilter('proto', value)}
          options={PROTOCOLS.map((name) => [name, name])}
        />
        {isFiltered && (
          <button type="button" className="ps-button" onClick={clear}>
            {t('common.clear')}
          </button>
        )}
      </div>
      {error && <ProblemNotice error={error} />}
      {data && list.length === 0 && !find.hasNextPage && (
        <Empty>{t('traces.find.none')}</Empty>
      )}
      {list.length > 0 && (
        <div className="ps-split">
          <Section title={t('traces.packets')}>
            <PacketList
              packets={list}
              selected={packet && packetKey(packet)}
              onSelect={(next) => {
                const after = new URLSearchParams(params)
                after.set('packet', packetKey(next))
                setParams(after, { replace: true })
              }}
            />
            <GoOn find={find} />
          </Section>
          <Section
            title={
              packet ? t('traces.packet', { id: packet.id }) : t('traces.way')
            }
          >
            {packet ? (
              <PacketWayView
                packet={packet}
                {...(packet.trace !== undefined && { of: packet.trace })}
              />
            ) : (
              <Empty>{t('traces.packet.pick')}</Empty>
            )}
          </Section>
        </div>
      )}
      {data && list.length === 0 && <GoOn find={find} />}
    </Page>
  )
}

/** The next page; where a search took too long, it is behind what was looked at. */
function GoOn({ find }: { find: ReturnType<typeof useFindPackets> }) {
  const { t } = useI18n()
  const { data, hasNextPage, isFetching, fetchNextPage } = find
  if (!hasNextPage) return null
  const partial = data?.pages.at(-1)?.partial === true
  return (
    <>
      {partial && <Notice kind="warn">{t('traces.find.partial')}</Notice>}
      <p className="ps-actions">
        <button
          type="button"
          className="ps-button"
          disabled={isFetching}
          aria-busy={isFetching}
          onClick={() => void fetchNextPage()}
        >
          {t(
            isFetching
              ? 'common.loading'
              : partial
                ? 'traces.find.on'
                : 'common.more',
          )}
        </button>
      </p>
    </>
  )
}
