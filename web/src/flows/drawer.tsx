// SPDX-License-Identifier: MIT
import { Drawer } from '@mantine/core'
import { Link } from 'react-router'
import { ApiError } from '../api/client'
import { useFlow } from '../api/hooks'
import type { Counters, DropCount, Flow } from '../api/types'
import { useCan } from '../auth/session'
import { useI18n } from '../i18n'
import {
  formatByteRate,
  formatBytes,
  formatCount,
  formatDateTime,
  formatRate,
} from '../lib/format'
import { Endpoint } from '../ui/figures'
import { Facts } from '../ui/page'
import { Notice } from '../ui/notice'
import { ProblemNotice } from '../ui/problem'
import { protocolText } from '../ui/protocols'
import { blockFlowLink, findFlowLink, traceFlowLink } from './links'

/** All that is counted of one flow. */
export function FlowDrawer({
  id,
  paused,
  onClose,
}: {
  id: string | undefined
  paused: boolean
  onClose: () => void
}) {
  const { t } = useI18n()
  const { data, error } = useFlow(id, paused)
  const isGone = error instanceof ApiError && error.status === 404
  return (
    <Drawer
      opened={id !== undefined}
      onClose={onClose}
      position="right"
      size="34rem"
      title={t('flows.detail')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {isGone && <Notice kind="info">{t('flows.gone')}</Notice>}
      {error && !isGone && <ProblemNotice error={error} />}
      {data && data.id === id && <FlowDetail flow={data} />}
    </Drawer>
  )
}

function FlowDetail({ flow }: { flow: Flow }) {
  const { t, locale } = useI18n()
  const canChange = useCan('operator')
  const canRule = useCan('admin')
  return (
    <div className="ps-stack">
      <Facts
        items={[
          [t('common.protocol'), protocolText(flow.proto, flow.ethertype)],
          [
            t('common.local'),
            <Endpoint key="l" ip={flow.laddr} port={flow.lport} />,
          ],
          [
            t('common.remote'),
            <Endpoint key="r" ip={flow.raddr} port={flow.rport} />,
          ],
          [
            t('common.interface'),
            <span key="i" className="ps-mono">
              {flow.ifname ?? '—'} #{flow.ifindex}
            </span>,
          ],
          [
            t('common.netns'),
            <span key="n" className="ps-mono">
              {flow.netns_name} {flow.netns}
            </span>,
          ],
          [t('flows.first'), formatDateTime(flow.first, locale)],
          [t('flows.last'), formatDateTime(flow.last, locale)],
        ]}
      />
      <CounterTable flow={flow} />
      <p className="ps-dim">{t('flows.units')}</p>
      <h3>{t('flows.drops')}</h3>
      {flow.drops.length === 0 ? (
        <p className="ps-dim">{t('flows.drops.none')}</p>
      ) : (
        <DropTable drops={flow.drops} />
      )}
      {canChange && flow.raddr !== undefined && (
        <p className="ps-actions">
          <Link className="ps-button" to={traceFlowLink(flow)}>
            {t('flows.trace')}
          </Link>
          <Link className="ps-button" to={findFlowLink(flow)}>
            {t('traces.find')}
          </Link>
          {canRule && (
            <Link className="ps-button" to={blockFlowLink(flow)}>
              {t('flows.block')}
            </Link>
          )}
        </p>
      )}
    </div>
  )
}

function CounterTable({ flow }: { flow: Flow }) {
  const { t, locale } = useI18n()
  const count = (n: number) => formatCount(n, locale)
  const bytes = (n: number) => formatBytes(n, locale)
  const lines: [string, keyof Counters, (n: number) => string][] = [
    [t('common.packets'), 'packets', count],
    [t('common.bytes'), 'bytes', bytes],
    [t('flows.wirebytes'), 'wire_bytes', bytes],
    [t('flows.skbs'), 'skbs', count],
  ]
  return (
    <table className="ps-simple">
      <thead>
        <tr>
          <td />
          <th scope="col">{t('flows.rx')}</th>
          <th scope="col">{t('flows.tx')}</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">{t('flows.rate')}</th>
          {[flow.rx_bytes_per_s, flow.tx_bytes_per_s].map((rate, i) => (
            <td key={i}>{formatByteRate(rate, locale)}</td>
          ))}
        </tr>
        <tr>
          <td />
          {[flow.rx_packets_per_s, flow.tx_packets_per_s].map((rate, i) => (
            <td key={i}>
              {t('flows.packets.rate', { rate: formatRate(rate, locale) })}
            </td>
          ))}
        </tr>
        {lines.map(([name, field, format]) => (
          <tr key={field}>
            <th scope="row">{name}</th>
            <td title={count(flow.rx[field])}>{format(flow.rx[field])}</td>
            <td title={count(flow.tx[field])}>{format(flow.tx[field])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function DropTable({ drops }: { drops: readonly DropCount[] }) {
  const { t, locale } = useI18n()
  return (
    <table className="ps-simple" data-text>
      <thead>
        <tr>
          <th scope="col">{t('common.packets')}</th>
          <th scope="col">{t('common.reason')}</th>
          <th scope="col">{t('common.function')}</th>
        </tr>
      </thead>
      <tbody>
        {drops.map((drop, index) => (
          <tr key={index}>
            <td className="ps-bad">{formatCount(drop.packets, locale)}</td>
            <td>{drop.reason ?? t('flows.drop.unknown')}</td>
            <td>{drop.function ?? '—'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
