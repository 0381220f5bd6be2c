// SPDX-License-Identifier: MIT
// The steps of a way, one below the other, with a line through the layers.
import { useMediaQuery } from '@mantine/hooks'
import { useState } from 'react'
import type { Frame, PacketWay, Step } from '../api/types'
import { useI18n } from '../i18n'
import {
  formatClock,
  formatCount,
  formatDuration,
  formatHex,
} from '../lib/format'
import { callersIn, isBeside, MANY_STEPS, rowsOf, type CallRow } from './calls'
import { DropDetail, functionText } from './drop'
import { tupleText } from './filter-text'
import { lanesOf } from './lanes'
import { useLayerText } from './layer'

/** Room for the lanes' names. */
const HEAD_PX = 74
/** The centre of a row's dot, from the row's top. */
const DOT_PX = 18
const LANE_PX = { wide: 18, narrow: 12 }
const INDENT_PX = { wide: 14, narrow: 7 }
const MAX_INDENT = 12
const NARROW = '(max-width: 700px)'

interface Shape {
  lanes: readonly string[]
  lanePx: number
  indentPx: number
}

const laneX = ({ lanePx }: Shape, lane: number) => lane * lanePx + lanePx / 2

export function Steps({ packet }: { packet: PacketWay }) {
  const { t } = useI18n()
  const { steps } = packet
  const callers = callersIn(steps)
  const [folded, setFolded] = useState<ReadonlySet<number>>(
    () => new Set(steps.length > MANY_STEPS ? callers : []),
  )
  const size = useMediaQuery(NARROW, false) ? 'narrow' : 'wide'
  const shape: Shape = {
    lanes: lanesOf(steps),
    lanePx: LANE_PX[size],
    indentPx: INDENT_PX[size],
  }
  const rows = rowsOf(steps, folded)
  const fold = (index: number) =>
    setFolded((now) => {
      const after = new Set(now)
      if (!after.delete(index)) after.add(index)
      return after
    })
  return (
    <div>
      {callers.length > 0 && (
        <p className="ps-actions">
          <button
            type="button"
            className="ps-button"
            onClick={() => setFolded(new Set(callers))}
          >
            {t('traces.fold')}
          </button>
          <button
            type="button"
            className="ps-button"
            onClick={() => setFolded(new Set())}
          >
            {t('traces.unfold')}
          </button>
        </p>
      )}
      <LaneNames shape={shape} />
      <ol
        className="ps-way"
        style={{
          ['--ps-lanes' as string]: `${shape.lanes.length * shape.lanePx}px`,
        }}
      >
        {rows.map((row, at) => (
          <StepRow
            key={row.index}
            row={row}
            above={rows[at - 1]}
            below={rows[at + 1]}
            before={steps.findLast(
              (step, index) => index < row.index && !isBeside(step),
            )}
            packet={packet}
            shape={shape}
            onFold={fold}
          />
        ))}
      </ol>
    </div>
  )
}

function LaneNames({ shape }: { shape: Shape }) {
  const layerText = useLayerText()
  const { lanes, lanePx } = shape
  return (
    <svg
      className="ps-lane-names"
      width={lanes.length * lanePx + 20}
      height={HEAD_PX}
      aria-hidden="true"
    >
      {lanes.map((lane, index) => (
        <text
          key={lane}
          transform={`translate(${laneX(shape, index) + 4} ${HEAD_PX - 4}) rotate(-90)`}
        >
          {layerText(lane)}
        </text>
      ))}
    </svg>
  )
}

/** One row's part of the line; the words beside it say the same. */
function Lanes({
  shape,
  row,
  above,
  below,
}: {
  shape: Shape
  row: CallRow
  above: CallRow | undefined
  below: CallRow | undefined
}) {
  const { lanes, lanePx } = shape
  const at = (step: Step) => laneX(shape, lanes.indexOf(step.layer))
  const { step } = row
  const x = at(step)
  const from = above && at(above.step)
  return (
    <svg
      className="ps-lanes"
      width={lanes.length * lanePx}
      height="100%"
      aria-hidden="true"
    >
      {lanes.map((lane, index) => (
        <line
          key={lane}
          className="ps-lane"
          x1={laneX(shape, index)}
          x2={laneX(shape, index)}
          y1={0}
          y2="100%"
        />
      ))}
      {from !== undefined && (
        <path
          className="ps-lane-way"
          data-inferred={step.inferred ? true : undefined}
          d={`M${from} 0C${from} ${DOT_PX * 0.7} ${x} ${DOT_PX * 0.3} ${x} ${DOT_PX}`}
        />
      )}
      {below && (
        <line
          className="ps-lane-way"
          data-inferred={below.step.inferred ? true : undefined}
          x1={x}
          x2={x}
          y1={DOT_PX}
          y2="100%"
        />
      )}
      <circle
        cx={x}
        cy={DOT_PX}
        r={step.depth === undefined ? 4.5 : 3}
        data-drop={step.drop ? true : undefined}
        data-inferred={step.inferred ? true : undefined}
      />
    </svg>
  )
}

