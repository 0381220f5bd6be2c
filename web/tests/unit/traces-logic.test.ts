// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import type {
  GraphEdge,
  GraphNode,
  PacketWay,
  PacketWayList,
  Step,
  TraceFilter,
} from '../../src/api/types'
import { findRequest } from '../../src/pages/packets'
import { sumOf, unexplained } from '../../src/traces/accounting'
import { decodeBytes, hexDump } from '../../src/traces/bytes'
import { callersIn, callersOf, rowsOf } from '../../src/traces/calls'
import {
  askedAs,
  draftOf,
  FILTER_FIELDS,
  filterOf,
  parseMark,
  TRACE_FIELDS,
  traceRequest,
  type TraceDraft,
} from '../../src/traces/draft'
import { groupDrops } from '../../src/traces/drops'
import {
  curveOf,
  hasPassed,
  inNamespace,
  layOutGraph,
  namespacesOf,
  NODE_PX,
  nodeKey,
  ranksOf,
  sidesOf,
} from '../../src/traces/graph-layout'
import { lanesOf } from '../../src/traces/lanes'
import { load, type Known } from '../../src/traces/use-ways'
import * as fixtures from '../mock/fixtures'

const draft = (rest: Partial<TraceDraft>): TraceDraft => ({
  ...(Object.fromEntries(TRACE_FIELDS.map((n) => [n, ''])) as TraceDraft),
  ...rest,
})

describe('a trace’s request', () => {
  it('has what is set, in the units of the API', () => {
    expect(
      traceRequest(
        draft({
          saddr: ' 192.0.2.1 ',
          dport: '443',
          proto: 'tcp',
          expr: ' tcp port 443 ',
          mark: '0x10/0xff',
          min_latency: '250.5',
          drops_only: '1',
          sample: '10',
          max_packets: '10',
          duration: '1.5',
          tier: 'core',
          stacks: '1',
          sockets: '1',
          snaplen: '0',
        }),
      ),
    ).toEqual({
      filter: {
        saddr: '192.0.2.1',
        dport: 443,
        proto: 'tcp',
        expr: 'tcp port 443',
        mark: 16,
        mark_mask: 255,
        min_latency_ns: 250_500,
        drops_only: true,
        sample: 10,
      },
      max_packets: 10,
      duration_ns: 1_500_000_000,
      tier: 'core',
      stacks: true,
      sockets: true,
      snaplen: 0,
    })
  })

  it('of an empty form is an empty filter', () => {
    expect(traceRequest(draft({}))).toEqual({ filter: {} })
  })

  it('comes back from the filter of a trace', () => {
    const { filter } = fixtures.otherTrace('t')
    expect(filterOf(draftOf(filter))).toEqual(filter)
    const plain: TraceFilter = { sport: 0, mark: 0, cgroup: 'a/b', netns: 7 }
    expect(filterOf(draftOf(plain))).toEqual(plain)
    expect(Object.keys(draftOf({})).sort()).toEqual([...FILTER_FIELDS].sort())
  })

  it.each([
    ['', {}],
    ['16', { mark: 16 }],
    ['0x10', { mark: 16 }],
    [' 0x10 / 0xf0 ', { mark: 16, mark_mask: 240 }],
    ['0/0x1', { mark: 0, mark_mask: 1 }],
  ])('reads the mark "%s"', (text, mark) => {
    expect(parseMark(text)).toEqual(mark)
  })

  it('leaves nonsense to the gateway, which says what is wrong', () => {
    const { sport } = filterOf(draft({ sport: 'https' }))
    expect(sport).toBeNaN()
  })

  it('knows fields by the names that errors use', () => {
    expect(askedAs('mark')).toContain('mark_mask')
    expect(askedAs('duration')).toEqual(['duration_ns'])
    expect(askedAs('expr')).toEqual(['expr'])
  })
})

describe('a search for packets', () => {
  it('asks for what can be asked', () => {
    const filters = { saddr: '', daddr: '', sport: '', dport: '', proto: '' }
    expect(findRequest(filters)).toEqual({ limit: 100 })
    expect(
      findRequest({ ...filters, saddr: '::1', sport: '22', dport: 'x' }),
    ).toEqual({ limit: 100, saddr: '::1', sport: 22 })
  })
})

