// SPDX-License-Identifier: MIT
// Traces of the made-up host: what each part of the schema looks like.
import type * as T from '../../src/api/types'
import { capability, START, timeAt } from './time.ts'

const probe = (
  name: string,
  hits: number,
  lost: Partial<Omit<T.ProbeCount, 'probe' | 'hits'>> = {},
): T.ProbeCount => {
  const losses = {
    ring_full: 0,
    throttled: 0,
    map_full: 0,
    recursion_missed: 0,
    ...lost,
  }
  const gone = Object.values(losses).reduce((sum, n) => sum + n, 0)
  return { probe: name, hits, delivered: hits - gone, ...losses }
}

export function trace(id: string): T.Trace {
  return {
    id,
    state: 'running',
    filter: { saddr: '203.0.113.80', dport: 443, proto: 'tcp' },
    created: timeAt(START),
    max_packets: 1000,
    duration_ns: 60e9,
    comment: 'slow handshakes',
    packets: 43,
    steps: 389,
    drops: 14,
    hits: 392,
    losses: [{ id: 'ring_full', count: 3, unit: 'steps' }],
    stations: [
      capability('tracer.station.netif_receive_skb', 'tp_btf'),
      {
        id: 'tracer.station.tcp_v4_rcv',
        available: false,
        reason: 'kprobe: Operation not supported',
        without: 'TCP’s entry is not a step.',
      },
    ],
    tier: 'core',
    stacks: true,
    snaplen: 128,
    probes: [
      probe('netif_receive_skb', 812_004, { throttled: 90_112 }),
      probe('net_dev_queue', 440_120, { ring_full: 3 }),
      probe('kfree_skb', 1204),
      probe('netfilter:prerouting', 812_004, { recursion_missed: 17 }),
    ],
    throttle: 8,
    cpu_ns: 812e6,
    alert: 'analyzer.drop_spike f12',
  }
}

/** A trace that took everything that there is. */
export function otherTrace(id: string): T.Trace {
  return {
    id,
    state: 'done',
    filter: {
      expr: 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 and net 2001:db8::/32',
      inner: true,
      ifname: 'eth0',
      mark: 0x10,
      mark_mask: 0xff,
      pid: 812,
      container: '8d2f'.repeat(16),
      min_latency_ns: 250e3,
      drops_only: true,
      sample: 10,
    },
    created: timeAt(START - 4e6),
    ended: timeAt(START - 39e5),
    end_reason: 'packets',
    max_packets: 20,
    duration_ns: 60e9,
    packets: 20,
    steps: 812,
    drops: 0,
    hits: 812,
    losses: [],
    stations: [],
    tier: 'function',
    probes: [],
  }
}

const TUPLE = {
  saddr: '203.0.113.80',
  daddr: '192.0.2.10',
  sport: 51515,
  dport: 443,
  proto: 'tcp',
} as const

interface Line {
  at: [layer: string, station: string, hook?: string]
  delta?: number
  rest?: Partial<T.Step>
}

function stepsOf(at: number, lines: readonly Line[]): T.Step[] {
  let ns = 100_000
  return lines.map(({ at: [layer, station, hook], delta, rest }, index) => {
    ns += delta ?? 0
    const place = {
      direction: 'in',
      netns: 4026531840,
      ifindex: 2,
      ifname: 'eth0',
      len: 1514,
      packets: 1,
      mark: 0,
    }
    return {
      time: timeAt(at, ns),
      ...(index > 0 && delta !== undefined && { delta_ns: delta }),
      layer,
      station,
      ...(hook !== undefined && { hook }),
      ...(rest?.from_stack ? {} : place),
      cpu: 1,
      inferred: false,
      stack: [],
      ...rest,
    }
  })
}

function wayOf(
  id: number,
  lines: readonly Line[],
  rest: Partial<T.PacketWay>,
): T.PacketWay {
  const at = START + id * 37
  const steps = stepsOf(at, lines)
  return {
    id,
    tuple: { ...TUPLE, sport: 51514 + id },
    first: steps[0]?.time ?? timeAt(at),
    last: steps.at(-1)?.time ?? timeAt(at),
    len: 1514,
    ip_id: 0x3a0 + id,
    tcp_seq: 1_234_567_890 + id,
    steps,
    tuples: [],
    ...rest,
  }
}

const STACK: T.Frame[] = [
  { function: 'nf_hook_slow', offset: 0x45 },
  { function: 'ip_rcv', offset: 0xc1 },
  { function: '__netif_receive_skb_one_core', offset: 0x8b },
  { function: 'process_backlog', offset: 0x87 },
  { function: '__napi_poll', offset: 0x2e },
  { function: 'net_rx_action', offset: 0x325 },
  { function: 'handle_softirqs', offset: 0xd6 },
]

