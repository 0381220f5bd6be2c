// SPDX-License-Identifier: MIT
// All ways of a trace as one picture.
import { useElementSize } from '@mantine/hooks'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import type { GraphEdge, GraphNode, Latency, TraceGraph } from '../api/types'
import { useI18n } from '../i18n'
import { formatCount, formatDuration } from '../lib/format'
import { LossList } from '../ui/figures'
import { FilterSelect } from '../ui/filters'
import { Empty } from '../ui/page'
import {
  curveOf,
  inNamespace,
  layOutGraph,
  namespacesOf,
  NODE_PX,
  nodeKey,
  type Curve,
  type Layout,
} from './graph-layout'
import { useLayerText } from './layer'

const MIN_WIDTH = 300
const MIN_STROKE = 1.2
const MAX_STROKE = 7
/** Beside edges that stand closer than this, words would cover each other. */
const MAX_LABELS = 40
/** More are shown one namespace at a time at first. */
const MANY_NODES = 24

export function GraphView({
  graph,
  linkTo,
}: {
  graph: TraceGraph
  /** The packets that passed a node, or went from it to another. */
  linkTo: (from: string, to?: string) => string
}) {
  const { t, locale } = useI18n()
  const { ref, width } = useElementSize<HTMLDivElement>()
  const [picked, setPicked] = useState<string>()
  const [wanted, setWanted] = useState<string>()
  const namespaces = namespacesOf(graph.nodes)
  const isLarge = namespaces.length > 1 && graph.nodes.length > MANY_NODES
  const netns = wanted ?? (isLarge ? String(namespaces[0]?.[0]) : '')
  const shown = useMemo(
    () => inNamespace(graph, netns === '' ? undefined : Number(netns)),
    [graph, netns],
  )
  const layout = useMemo(
    () => layOutGraph(shown.nodes, shown.edges, Math.max(width, MIN_WIDTH)),
    [shown, width],
  )
  const index = shown.nodes.findIndex((node) => nodeKey(node) === picked)
  const node = shown.nodes[index]
  if (graph.nodes.length === 0) {
    return <Empty>{t('traces.graph.none')}</Empty>
  }
  return (
    <div className="ps-stack">
      <p className="ps-dim">
        {t('traces.graph.help', {
          packets: formatCount(graph.packets, locale),
        })}
      </p>
      {graph.losses.some((loss) => loss.count > 0) && (
        <LossList losses={graph.losses} />
      )}
      {namespaces.length > 1 && (
        <div className="ps-filters">
          <FilterSelect
            label={t('traces.graph.netns')}
            width={260}
            value={netns}
            onChange={setWanted}
            options={namespaces.map(([id, steps]) => [
              String(id),
              t('traces.graph.netns.one', {
                id,
                n: formatCount(steps, locale),
              }),
            ])}
          />
        </div>
      )}
      <div className="ps-graph-box">
        <div
          ref={ref}
          className="ps-graph"
          role="group"
          aria-label={t('traces.graph')}
          style={{ height: layout.height }}
        >
          <Bands layout={layout} />
          <Edges
            graph={shown}
            layout={layout}
            picked={index}
            width={Math.max(width, MIN_WIDTH)}
          />
          {shown.nodes.map((one, at) => (
            <NodeBox
              key={nodeKey(one)}
              node={one}
              box={layout.boxes[at]}
              isPicked={at === index}
              isOneOfMany={netns === '' && namespaces.length > 1}
              onPick={() => setPicked(at === index ? undefined : nodeKey(one))}
            />
          ))}
        </div>
        {node ? (
          <NodeDetail
            graph={graph}
            index={graph.nodes.indexOf(node)}
            node={node}
            linkTo={linkTo}
          />
        ) : (
          <p className="ps-dim ps-graph-hint">{t('traces.graph.pick')}</p>
        )}
      </div>
    </div>
  )
}

function Bands({ layout }: { layout: Layout }) {
  const layerText = useLayerText()
  return layout.bands.map((band) => (
    <div
      key={band.layer}
      className="ps-band"
      style={{ top: band.y, height: band.height }}
    >
      <span>{layerText(band.layer)}</span>
    </div>
  ))
}

/** Thicker for more packets, by the square root of how many. */
function strokeOf(count: number, most: number): number {
  const share = most > 0 ? Math.sqrt(count / most) : 0
  return MIN_STROKE + (MAX_STROKE - MIN_STROKE) * share
}

function Edges({
  graph,
  layout,
  picked,
  width,
}: {
  graph: Pick<TraceGraph, 'edges'>
  layout: Layout
  picked: number
  width: number
}) {
  const { locale } = useI18n()
  const most = Math.max(0, ...graph.edges.map((edge) => edge.count))
  const drawn = graph.edges.flatMap((edge) => {
    const curve = curveOf(layout.boxes, edge, width)
    return curve ? [{ edge, curve }] : []
  })
  const isOf = (edge: GraphEdge) => edge.from === picked || edge.to === picked
  // With one picked, its own edges alone have words.
  const named = drawn.filter(({ edge }) =>
    picked < 0 ? drawn.length <= MAX_LABELS : isOf(edge),
  )
  return (
    <svg
      className="ps-edges"
      width={width}
      height={layout.height}
      aria-hidden="true"
    >
      <defs>
        <marker
          id="ps-arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="8"
          markerHeight="8"
          markerUnits="userSpaceOnUse"
          orient="auto"
        >
          <path d="M0 0 8 4 0 8z" />
        </marker>
      </defs>
      {drawn.map(({ edge, curve }) => (
        <path
          key={`${edge.from}-${edge.to}`}
          d={curve.d}
          data-picked={isOf(edge) || undefined}
          data-dim={(picked >= 0 && !isOf(edge)) || undefined}
          strokeWidth={strokeOf(edge.count, most)}
          markerEnd="url(#ps-arrow)"
        />
      ))}
      {named.map(({ edge, curve }) => (
        <EdgeLabel
          key={`${edge.from}-${edge.to}`}
          curve={curve}
          count={formatCount(edge.count, locale)}
          time={formatDuration(edge.latency.p50_ns, locale)}
          width={width}
        />
      ))}
    </svg>
  )
}