describe('a packet’s lanes', () => {
  it('stand in the order of the stack', () => {
    const steps = ['driver', 'netfilter', 'socket', 'odd', 'driver'].map(
      (layer) => ({ layer }),
    )
    expect(lanesOf(steps)).toEqual(['socket', 'netfilter', 'driver', 'odd'])
  })
})

describe('a graph of several namespaces', () => {
  const node = (id: string, netns: number | undefined, count: number) =>
    ({ id, netns, count }) as GraphNode
  const graph = {
    nodes: [node('a', 1, 5), node('b', 2, 9), node('c', 1, 2), node('d', 2, 1)],
    edges: [
      { from: 0, to: 1 },
      { from: 1, to: 3 },
      { from: 0, to: 2 },
    ] as GraphEdge[],
  }

  it('knows them, the busiest first', () => {
    expect(namespacesOf(graph.nodes)).toEqual([
      [2, 10],
      [1, 7],
    ])
  })

  it('has a part in each', () => {
    expect(inNamespace(graph, undefined)).toBe(graph)
    const part = inNamespace(graph, 2)
    expect(part.nodes.map(({ id }) => id)).toEqual(['b', 'd'])
    expect(part.edges).toEqual([{ from: 0, to: 1 }])
    expect(inNamespace(graph, 1).edges).toEqual([{ from: 0, to: 1 }])
  })
})

describe('the packets of a trace', () => {
  const way = (id: number, stored = true) => ({ id, stored }) as PacketWay
  /** Pages of two, the newest first; asked for is what the test sees. */
  function pages(all: PacketWay[]) {
    const asked: string[] = []
    const get = (cursor: string): Promise<PacketWayList> => {
      asked.push(cursor)
      const below = cursor === '' ? Infinity : -Number(cursor)
      const rest = all.filter(({ id }) => id < below)
      const packets = rest.slice(0, 2)
      return Promise.resolve({
        packets,
        total: all.length,
        ...(rest.length > 2 && { next_cursor: `-${packets.at(-1)!.id}` }),
      })
    }
    return { get, asked }
  }
  const down = (from: number) =>
    Array.from({ length: from + 1 }, (_, i) => way(from - i))
  const ids = (known: Known) => known.packets.map(({ id }) => id)

  it('are loaded from the newest on, as many as wanted', async () => {
    const { get, asked } = pages(down(6))
    const some = await load(get, 3, undefined)
    expect(ids(some)).toEqual([6, 5, 4, 3])
    expect(some).toMatchObject({ total: 7, next: '-3' })
    expect(ids(await load(get, 99, some))).toEqual([6, 5, 4, 3, 2, 1, 0])
    expect(asked).toEqual(['', '-5', '', '-3', '-1'])
  })

  it('that came meanwhile are asked for, and no others', async () => {
    const before = await load(pages(down(6)).get, 3, undefined)
    const { get, asked } = pages(down(9))
    const after = await load(get, 3, before)
    expect(ids(after)).toEqual([9, 8, 7, 6, 5, 4, 3])
    expect(after.next).toBe('-3')
    expect(asked).toEqual(['', '-8', '-6'])
  })

  it('that may still go on are asked for again', async () => {
    const all = [way(3), way(2, false), way(1), way(0)]
    const before = await load(pages(all).get, 99, undefined)
    const later = [way(3), { ...way(2), fate: 'sent' }, way(1), way(0)]
    const { get, asked } = pages(later)
    const after = await load(get, 99, before)
    expect(after.packets[1]).toMatchObject({ stored: true, fate: 'sent' })
    expect(asked).toEqual(['', '-2'])
  })

  it('leave no gap when more came than one look takes', async () => {
    const before = await load(pages(down(1)).get, 3, undefined)
    const after = await load(pages(down(400)).get, 3, before)
    expect(ids(after)).toHaveLength(120)
    expect(after.packets.at(-1)?.id).toBe(281)
    expect(after.next).toBe('-281')
  })
})

