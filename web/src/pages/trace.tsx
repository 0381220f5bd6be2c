// SPDX-License-Identifier: MIT
import { useState } from 'react'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import { useDeleteTrace, usePackets, useTrace } from '../api/hooks'
import type { Trace } from '../api/types'
import { useCan } from '../auth/session'
import { isKey, useI18n } from '../i18n'
import {
  formatCount,
  formatDateTime,
  formatDuration,
  formatSeconds,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { FilterText } from '../traces/filter-text'
import { PacketList } from '../traces/packet-list'
import { PacketWayView } from '../traces/way'
import { LossList, plain, StateTag } from '../ui/figures'
import { ConfirmButton } from '../ui/confirm'
import { Empty, Facts, Page, Section } from '../ui/page'
import { ProblemNotice } from '../ui/problem'
import { CapabilityList } from '../ui/capabilities'

const PAGE = 200
const MAX = 1000

export function Component() {
  const { t, locale } = useI18n()
  const { id = '' } = useParams()
  const navigate = useNavigate()
  const canChange = useCan('operator')
  const [params, setParams] = useSearchParams()
  const [limit, setLimit] = useState(PAGE)
  const trace = useTrace(id)
  const isLive = trace.data?.state === 'running'
  const packets = usePackets(id, limit, isLive)
  const remove = useDeleteTrace()
  const picked = params.get('packet')
  const list = packets.data?.packets ?? []
  const packet =
    list.find((p) => String(p.id) === picked) ??
    (picked === null ? list[0] : undefined)
  const error = trace.error ?? packets.error ?? remove.error

  return (
    <Page
      loading={!trace.data && !error}
      title={`${t('traces.title')} ${id}`}
      aside={trace.data && <StateTag state={trace.data.state} />}
      actions={
        <>
          <Link className="ps-button" to="/traces">
            {t('traces.back')}
          </Link>
          {canChange && trace.data && (
            <ConfirmButton
              label={t(isLive ? 'traces.delete' : 'common.delete')}
              question={t('traces.delete.ask')}
              busy={remove.isPending}
              onConfirm={() =>
                remove.mutate(id, { onSuccess: () => void navigate('/traces') })
              }
            />
          )}
        </>
      }
    >
      {error && <ProblemNotice error={error} />}
      {trace.data && <Summary trace={trace.data} />}
      {packets.data && (
        <div className="ps-split">
          <Section
            title={t('traces.packets')}
            aside={t('common.shown', {
              shown: formatCount(list.length, locale),
              total: formatCount(packets.data.total, locale),
            })}
          >
            {list.length === 0 ? (
              <Empty>
                {t(isLive ? 'traces.packets.wait' : 'traces.packets.none')}
              </Empty>
            ) : (
              <PacketList
                packets={list}
                selected={packet?.id}
                onSelect={(next) =>
                  setParams({ packet: String(next) }, { replace: true })
                }
              />
            )}
            {packets.data.total > list.length && limit < MAX && (
              <button
                type="button"
                className="ps-button"
                onClick={() => setLimit(MAX)}
              >
                {t('common.more')}
              </button>
            )}
          </Section>
          <Section
            title={
              packet ? t('traces.packet', { id: packet.id }) : t('traces.way')
            }
          >
            {packet ? (
              <PacketWayView packet={packet} />
            ) : (
              <Empty>{t('traces.packet.pick')}</Empty>
            )}
          </Section>
        </div>
      )}
    </Page>
  )
}

function Summary({ trace }: { trace: Trace }) {
  const { t, locale } = useI18n()
  const endKey = `traces.end.${trace.end_reason ?? ''}`
  return (
    <>
      <Facts
        items={[
          [t('traces.filter'), <FilterText key="f" filter={trace.filter} />],
          [t('common.created'), formatDateTime(trace.created, locale)],
          [
            t('common.duration'),
            trace.ended === undefined
              ? formatSeconds(trace.duration_ns, locale)
              : formatDuration(nsBetween(trace.created, trace.ended), locale),
          ],
          [
            t('traces.end'),
            isKey(endKey) ? plain(t, endKey) : (trace.end_reason ?? UNKNOWN),
          ],
          [t('common.packets'), formatCount(trace.packets, locale)],
          [t('traces.steps'), formatCount(trace.steps, locale)],
          [
            t('common.drops'),
            <span key="d" className={trace.drops > 0 ? 'ps-bad' : undefined}>
              {formatCount(trace.drops, locale)}
            </span>,
          ],
          [
            t('traces.hits'),
            <span key="h" title={t('traces.hits.help')}>
              {formatCount(trace.hits, locale)}
            </span>,
          ],
          trace.comment === undefined
            ? undefined
            : [t('common.comment'), trace.comment],
        ]}
      />
      {trace.losses.some((loss) => loss.count > 0) && (
        <LossList losses={trace.losses} />
      )}
      {trace.stations.length > 0 && (
        <details className="ps-details">
          <summary>
            {t('traces.stations')}{' '}
            <span className="ps-dim">
              {t('services.capabilities.count', {
                available: trace.stations.filter((s) => s.available).length,
                total: trace.stations.length,
              })}
            </span>
          </summary>
          <CapabilityList list={trace.stations} />
        </details>
      )}
    </>
  )
}
