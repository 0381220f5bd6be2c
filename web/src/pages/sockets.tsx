// SPDX-License-Identifier: MIT
import { useMemo, useState } from 'react'
import { useSockets } from '../api/hooks'
import { compact } from '../api/query'
import type { ListSocketsRequest } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount } from '../lib/format'
import { familyOf, isIp, isPort } from '../lib/ip'
import { useSocketColumns } from '../sockets/columns'
import {
  FilterBar,
  FilterField,
  FilterSelect,
  PauseButton,
  useFilters,
  type Filters,
} from '../ui/filters'
import { LossList } from '../ui/figures'
import { Notice } from '../ui/notice'
import { Page } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { DataTable } from '../ui/table'
import { Updated } from '../ui/updated'

const LIMIT = 1000
const NAMES = [
  'proto',
  'family',
  'state',
  'addr',
  'port',
  'process',
  'container',
  'sort',
] as const
type Name = (typeof NAMES)[number]

const PROTOCOLS = ['tcp', 'udp', 'raw', 'icmp', 'icmpv6'] as const

// As `ss` writes them.
const STATES = [
  'ESTAB',
  'LISTEN',
  'UNCONN',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'CLOSE-WAIT',
  'LAST-ACK',
  'CLOSING',
] as const

/** The gateway takes the first 12 digits too. */
const isContainer = (text: string) => /^[0-9a-f]{12,64}$/.test(text)

/** The field "process" takes a name or a number. */
export function socketsRequest(filters: Filters<Name>): ListSocketsRequest {
  const isPid = /^\d{1,9}$/.test(filters.process)
  return compact<ListSocketsRequest>({
    limit: LIMIT,
    sort: filters.sort,
    proto: filters.proto,
    family: familyOf(filters.family),
    state: filters.state,
    addr: filters.addr,
    port: isPort(filters.port) ? Number(filters.port) : undefined,
    pid: isPid ? Number(filters.process) : undefined,
    comm: isPid ? undefined : filters.process,
    container: filters.container,
  })
}

export function Component() {
  const { t, locale } = useI18n()
  const [filters, setFilter, clear] = useFilters(NAMES)
  const [paused, setPaused] = useState(false)
  const request = useMemo(() => socketsRequest(filters), [filters])
  const { data, error, dataUpdatedAt, age } = useSockets(request, paused)
  const columns = useSocketColumns()
  const isFiltered = NAMES.some(
    (name) => name !== 'sort' && filters[name] !== '',
  )
  return (
    <Page
      loading={!data && !error}
      fill
      title={t('sockets.title')}
      aside={
        <>
          {data && (
            <span className="ps-num">
              {t('common.shown', {
                shown: formatCount(data.sockets.length, locale),
                total: formatCount(data.total, locale),
              })}
            </span>
          )}
          {paused && <span className="ps-tag">{t('common.paused')}</span>}
          <Updated at={dataUpdatedAt} age={age} />
        </>
      }
      actions={<PauseButton paused={paused} onChange={setPaused} />}
    >
      <FilterBar
        label={t('sockets.title')}
        isFiltered={isFiltered}
        onClear={clear}
      >
        <FilterSelect
          label={t('common.protocol')}
          value={filters.proto}
          onChange={(value) => setFilter('proto', value)}
          options={PROTOCOLS.map((name) => [name, name])}
        />
        <FilterSelect
          label={t('common.family')}
          value={filters.family}
          onChange={(value) => setFilter('family', value)}
          options={[
            ['4', 'IPv4'],
            ['6', 'IPv6'],
          ]}
        />
        <FilterSelect
          label={t('common.state')}
          value={filters.state}
          onChange={(value) => setFilter('state', value)}
          options={STATES.map((name) => [name, name])}
          width={130}
        />
        <FilterField
          label={t('common.address')}
          value={filters.addr}
          onChange={(value) => setFilter('addr', value)}
          isValid={isIp}
          width={200}
        />
        <FilterField
          label={t('common.port')}
          value={filters.port}
          onChange={(value) => setFilter('port', value)}
          isValid={isPort}
          width={80}
          numeric
        />
        <FilterField
          label={t('sockets.process')}
          value={filters.process}
          onChange={(value) => setFilter('process', value)}
          width={140}
        />
        <FilterField
          label={t('traces.container')}
          value={filters.container}
          onChange={(value) => setFilter('container', value)}
          isValid={isContainer}
          width={130}
        />
      </FilterBar>
      {error && <ProblemNotice error={error} />}
      {data && data.losses.some((loss) => loss.count > 0) && (
        <Notice kind="warn" title={t('sockets.losses')}>
          <LossList losses={data.losses} />
        </Notice>
      )}
      {data && (
        <DataTable
          fill
          label={t('sockets.title')}
          rows={data.sockets}
          columns={columns}
          sort={filters.sort}
          onSort={(sort) => setFilter('sort', sort)}
          rowId={(socket, index) =>
            socket.cookie === undefined
              ? `${socket.netns ?? ''} ${socket.inode ?? ''} ${index}`
              : `${socket.netns ?? ''} ${socket.cookie} ${index}`
          }
          empty={t('sockets.none')}
        />
      )}
    </Page>
  )
}