describe('a call tree', () => {
  const call = (
    depth: number,
    delta: number,
    took?: number,
  ): Partial<Step> => ({
    depth,
    delta_ns: delta,
    ...(took !== undefined && { duration_ns: took }),
  })
  const station = (delta: number): Partial<Step> => ({ delta_ns: delta })
  // a( b( s ) c ) s, and d whose return was not seen
  const steps = [
    call(0, 0, 100),
    call(1, 10, 30),
    station(10),
    call(1, 30, 20),
    station(100),
    call(0, 10),
    station(5),
  ] as Step[]

  it('knows in which functions a step stands', () => {
    expect(callersOf(steps)).toEqual([[], [0], [0, 1], [0], [], [], []])
    expect(callersIn(steps)).toEqual([0])
  })

  it('hides what a folded function called, but no station', () => {
    const open = rowsOf(steps, new Set())
    expect(open.map((row) => row.indent)).toEqual([0, 1, 2, 1, 0, 0, 0])
    expect(open[0]).toMatchObject({ calls: 2, isFolded: false, delta: 0 })
    const folded = rowsOf(steps, new Set([0]))
    expect(folded.map((row) => row.index)).toEqual([0, 2, 4, 5, 6])
    expect(folded.map((row) => row.indent)).toEqual([0, 1, 0, 0, 0])
  })

  it('knows what a stack showed as running while it calls others', () => {
    const caller = (depth: number): Partial<Step> => ({
      depth,
      from_stack: true,
    })
    // e( f( a ) s f( c ) ) s
    const shown = [
      caller(0),
      caller(1),
      call(2, 0, 5),
      station(10),
      call(2, 1, 5),
      station(10),
    ] as Step[]
    expect(callersOf(shown)).toEqual([[], [0], [0, 1], [0, 1], [0, 1], []])
    const folded = rowsOf(shown, new Set([0]))
    expect(folded.map((row) => row.index)).toEqual([0, 3, 5])
    expect(folded[0]?.delta).toBeUndefined()
  })

  it('knows what the socket showed as running while it calls others', () => {
    const socket = (depth: number): Partial<Step> => ({
      depth,
      duration_ns: 7,
      by_socket: true,
    })
    // e( a( f ) s f( c ) ) s
    const shown = [
      socket(0),
      call(1, 0, 5),
      socket(2),
      station(10),
      socket(1),
      call(2, 1, 5),
      station(10),
    ] as Step[]
    expect(callersOf(shown)).toEqual([[], [0], [0, 1], [0], [0], [0, 4], []])
    expect(rowsOf(shown, new Set())[0]?.delta).toBeUndefined()
  })

  it('keeps the time: a shown row’s delta spans the hidden ones', () => {
    const sum = (folded: number[]) =>
      rowsOf(steps, new Set(folded)).reduce((n, row) => n + (row.delta ?? 0), 0)
    expect(sum([])).toBe(165)
    expect(sum([0])).toBe(165)
  })

  it('shows a drop in a function even when it is folded', () => {
    const withDrop = steps.map((step, index) =>
      index === 3 ? { ...step, drop: { reason: 'X' } } : step,
    )
    const rows = rowsOf(withDrop, new Set([0]))
    expect(rows.some((row) => row.step.drop)).toBe(true)
  })
})

describe('drops', () => {
  it('of one reason, place and rule stand together, most first', () => {
    const newest = new URLSearchParams('sort=-first')
    const groups = groupDrops(fixtures.packets(newest).packets)
    expect(groups.map((group) => group.packets)).toEqual([11, 3])
    expect(groups[0]?.drop.reason).toBe('NETFILTER_DROP')
    expect(groups[0]?.example.id).toBe(42)
    expect(groups[1]?.drop.rule?.kind).toBe('guarder')
  })

  it('are told apart by the rule alone', () => {
    const [one] = fixtures.packets(new URLSearchParams('drops_only=1')).packets
    const other = structuredClone(one!)
    other.steps.at(-1)!.drop!.rule = { kind: 'nftables', id: 'another' }
    expect(groupDrops([one!, other])).toHaveLength(2)
  })
})

describe('a probe’s hits', () => {
  it('are all accounted for, or it is said', () => {
    const { probes } = fixtures.trace('t')
    expect(probes.map(unexplained)).toEqual([0, 0, 0, 0])
    const [probe] = probes
    expect(unexplained({ ...probe!, hits: probe!.hits + 5 })).toBe(5)
    const all = sumOf(probes)
    expect(all).toMatchObject({ hits: 2_065_332, throttled: 90_112 })
    expect(unexplained(all)).toBe(0)
  })
})

