// SPDX-License-Identifier: MIT
import type { PacketWay, Step } from '../api/types'
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
import { dotAt, LANE_PX, lanesOf, STEP_PX } from './lanes'
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
        <ol>
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
  const at = (index: number) =>
    dotAt(lanes.indexOf(steps[index]?.layer ?? ''), index)
  const width = lanes.length * LANE_PX
  const height = steps.length * STEP_PX
  return (
    <svg width={width} height={height} aria-hidden="true">
      {lanes.map((lane, index) => (
        <line
          key={lane}
          className="ps-lane"
          x1={dotAt(index, 0)[0]}
          x2={dotAt(index, 0)[0]}
          y1={0}
          y2={height}
        />
      ))}
      {steps.slice(1).map((step, index) => {
        const [x1, y1] = at(index)
        const [x2, y2] = at(index + 1)
        const middle = (y1 + y2) / 2
        return (
          <path
            key={index}
            className="ps-lane-way"
            data-inferred={step.inferred ?? undefined}
            d={`M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`}
          />
        )
      })}
      {steps.map((step, index) => {
        const [x, y] = at(index)
        return (
          <circle
            key={index}
            cx={x}
            cy={y}
            r={4.5}
            data-drop={step.drop ? true : undefined}
            data-inferred={step.inferred ?? undefined}
          />
        )
      })}
    </svg>
  )
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
  const layerKey = `layer.${step.layer}`
  const layer = isKey(layerKey) ? plain(t, layerKey) : step.layer
  const now = step.tuple && tupleText(step.tuple)
  const had = before?.tuple ? tupleText(before.tuple) : tupleText(tuple)
  return (
    <li style={{ height: STEP_PX }} data-drop={step.drop ? true : undefined}>
      <span
        className="ps-num ps-delta"
        title={formatClock(step.time, locale, 6)}
      >
        {step.delta_ns === undefined
          ? formatClock(step.time, locale, 6)
          : `+${formatDuration(step.delta_ns, locale)}`}
      </span>
      <div>
        <div className="ps-step">
          <strong className="ps-mono">{step.station}</strong>
          <span className="ps-dim">{layer}</span>
          {step.inferred && (
            <span className="ps-tag" title={t('traces.inferred.help')}>
              {t('traces.inferred')}
            </span>
          )}
          {step.drop && (
            <span className="ps-bad">
              {t('traces.dropped', {
                reason: step.drop.reason ?? t('flows.drop.unknown'),
              })}{' '}
              {step.drop.function !== undefined &&
                t('traces.dropped.at', {
                  function: functionText(step.drop.function, step.drop.offset),
                })}
            </span>
          )}
        </div>
        <div className="ps-step ps-dim ps-mono">
          <Where step={step} />
          {now !== undefined && now !== had && (
            <span>{t('traces.tuple', { tuple: now })}</span>
          )}
        </div>
      </div>
    </li>
  )
}

function functionText(name: string, offset: number | undefined): string {
  return offset === undefined ? name : `${name}+${formatHex(offset)}`
}

function Where({ step }: { step: Step }) {
  const { t, locale } = useI18n()
  const direction = step.direction
  const parts = [
    direction === 'in' || direction === 'out'
      ? t(`traces.direction.${direction}`)
      : direction,
    step.ifname ?? (step.ifindex !== undefined && `#${step.ifindex}`),
    step.netns !== undefined && `netns ${step.netns}`,
    step.cpu !== undefined && `cpu ${step.cpu}`,
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
