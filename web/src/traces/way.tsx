// SPDX-License-Identifier: MIT
import { Link } from 'react-router'
import type { PacketWay } from '../api/types'
import { useHasPayload } from '../auth/session'
import { useI18n } from '../i18n'
import {
  formatCount,
  formatDuration,
  formatHex,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { OwnerText } from '../ui/owner'
import { Empty, Facts } from '../ui/page'
import { decodeBytes, hexDump } from './bytes'
import { tupleText } from './filter-text'
import { Fate } from './packet-list'
import { Steps } from './steps'

/** One packet's way, step by step and layer by layer. */
export function PacketWayView({
  packet,
  of,
  onPayload,
}: {
  packet: PacketWay
  /** The trace, where the page is not about it. */
  of?: string
  /** Asks for the payload too; absent: it is here, or cannot be asked for. */
  onPayload?: (() => void) | undefined
}) {
  const { t, locale } = useI18n()
  return (
    <div className="ps-stack">
      <Facts
        items={[
          [
            t('common.address'),
            <span key="a" className="ps-mono ps-wide-fact">
              {packet.tuple.proto} {tupleText(packet.tuple)}
            </span>,
          ],
          packet.tuples.length === 0
            ? undefined
            : [
                t('traces.tuples'),
                <span key="o" className="ps-lines ps-mono ps-wide-fact">
                  {packet.tuples.map((tuple, index) => (
                    <span key={index}>{tupleText(tuple)}</span>
                  ))}
                </span>,
              ],
          [t('traces.fate'), <Fate key="f" fate={packet.fate} />],
          [
            t('traces.total'),
            formatDuration(nsBetween(packet.first, packet.last), locale),
          ],
          [t('traces.length'), formatCount(packet.len, locale)],
          ['IP ID', formatHex(packet.ip_id)],
          ['TCP seq', packet.tcp_seq ?? UNKNOWN],
          [t('traces.sender'), <OwnerText key="s" owner={packet.sender} />],
          [t('traces.receiver'), <OwnerText key="r" owner={packet.receiver} />],
          of === undefined
            ? undefined
            : [
                t('traces.of'),
                <Link
                  key="t"
                  className="ps-mono"
                  to={`/traces/${encodeURIComponent(of)}?packet=${packet.id}`}
                >
                  {of}
                </Link>,
              ],
        ]}
      />
      {packet.partial && <p className="ps-dim">{t('traces.partial.way')}</p>}
      {packet.stored === false && (
        <p className="ps-dim">{t('traces.stored.not')}</p>
      )}
      {packet.cut !== undefined && (
        <p className="ps-warn">{t('traces.cut', { n: packet.cut })}</p>
      )}
      {packet.bytes !== undefined && (
        <Bytes base64={packet.bytes} onPayload={onPayload} />
      )}
      {packet.steps.length === 0 ? (
        <Empty>{t('traces.steps.none')}</Empty>
      ) : (
        <Steps key={`${of ?? ''} ${packet.id}`} packet={packet} />
      )}
    </div>
  )
}

function Bytes({
  base64,
  onPayload,
}: {
  base64: string
  onPayload: (() => void) | undefined
}) {
  const { t, locale } = useI18n()
  const mayAsk = useHasPayload()
  const bytes = decodeBytes(base64)
  if (!bytes || bytes.length === 0) return null
  return (
    <details className="ps-details">
      <summary>
        {t('traces.bytes', { n: formatCount(bytes.length, locale) })}
      </summary>
      <pre className="ps-mono ps-hex" tabIndex={0}>
        {hexDump(bytes)}
      </pre>
      {!mayAsk && <p className="ps-dim">{t('traces.bytes.help')}</p>}
      {mayAsk && onPayload && (
        <p className="ps-actions">
          <button type="button" className="ps-button" onClick={onPayload}>
            {t('traces.payload')}
          </button>
          <span className="ps-dim">{t('traces.payload.help')}</span>
        </p>
      )}
    </details>
  )
}
