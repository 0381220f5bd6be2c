// SPDX-License-Identifier: MIT
// Where the nodes of a trace's graph stand: a band for each layer, the
// application on top; received packets go up on the left, sent ones down on
// the right.
import type {
  GraphEdge,
  GraphNode,
  PacketWay,
  Step,
  TraceGraph,
} from '../api/types'
import { layerPlace } from './lanes'

export const NODE_PX = 46
const GAP_X = 26
const GAP_Y = 30
const BAND_GAP = 22
const MIN_NODE = 128
const MAX_NODE = 210
/** Beside the nodes, for edges that pass some of them. */
const GUTTER = 22

type Side = 'in' | 'out'

export interface Box {
  x: number
  y: number
  width: number
}
export interface Band {
  layer: string
  y: number
  height: number
}
export interface Layout {
  boxes: Box[]
  bands: Band[]
  height: number
}

/** What a step must be to have passed a node; stable between two answers. */
export function nodeKey(node: GraphNode): string {
  return [node.id, node.direction ?? '', node.netns ?? ''].join('|')
}

function isAt(step: Step, key: string): boolean {
  const [id, direction = '', netns = ''] = key.split('|')
  return (
    step.station === id &&
    (direction === '' || step.direction === direction) &&
    (netns === '' || String(step.netns ?? '') === netns)
  )
}

/** The namespaces of a graph with how many steps were in each, most first. */
export function namespacesOf(
  nodes: readonly GraphNode[],
): [netns: number, steps: number][] {
  const steps = new Map<number, number>()
  for (const { netns, count } of nodes) {
    if (netns !== undefined) steps.set(netns, (steps.get(netns) ?? 0) + count)
  }
  return [...steps].sort(([, a], [, b]) => b - a)
}

/** The part of a graph in one namespace; undefined: all of it. */
export function inNamespace(
  graph: Pick<TraceGraph, 'nodes' | 'edges'>,
  netns: number | undefined,
): Pick<TraceGraph, 'nodes' | 'edges'> {
  if (netns === undefined) return graph
  const places = new Map<number, number>()
  const nodes = graph.nodes.filter((node, index) => {
    const isIn = node.netns === undefined || node.netns === netns
    if (isIn) places.set(index, places.size)
    return isIn
  })
  const edges = graph.edges.flatMap((edge) => {
    const from = places.get(edge.from)
    const to = places.get(edge.to)
    return from === undefined || to === undefined ? [] : [{ ...edge, from, to }]
  })
  return { nodes, edges }
}

/** Whether the packet passed a node, or (two keys) went from one to the next. */
export function hasPassed(
  packet: PacketWay,
  from: string,
  to?: string,
): boolean {
  const { steps } = packet
  return steps.some((step, index) => {
    if (!isAt(step, from)) return false
    const next = steps[index + 1]
    return to === undefined || (next !== undefined && isAt(next, to))
  })
}

/** Each node's place in the order of the ways, cycles cut where they begin. */
export function ranksOf(count: number, edges: readonly GraphEdge[]): number[] {
  const waiting = Array.from({ length: count }, () => 0)
  for (const { from, to } of edges) {
    if (from !== to && to < count) waiting[to] = (waiting[to] ?? 0) + 1
  }
  const ranks: number[] = Array.from({ length: count }, () => -1)
  for (let rank = 0; rank < count; rank++) {
    let next = -1
    for (let node = 0; node < count; node++) {
      if (ranks[node] !== -1) continue
      if (next < 0 || (waiting[node] ?? 0) < (waiting[next] ?? 0)) next = node
    }
    ranks[next] = rank
    for (const { from, to } of edges) {
      if (from === next && from !== to && to < count) {
        waiting[to] = (waiting[to] ?? 0) - 1
      }
    }
  }
  return ranks
}

/** A node that says no direction has that of most packets around it. */
export function sidesOf(
  nodes: readonly GraphNode[],
  edges: readonly GraphEdge[],
): Side[] {
  return nodes.map((node, index) => {
    if (node.direction === 'in' || node.direction === 'out') {
      return node.direction
    }
    let balance = 0
    for (const { from, to, count } of edges) {
      const other = from === index ? to : to === index ? from : undefined
      const side = other === undefined ? undefined : nodes[other]?.direction
      if (side === 'in') balance += count
      if (side === 'out') balance -= count
    }
    return balance < 0 ? 'out' : 'in'
  })
}