function StepRow({
  row,
  above,
  below,
  before,
  packet,
  shape,
  onFold,
}: {
  row: CallRow
  above: CallRow | undefined
  below: CallRow | undefined
  before: Step | undefined
  packet: PacketWay
  shape: Shape
  onFold: (index: number) => void
}) {
  const { t, locale } = useI18n()
  const { step, indent } = row
  return (
    <li
      data-drop={step.drop ? true : undefined}
      data-function={step.depth === undefined ? undefined : true}
    >
      <Lanes shape={shape} row={row} above={above} below={below} />
      <span
        className="ps-num ps-delta"
        title={formatClock(step.time, locale, 9)}
      >
        {row.delta !== undefined
          ? `+${formatDuration(row.delta, locale)}`
          : !isBeside(step) && t('traces.first')}
      </span>
      <div
        className="ps-step-text"
        style={{ paddingLeft: Math.min(indent, MAX_INDENT) * shape.indentPx }}
      >
        <StepName row={row} onFold={onFold} />
        {step.drop && <DropDetail drop={step.drop} />}
        <div className="ps-step ps-dim ps-mono">
          <Where step={step} before={before} />
        </div>
        <Tuples step={step} before={before} packet={packet} />
        {step.stack.length > 0 && <Stack frames={step.stack} />}
      </div>
    </li>
  )
}

function StepName({
  row: { step, index, calls, isFolded },
  onFold,
}: {
  row: CallRow
  onFold: (index: number) => void
}) {
  const { t, locale } = useI18n()
  const layerText = useLayerText()
  return (
    <div className="ps-step">
      {calls > 0 && (
        <button
          type="button"
          className="ps-fold"
          aria-expanded={!isFolded}
          aria-label={t('traces.calls', { n: calls, function: step.station })}
          title={t('traces.calls', { n: calls, function: step.station })}
          onClick={() => onFold(index)}
        >
          <span aria-hidden="true">{isFolded ? '▸' : '▾'}</span>
          {isFolded && ` ${calls}`}
        </button>
      )}
      <strong className="ps-mono">{step.station}</strong>
      <span className="ps-dim">{layerText(step.layer)}</span>
      {step.duration_ns !== undefined && (
        <span className="ps-num" title={t('traces.took.help')}>
          {t('traces.took', { time: formatDuration(step.duration_ns, locale) })}
        </span>
      )}
      {step.from_stack && (
        <span className="ps-tag" title={t('traces.from_stack.help')}>
          {t('traces.from_stack')}
        </span>
      )}
      {step.by_socket && (
        <span className="ps-tag" title={t('traces.by_socket.help')}>
          {t('traces.by_socket')}
        </span>
      )}
      {step.depth !== undefined &&
        step.duration_ns === undefined &&
        !step.from_stack && (
          <span className="ps-dim">{t('traces.took.unknown')}</span>
        )}
      {step.inferred && (
        <span className="ps-tag" title={t('traces.inferred.help')}>
          {t('traces.inferred')}
        </span>
      )}
    </div>
  )
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
      (step.mark !== 0 || (before?.mark ?? 0) !== 0) &&
      t('traces.mark', { mark: formatHex(step.mark) }),
    step.function !== undefined &&
      !step.drop &&
      t('traces.called', { function: step.function }),
    step.hook,
  ]
  return parts
    .filter(Boolean)
    .map((part, index) => <span key={index}>{part}</span>)
}

/** The tuple where it became another, and the one inside of a tunnel. */
function Tuples({
  step,
  before,
  packet,
}: {
  step: Step
  before: Step | undefined
  packet: PacketWay
}) {
  const { t } = useI18n()
  const now = step.tuple && tupleText(step.tuple)
  const had = tupleText(before?.tuple ?? packet.tuple)
  const inner = step.inner && tupleText(step.inner)
  const hadInner = before?.inner && tupleText(before.inner)
  return (
    <>
      {now !== undefined && now !== had && (
        <div className="ps-step ps-mono ps-tuple">
          {t('traces.tuple', { tuple: now })}
        </div>
      )}
      {inner !== undefined && inner !== hadInner && (
        <div className="ps-step ps-mono ps-tuple">
          {t('traces.tuple.inner', { tuple: inner })}
        </div>
      )}
    </>
  )
}

/** Who called whom until here, innermost first. */
function Stack({ frames }: { frames: readonly Frame[] }) {
  const { t } = useI18n()
  return (
    <details className="ps-details ps-stack-frames">
      <summary>{t('traces.stack', { n: frames.length })}</summary>
      <ol className="ps-mono">
        {frames.map((frame, index) => (
          <li key={index}>{functionText(frame.function, frame.offset)}</li>
        ))}
      </ol>
    </details>
  )
}