function EdgeLabel({
  curve,
  count,
  time,
  width,
}: {
  curve: Curve
  count: string
  time: string
  width: number
}) {
  const isEdge =
    curve.x < 40 ? 'start' : curve.x > width - 40 ? 'end' : 'middle'
  return (
    <text x={curve.x} y={curve.y + 4} textAnchor={isEdge}>
      {count} · {time}
    </text>
  )
}

function NodeBox({
  node,
  box,
  isPicked,
  isOneOfMany,
  onPick,
}: {
  node: GraphNode
  box: Layout['boxes'][number] | undefined
  isPicked: boolean
  /** Others of its name are in other namespaces. */
  isOneOfMany: boolean
  onPick: () => void
}) {
  const { t, locale } = useI18n()
  if (!box) return null
  const { direction, duration } = node
  return (
    <button
      type="button"
      className="ps-node"
      aria-pressed={isPicked}
      data-drops={node.drops > 0 || undefined}
      title={[
        node.id,
        direction === 'in' || direction === 'out'
          ? t(`traces.direction.${direction}`)
          : direction,
        node.netns !== undefined && `netns ${node.netns}`,
      ]
        .filter(Boolean)
        .join(' · ')}
      style={{ left: box.x, top: box.y, width: box.width, height: NODE_PX }}
      onClick={onPick}
    >
      <span className="ps-mono">{node.id}</span>
      <span className="ps-node-figures">
        <b>{formatCount(node.count, locale)}</b>
        {isOneOfMany && node.netns !== undefined && (
          <span>netns {node.netns}</span>
        )}
        {duration && (
          <span>
            {formatDuration(duration.p50_ns, locale)} / p99{' '}
            {formatDuration(duration.p99_ns, locale)}
          </span>
        )}
        {node.drops > 0 && (
          <span className="ps-bad">
            {t('traces.graph.drops', { n: formatCount(node.drops, locale) })}
          </span>
        )}
      </span>
    </button>
  )
}

function NodeDetail({
  graph,
  index,
  node,
  linkTo,
}: {
  graph: TraceGraph
  index: number
  node: GraphNode
  linkTo: (from: string, to?: string) => string
}) {
  const { t, locale } = useI18n()
  const layerText = useLayerText()
  const key = nodeKey(node)
  const keyAt = (at: number) => {
    const other = graph.nodes[at]
    return other && nodeKey(other)
  }
  const lines = [
    ...graph.edges
      .filter((edge) => edge.to === index)
      .map((edge) => ({
        edge,
        arrow: '←',
        end: graph.nodes[edge.from],
        to: linkTo(keyAt(edge.from) ?? key, key),
      })),
    ...graph.edges
      .filter((edge) => edge.from === index)
      .map((edge) => ({
        edge,
        arrow: '→',
        end: graph.nodes[edge.to],
        to: linkTo(key, keyAt(edge.to)),
      })),
  ]
  return (
    <section className="ps-node-detail" aria-label={node.id}>
      <header>
        <h3 className="ps-mono">{node.id}</h3>
        <span className="ps-dim">
          {layerText(node.layer)}
          {node.netns !== undefined && ` · netns ${node.netns}`}
        </span>
        <Link className="ps-button" to={linkTo(key)}>
          {t('traces.graph.packets', { n: formatCount(node.count, locale) })}
        </Link>
      </header>
      <ul className="ps-neighbours">
        {node.duration && (
          <li>
            <span>{t('traces.graph.inside')}</span>
            <Percentiles latency={node.duration} />
          </li>
        )}
        {lines.map(({ edge, arrow, end, to }) => (
          <li key={`${edge.from}-${edge.to}`}>
            <span>
              {arrow}{' '}
              <Link className="ps-mono" to={to}>
                {end?.id}
              </Link>
              {end?.netns !== undefined && end.netns !== node.netns && (
                <span className="ps-dim"> netns {end.netns}</span>
              )}
            </span>
            <Percentiles latency={edge.latency} />
          </li>
        ))}
      </ul>
    </section>
  )
}

const PERCENTILES = [
  ['min', 'min_ns'],
  ['p50', 'p50_ns'],
  ['p95', 'p95_ns'],
  ['p99', 'p99_ns'],
  ['max', 'max_ns'],
] as const satisfies readonly (readonly [string, keyof Latency])[]

function Percentiles({ latency }: { latency: Latency }) {
  const { t, locale } = useI18n()
  return (
    <dl className="ps-percentiles">
      <div>
        <dt>{t('common.packets')}</dt>
        <dd>{formatCount(latency.count, locale)}</dd>
      </div>
      {PERCENTILES.map(([name, field]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{formatDuration(latency[field], locale)}</dd>
        </div>
      ))}
    </dl>
  )
}