export function layOutGraph(
  nodes: readonly GraphNode[],
  edges: readonly GraphEdge[],
  width: number,
): Layout {
  const ranks = ranksOf(nodes.length, edges)
  const sides = sidesOf(nodes, edges)
  const used = (['in', 'out'] as const).filter((side) => sides.includes(side))
  const half = (width - GUTTER * 2 - GAP_X * (used.length - 1)) / used.length
  const perRow = Math.max(1, Math.floor((half + GAP_X) / (MIN_NODE + GAP_X)))
  const room = (half - GAP_X * (perRow - 1)) / perRow
  const nodeWidth = Math.min(MAX_NODE, room)
  const boxes: Box[] = nodes.map(() => ({ x: 0, y: 0, width: nodeWidth }))
  const bands: Band[] = []
  let y = 0
  for (const layer of layersOf(nodes)) {
    const groups = used.map((side) =>
      nodes
        .map((_, index) => index)
        .filter((i) => nodes[i]?.layer === layer && sides[i] === side)
        .sort((a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0)),
    )
    const rows = Math.max(
      ...groups.map((group) => Math.ceil(group.length / perRow)),
    )
    const height = rows * NODE_PX + (rows - 1) * GAP_Y
    groups.forEach((group, groupAt) => {
      const own = Math.ceil(group.length / perRow)
      group.forEach((node, order) => {
        const row = Math.floor(order / perRow)
        // Received packets climb: the first row is the lowest.
        const line = used[groupAt] === 'in' ? rows - 1 - row : row + rows - own
        const inRow = Math.min(perRow, group.length - row * perRow)
        const start = (half - inRow * nodeWidth - (inRow - 1) * GAP_X) / 2
        boxes[node] = {
          x:
            GUTTER +
            groupAt * (half + GAP_X) +
            start +
            (order % perRow) * (nodeWidth + GAP_X),
          y: y + BAND_GAP + line * (NODE_PX + GAP_Y),
          width: nodeWidth,
        }
      })
    })
    bands.push({ layer, y, height: height + BAND_GAP * 2 })
    y += height + BAND_GAP * 2
  }
  return { boxes, bands, height: y }
}

function layersOf(nodes: readonly GraphNode[]): string[] {
  const layers = [...new Set(nodes.map((node) => node.layer))]
  return layers.sort((a, b) => layerPlace(a) - layerPlace(b))
}

export interface Curve {
  d: string
  /** Where its label stands. */
  x: number
  y: number
}

type Point = readonly [x: number, y: number]
/** Cubic, from the first to the last of its points. */
type Segment = readonly [Point, Point, Point, Point]

const SAMPLES = 12

function pointOf([a, b, c, d]: Segment, t: number): Point {
  const u = 1 - t
  const mix = (i: 0 | 1) =>
    a[i] * u ** 3 + 3 * b[i] * u * u * t + 3 * c[i] * u * t * t + d[i] * t ** 3
  return [mix(0), mix(1)]
}

const straight = (from: Point, to: Point): Segment => [from, from, to, to]

/** How many points of a way lie on boxes that it only passes. */
function hitsOf(way: readonly Segment[], others: readonly Box[]): number {
  let hits = 0
  for (const segment of way) {
    for (let i = 0; i <= SAMPLES; i++) {
      const [x, y] = pointOf(segment, i / SAMPLES)
      if (
        others.some(
          (box) =>
            x > box.x - 4 &&
            x < box.x + box.width + 4 &&
            y > box.y - 4 &&
            y < box.y + NODE_PX + 4,
        )
      ) {
        hits++
      }
    }
  }
  return hits
}

/** Half of a label's size, more or less. */
const LABEL = { x: 36, y: 7 }

function isClear([x, y]: Point, boxes: readonly Box[]): boolean {
  return boxes.every(
    (box) =>
      x + LABEL.x < box.x ||
      x - LABEL.x > box.x + box.width ||
      y + LABEL.y < box.y ||
      y - LABEL.y > box.y + NODE_PX,
  )
}