describe('bytes', () => {
  it('are shown as codes and letters', () => {
    const text = hexDump(new TextEncoder().encode('GET / HTTP/1.1\r\n\0!'))
    expect(text.split('\n')).toEqual([
      '0000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1..',
      '0010  00 21                                            .!',
    ])
  })

  it('that are none are none', () => {
    expect(decodeBytes('AP8=')).toEqual(new Uint8Array([0, 255]))
    expect(decodeBytes('%%%')).toBeUndefined()
  })
})

describe('the graph', () => {
  const node = (id: string, layer: string, direction?: string): GraphNode => ({
    id,
    layer,
    count: 1,
    drops: 0,
    ...(direction !== undefined && { direction }),
  })
  const edge = (from: number, to: number, count = 1): GraphEdge => ({
    from,
    to,
    count,
    latency: { count, min_ns: 1, p50_ns: 1, p95_ns: 1, p99_ns: 1, max_ns: 1 },
  })

  it('orders nodes as the ways go, also around a cycle', () => {
    expect(ranksOf(3, [edge(2, 0), edge(0, 1)])).toEqual([1, 2, 0])
    const cyclic = ranksOf(3, [edge(0, 1), edge(1, 2), edge(2, 1), edge(2, 2)])
    expect(cyclic).toEqual([0, 1, 2])
    expect(ranksOf(0, [])).toEqual([])
  })

  it('gives a node without a direction that of its neighbours', () => {
    const nodes = [node('a', 'tc', 'out'), node('b', 'tc'), node('c', 'tc')]
    expect(sidesOf(nodes, [edge(0, 1)])).toEqual(['out', 'out', 'in'])
  })

  it.each([390 - 20, 640, 1248])(
    'fits into %i px without overlaps',
    (width) => {
      const { nodes, edges } = fixtures.graph()
      const { boxes, bands, height } = layOutGraph(nodes, edges, width)
      expect(boxes).toHaveLength(nodes.length)
      boxes.forEach((box, index) => {
        expect(box.x).toBeGreaterThanOrEqual(0)
        expect(box.x + box.width).toBeLessThanOrEqual(width)
        expect(box.y + NODE_PX).toBeLessThanOrEqual(height)
        const band = bands.find((b) => b.layer === nodes[index]?.layer)!
        expect(box.y).toBeGreaterThan(band.y)
        expect(box.y + NODE_PX).toBeLessThan(band.y + band.height)
        for (const other of boxes.slice(index + 1)) {
          const isApart =
            Math.abs(other.x - box.x) >= box.width ||
            Math.abs(other.y - box.y) >= NODE_PX
          expect(isApart).toBe(true)
        }
      })
      const order = bands.map((band) => band.layer)
      expect(order.indexOf('socket')).toBeLessThan(order.indexOf('driver'))
      for (const one of edges) {
        const curve = curveOf(boxes, one, width)!
        expect(curve.d).not.toContain('NaN')
        expect(curve.x).toBeGreaterThanOrEqual(0)
        expect(curve.x).toBeLessThanOrEqual(width)
      }
    },
  )

  it('has received packets on the left and sent ones on the right', () => {
    const { nodes, edges } = fixtures.graph()
    const { boxes } = layOutGraph(nodes, edges, 900)
    nodes.forEach(({ direction }, index) => {
      const { x, width } = boxes[index]!
      expect(x + width / 2 < 450).toBe(direction === 'in')
    })
  })

  it('lays out nothing, and one node that goes to itself', () => {
    expect(layOutGraph([], [], 300)).toMatchObject({ boxes: [], height: 0 })
    const { boxes } = layOutGraph([node('a', 'odd')], [edge(0, 0)], 300)
    expect(curveOf(boxes, edge(0, 0), 300)?.d).not.toContain('NaN')
  })

  it('finds the packets that passed a node, or went on to another', () => {
    const { nodes } = fixtures.graph()
    const key = (id: string) => nodeKey(nodes.find((n) => n.id === id)!)
    const passed = (from: string, to?: string) =>
      fixtures
        .packets()
        .packets.filter((p) => hasPassed(p, key(from), to && key(to)))
        .map((p) => p.id)
    expect(passed('netfilter:input')).not.toContain(2)
    expect(passed('netfilter:prerouting')).toContain(2)
    expect(passed('netif_receive_skb', 'tcx:ingress')).toContain(1)
    expect(passed('netif_receive_skb', 'netfilter:input')).toEqual([])
  })
})
