// SPDX-License-Identifier: MIT
import type { Drop, PacketWay, Step } from '../api/types'
import { isKey, useI18n } from '../i18n'
import {
  formatClock,
  formatCount,
  formatDuration,
  formatHex,
  nsBetween,
  UNKNOWN,
} from '../lib/format'
import { plain } from '../ui/figures'
import { Facts } from '../ui/page'
import { tupleText } from './filter-text'
import {
  HEAD_PX,
  LANE_PX,
  lanesOf,
  laneX,
  layOut,
  stepHeight,
  type Dot,
} from './lanes'
import { Fate } from './packet-list'

/** One packet's way, step by step and layer by layer. */
export function PacketWayView({ packet }: { packet: PacketWay }) {
  const { t, locale } = useI18n()
  const lanes = lanesOf(packet.steps)
  return (
    <div className="ps-stack">
      <Facts
        items={[
          [
            t('common.address'),
            <span key="a" className="ps-mono">
              {packet.tuple.proto} {tupleText(packet.tuple)}
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
        ]}
      />
      <div className="ps-way">
        <Lanes steps={packet.steps} lanes={lanes} />
        <ol style={{ paddingTop: HEAD_PX }}>
          {packet.steps.map((step, index) => (
            <StepLine
              key={index}
              step={step}
              before={packet.steps[index - 1]}
              tuple={packet.tuple}
            />
          ))}
        </ol>
      </div>
    </div>
  )
}

/** The line through the layers; the words beside it say the same. */
function Lanes({
  steps,
  lanes,
}: {
  steps: readonly Step[]
  lanes: readonly string[]
}) {
  const layerText = useLayerText()
  const { dots, height } = layOut(steps, lanes)
  return (
    <svg width={lanes.length * LANE_PX} height={height} aria-hidden="true">
      {lanes.map((lane, index) => (
        <g key={lane}>
          <text
            transform={`translate(${laneX(index) + 4} ${HEAD_PX - 6}) rotate(-90)`}
          >
            {layerText(lane)}
          </text>
          <line
            className="ps-lane"
            x1={laneX(index)}
            x2={laneX(index)}
            y1={HEAD_PX}
            y2={height}
          />
        </g>
      ))}
      {steps.map((step, index) => (
        <LaneLine
          key={index}
          from={dots[index - 1]}
          to={dots[index]}
          inferred={step.inferred === true}
        />
      ))}
      {steps.map((step, index) => (
        <circle
          key={index}
          cx={dots[index]?.x}
          cy={dots[index]?.y}
          r={4.5}
          data-drop={step.drop ? true : undefined}
          data-inferred={step.inferred === true || undefined}
        />
      ))}
    </svg>
  )
}

function LaneLine({
  from,
  to,
  inferred,
}: {
  from: Dot | undefined
  to: Dot | undefined
  inferred: boolean
}) {
  if (!from || !to) return null
  const middle = (from.y + to.y) / 2
  return (
    <path
      className="ps-lane-way"
      data-inferred={inferred || undefined}
      d={`M${from.x} ${from.y}C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${to.y}`}
    />
  )
}

function useLayerText(): (layer: string) => string {
  const { t } = useI18n()
  return (layer) => {
    const key = `layer.${layer}`
    return isKey(key) ? plain(t, key) : layer
  }
}

function StepLine({
  step,
  before,
  tuple,
}: {
  step: Step
  before: Step | undefined
  tuple: PacketWay['tuple']
}) {
  const { t, locale } = useI18n()
  const layerText = useLayerText()
  const now = step.tuple && tupleText(step.tuple)
  const had = before?.tuple ? tupleText(before.tuple) : tupleText(tuple)
  return (
    <li
      style={{ height: stepHeight(step) }}
      data-drop={step.drop ? true : undefined}
    >
      <span
        className="ps-num ps-delta"
        title={formatClock(step.time, locale, 6)}
      >
        {step.delta_ns === undefined
          ? '0'
          : `+${formatDuration(step.delta_ns, locale)}`}
      </span>
      <div>
        <div className="ps-step">
          <strong className="ps-mono">{step.station}</strong>
          <span className="ps-dim">{layerText(step.layer)}</span>
          {step.inferred && (
            <span className="ps-tag" title={t('traces.inferred.help')}>
              {t('traces.inferred')}
            </span>
          )}
        </div>
        {step.drop && <DropLine drop={step.drop} />}
        <div className="ps-step ps-dim ps-mono">
          <Where step={step} before={before} />
          {now !== undefined && now !== had && (
            <span>{t('traces.tuple', { tuple: now })}</span>
          )}
        </div>
      </div>
    </li>
  )
}

function DropLine({ drop }: { drop: Drop }) {
  const { t } = useI18n()
  const reason = drop.reason ?? t('flows.drop.unknown')
  const at =
    drop.function === undefined
      ? undefined
      : t('traces.dropped.at', {
          function: functionText(drop.function, drop.offset),
        })
  return (
    <div className="ps-step ps-bad" title={[reason, at].join(' ')}>
      <span>{t('traces.dropped', { reason })}</span>
      {at !== undefined && <span className="ps-mono">{at}</span>}
    </div>
  )
}

function functionText(name: string, offset: number | undefined): string {
  return offset === undefined ? name : `${name}+${formatHex(offset)}`
}

/** Where it is; what is as on the step before is not said again. */
function Where({ step, before }: { step: Step; before: Step | undefined }) {
  const { t, locale } = useI18n()
  const direction = step.direction
  const parts = [
    direction === 'in' || direction === 'out'
      ? t(`traces.direction.${direction}`)
      : direction,
    step.ifname ?? (step.ifindex !== undefined && `#${step.ifindex}`),
    step.netns !== undefined &&
      step.netns !== before?.netns &&
      `netns ${step.netns}`,
    step.cpu !== undefined && step.cpu !== before?.cpu && `cpu ${step.cpu}`,
    step.len !== undefined && `${formatCount(step.len, locale)} B`,
    step.packets !== undefined &&
      step.packets > 1 &&
      t('traces.gso', { packets: step.packets }),
    step.mark !== undefined &&
      step.mark !== 0 &&
      t('traces.mark', { mark: formatHex(step.mark) }),
    step.hook,
  ]
  return parts
    .filter(Boolean)
    .map((part, index) => <span key={index}>{part}</span>)
}