/** As near to the middle as there is room for words. */
function labelOf(way: readonly Segment[], boxes: readonly Box[]): Point {
  const points = way.flatMap((segment) =>
    Array.from({ length: SAMPLES * 2 + 1 }, (_, i) =>
      pointOf(segment, i / SAMPLES / 2),
    ),
  )
  const middle = (points.length - 1) / 2
  const order = points
    .map((point, at) => ({ point, far: Math.abs(at - middle) }))
    .sort((a, b) => a.far - b.far)
  const best = order.find(({ point }) => isClear(point, boxes)) ?? order[0]
  return best?.point ?? [0, 0]
}

function curveOfWay(way: readonly Segment[], boxes: readonly Box[]): Curve {
  const [first] = way
  const text = way
    .map(([, b, c, d]) => `C${[...b, ...c, ...d].join(' ')}`)
    .join('')
  const [x, y] = labelOf(way, boxes)
  return { d: first ? `M${first[0].join(' ')}${text}` : '', x, y }
}

/** The way of an edge that covers least of the boxes it is not about. */
export function curveOf(
  boxes: readonly Box[],
  edge: Pick<GraphEdge, 'from' | 'to'>,
  width: number,
): Curve | undefined {
  const from = boxes[edge.from]
  const to = boxes[edge.to]
  if (!from || !to) return undefined
  if (from === to) return curveOfWay(loop(from), boxes)
  const others = boxes.filter((box) => box !== from && box !== to)
  const isRow = from.y === to.y
  const ways = isRow
    ? [beside(from, to), over(from, to)]
    : [direct(from, to), ...aroundAll(from, to, width)]
  const hits = ways.map((way) => hitsOf(way, others))
  const best = ways[hits.indexOf(Math.min(...hits))]
  const curve = best && curveOfWay(best, boxes)
  // Between two boxes there is no room for words; above them there is.
  if (curve && isRow && best === ways[0]) {
    return { ...curve, y: from.y - 7 }
  }
  return curve
}

const centre = (box: Box) => box.x + box.width / 2

function direct(from: Box, to: Box): Segment[] {
  const isUp = to.y < from.y
  const y1 = isUp ? from.y : from.y + NODE_PX
  const y2 = isUp ? to.y + NODE_PX : to.y
  const bend = (y2 - y1) / 2
  return [
    [
      [centre(from), y1],
      [centre(from), y1 + bend],
      [centre(to), y2 - bend],
      [centre(to), y2],
    ],
  ]
}

/** Between two boxes of one row. */
function beside(from: Box, to: Box): Segment[] {
  const isRight = to.x > from.x
  const y = from.y + NODE_PX / 2
  return [
    straight(
      [isRight ? from.x + from.width : from.x, y],
      [isRight ? to.x : to.x + to.width, y],
    ),
  ]
}

/** Above what stands between two boxes of one row. */
function over(from: Box, to: Box): Segment[] {
  const top = from.y - GAP_Y
  return [
    [
      [centre(from), from.y],
      [centre(from), top],
      [centre(to), top],
      [centre(to), to.y],
    ],
  ]
}

/** Out to one side, along it, and back. */
function aroundAll(from: Box, to: Box, width: number): Segment[][] {
  const sides = [
    Math.min(from.x, to.x) - 13,
    Math.max(from.x + from.width, to.x + to.width) + 13,
    GUTTER / 2,
    width - GUTTER / 2,
  ]
  return sides
    .map((x) => Math.min(width - 4, Math.max(4, x)))
    .map((x) => {
      const start: Point = [
        x < centre(from) ? from.x : from.x + from.width,
        from.y + NODE_PX / 2,
      ]
      const end: Point = [
        x < centre(to) ? to.x : to.x + to.width,
        to.y + NODE_PX / 2,
      ]
      const step = Math.sign(end[1] - start[1]) * 16
      const out: Point = [x, start[1] + step]
      const back: Point = [x, end[1] - step]
      return [
        [start, [x, start[1]], [x, start[1]], out],
        straight(out, back),
        [back, [x, end[1]], [x, end[1]], end],
      ]
    })
}

function loop(box: Box): Segment[] {
  const x = box.x + box.width
  const y = box.y + NODE_PX / 2
  return [
    [
      [x - 12, box.y],
      [x - 4, y - 44],
      [x + 22, y - 24],
      [x, y - 6],
    ],
  ]
}