const RECEIVED: readonly Line[] = [
  { at: ['driver', 'xdp', 'xdp'], delta: 0 },
  {
    at: ['device', 'netif_receive_skb', 'tp_btf'],
    delta: 1210,
    rest: { inferred: true },
  },
  { at: ['tc', 'tcx:ingress', 'tcx'], delta: 890 },
  {
    at: ['netfilter', 'netfilter:prerouting', 'netfilter'],
    delta: 2300,
    rest: { stack: STACK },
  },
  {
    at: ['network', 'netfilter:input', 'netfilter'],
    delta: 4100,
    rest: { mark: 0x10 },
  },
  {
    at: ['transport', 'tcp_probe', 'tp_btf'],
    delta: 15_400,
    rest: { mark: 0x10 },
  },
  {
    at: ['socket', 'cgroup_skb:ingress', 'cgroup_skb'],
    delta: 3200,
    rest: { mark: 0x10, inferred: true },
  },
]

const drop = (
  at: [string, string, string],
  why: T.Drop,
  rest: Partial<T.Step> = {},
): Line => ({ at, delta: 4100, rest: { drop: why, ...rest } })

const BY_NFTABLES: T.Drop = {
  reason_code: 5,
  reason: 'NETFILTER_DROP',
  function: 'nft_do_chain',
  offset: 0x4a1,
  subsystem: 'core',
  rule: {
    kind: 'nftables',
    id: 'inet filter input handle 7',
    text: 'tcp dport 443 ct state invalid drop',
  },
  advice_id: 'NETFILTER_DROP',
  advice:
    'A rule of nftables or iptables dropped it: look at the counters of the chain.',
}

const BY_GUARDER: T.Drop = {
  rule: { kind: 'guarder', id: 'r2' },
  function: 'ps_guarder_xdp',
}

const fn = (
  name: string,
  depth: number,
  delta: number,
  took: number | undefined,
  rest: Partial<T.Step> = {},
): Line => ({
  at: ['network', name, 'kprobe.multi'],
  delta,
  rest: {
    depth,
    direction: 'out',
    mark: 0,
    ...(took !== undefined && { duration_ns: took }),
    ...rest,
  },
})

/** What the stack of the next function shows. */
const caller = (name: string, depth: number, layer: string): Line => ({
  at: [layer, name],
  rest: { depth, from_stack: true },
})

/** A call tree, through source NAT and into a tunnel. */
const SENT: readonly Line[] = [
  {
    at: ['socket', 'cgroup_skb:egress', 'cgroup_skb'],
    delta: 0,
    rest: { direction: 'out' },
  },
  caller('tcp_sendmsg', 0, 'transport'),
  caller('tcp_write_xmit', 1, 'transport'),
  fn('ip_queue_xmit', 2, 300, 48_100),
  fn('__ip_queue_xmit', 3, 120, 47_800),
  fn('ip_local_out', 4, 1400, 46_000),
  fn('nf_hook_slow', 5, 240, 9100, { layer: 'netfilter' }),
  fn('nft_do_chain', 6, 90, 8700, { layer: 'netfilter' }),
  fn('ip_output', 5, 9800, 34_000),
  {
    at: ['netfilter', 'netfilter:postrouting', 'netfilter'],
    delta: 640,
    rest: { direction: 'out', stack: STACK },
  },
  fn('ip_finish_output2', 6, 2100, 30_000, {
    tuple: { ...TUPLE, saddr: '198.51.100.1', sport: 62001 },
  }),
  fn('__dev_queue_xmit', 7, 900, undefined, {
    layer: 'qdisc',
    tuple: { ...TUPLE, saddr: '198.51.100.1', sport: 62001 },
    inner: TUPLE,
  }),
  {
    at: ['driver', 'net_dev_start_xmit', 'tp_btf'],
    delta: 3300,
    rest: {
      direction: 'out',
      packets: 3,
      len: 4410,
      tuple: { ...TUPLE, saddr: '198.51.100.1', sport: 62001 },
      inner: TUPLE,
    },
  },
]

const NGINX: T.Owner = {
  pid: 812,
  comm: 'nginx',
  cgroup: 'system.slice/docker-8d2f.scope',
  container: '8d2f'.repeat(16),
}

function makePacket(id: number): T.PacketWay {
  if (id === 3) {
    return wayOf(id, SENT, {
      fate: 'sent',
      sender: NGINX,
      tuples: [{ ...TUPLE, saddr: '198.51.100.1', sport: 62001 }],
      stored: false,
    })
  }
  if (id % 4 === 2) {
    const last = drop(['netfilter', 'kfree_skb', 'tp_btf'], BY_NFTABLES)
    return wayOf(id, [...RECEIVED.slice(0, 4), last], { fate: 'dropped' })
  }
  if (id % 16 === 4) {
    const only = drop(['xdp', 'xdp', 'tp_btf'], BY_GUARDER)
    return wayOf(id, [{ ...only, delta: 0 }], { fate: 'dropped' })
  }
  return wayOf(id, RECEIVED, {
    fate: 'delivered',
    receiver: NGINX,
    // 45 00 …: an IPv4 header and a piece of a TCP header.
    bytes: btoa(
      String.fromCharCode(
        ...[0x45, 0, 0x05, 0xdc, 0x03, 0xa1, 0x40, 0, 0x40, 6, 0x1c, 0x46],
        ...[203, 0, 113, 80, 192, 0, 2, 10, 0xc9, 0x3b, 1, 0xbb],
      ),
    ),
  })
}

/** As the tracer pages them: "12" from there on, "-12" below it. */
export function packets(query = new URLSearchParams()): T.PacketWayList {
  const newest = query.get('sort') === '-first'
  const limit = Number(query.get('limit') ?? 100)
  const station = query.get('station')
  const of = Array.from({ length: 43 }, (_, i) => makePacket(i + 1)).filter(
    (p) => query.get('drops_only') === null || p.fate === 'dropped',
  )
  const cursor = Number((query.get('cursor') ?? '').replace('-', ''))
  const one = query.get('packet')
  const all = of
    .filter((p) => one === null || String(p.id) === one)
    .filter((p) => !station || p.steps.some((s) => s.station === station))
    .filter((p) => !cursor || (newest ? p.id < cursor : p.id >= cursor))
  if (newest) all.reverse()
  const page = all.slice(0, limit)
  const next = newest ? page.at(-1)?.id : all[limit]?.id
  return {
    packets: page,
    total: of.length,
    ...(all.length > limit && { next_cursor: `${newest ? '-' : ''}${next}` }),
  }
}

/** The first page took too long. */
export function foundPackets(query: URLSearchParams): T.FoundPackets {
  const wanted = [query.get('saddr'), query.get('daddr')].filter(Boolean)
  const fits = (ip: string) => [TUPLE.saddr, TUPLE.daddr].includes(ip as never)
  if (!wanted.every((ip) => fits(ip!))) return { packets: [] }
  const isFirst = query.get('cursor') === null
  const found = (isFirst ? [3] : [2, 1]).map((id) => ({
    ...makePacket(id),
    trace: 't1',
  }))
  return {
    packets: found,
    ...(isFirst && { partial: true, next_cursor: '1.2.3' }),
  }
}

const latency = (count: number, p50: number): T.Latency => ({
  count,
  min_ns: Math.round(p50 * 0.4),
  p50_ns: p50,
  p95_ns: p50 * 3,
  p99_ns: p50 * 7,
  max_ns: p50 * 40,
})

type NodeLine = [id: string, layer: string, dir: 'in' | 'out', drops?: number]

const NODES: readonly NodeLine[] = [
  ['xdp', 'xdp', 'in', 2],
  ['netif_receive_skb', 'device', 'in'],
  ['tcx:ingress', 'tc', 'in'],
  ['netfilter:prerouting', 'netfilter', 'in', 10],
  ['netfilter:input', 'netfilter', 'in'],
  ['tcp_probe', 'transport', 'in'],
  ['cgroup_skb:ingress', 'socket', 'in'],
  ['skb_copy_datagram_iovec', 'application', 'in'],
  ['cgroup_skb:egress', 'socket', 'out'],
  ['ip_queue_xmit', 'network', 'out'],
  ['netfilter:output', 'netfilter', 'out'],
  ['netfilter:postrouting', 'netfilter', 'out'],
  ['net_dev_queue', 'qdisc', 'out'],
  ['tcx:egress', 'tc', 'out'],
  ['net_dev_start_xmit', 'driver', 'out'],
  ['netfilter:forward', 'netfilter', 'in'],
]

const EDGES: readonly [from: number, to: number, count: number, p50: number][] =
  [
    [1, 0, 41, 1210],
    [0, 2, 41, 890],
    [2, 3, 41, 2300],
    [3, 4, 26, 4100],
    [3, 15, 5, 1200],
    [15, 11, 5, 2600],
    [4, 5, 26, 15_400],
    [5, 6, 26, 3200],
    [6, 7, 26, 812_000],
    [8, 9, 18, 420],
    [9, 10, 18, 1700],
    [10, 11, 18, 600],
    [11, 13, 23, 900],
    [13, 12, 20, 700],
    [12, 14, 20, 3300],
    [11, 14, 3, 9900],
  ]

export function graph(): T.TraceGraph {
  return {
    nodes: NODES.map(([id, layer, direction, drops = 0], index) => ({
      id,
      layer,
      direction,
      netns: 4026531840,
      count: EDGES.find(([from, to]) => from === index || to === index)![2],
      drops,
      ...(id === 'ip_queue_xmit' && { duration: latency(18, 48_100) }),
    })),
    edges: EDGES.map(([from, to, count, p50]) => ({
      from,
      to,
      count,
      latency: latency(count, p50),
    })),
    packets: 43,
    losses: [],
  }
}
