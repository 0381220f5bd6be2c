// SPDX-License-Identifier: MIT
// A made-up host for development and component tests; never shipped.
import type * as T from '../../src/api/types'
import { ago, capability, START, timeAt } from './time.ts'

export { timeAt } from './time.ts'
export * from './traces.ts'

export const TOKEN = 'mock-token'

export const session: T.Session = {
  role: 'admin',
  roles: ['admin'],
  name: 'admin',
  version: '1.2.3',
}

function service(
  name: string,
  rest: Partial<T.ServiceStatus>,
): T.ServiceStatus {
  return {
    name,
    instance: 'web-01',
    state: 'ready',
    version: '0.1.0',
    pid: 4000 + name.length,
    started: timeAt(START - 93_784_000),
    uptime_ns: (Date.now() - START + 93_784_000) * 1e6,
    last_seen: ago(0.4),
    user: 'packetscope',
    privileges: ['cap_bpf', 'cap_perfmon'],
    capabilities: [],
    losses: [],
    topics: [],
    rss_bytes: 18_734_080,
    ...rest,
  }
}

export function services(): T.ServiceList {
  return {
    services: [
      service('tracer', {
        state: 'degraded',
        reason: 'kprobes cannot be attached: function-level detail is missing',
        capabilities: [
          capability('tracer.sockets', 'iter'),
          capability('tracer.core', 'tp_btf'),
          {
            id: 'tracer.functions',
            available: false,
            reason: 'kprobe.multi: Operation not supported',
            without: 'The functions between two stations are not shown.',
          },
        ],
        losses: [
          { id: 'ring_full', count: 1284, unit: 'events' },
          { id: 'trace_map_full', count: 0, unit: 'packets' },
        ],
        bpf_memory_bytes: 12_582_912,
      }),
      service('analyzer', {
        capabilities: [
          capability('analyzer.flows', 'tp_btf'),
          capability('analyzer.drops', 'tp_btf'),
        ],
        losses: [{ id: 'flow_map_full', count: 0, unit: 'packets' }],
        bpf_memory_bytes: 25_165_824,
        rss_bytes: 31_457_280,
      }),
      service('guarder', {
        privileges: ['cap_bpf', 'cap_net_admin', 'cap_perfmon'],
        capabilities: [
          capability('guarder.xdp', 'xdp-generic', {
            reason: 'dummy0 has no native XDP; packets are copied first',
          }),
        ],
        losses: [],
        bpf_memory_bytes: 4_194_304,
      }),
      {
        name: 'locator',
        instance: 'web-01',
        state: 'down',
        last_seen: ago(75),
        privileges: [],
        capabilities: [],
        losses: [],
        topics: [],
      },
      service('gateway', {
        privileges: [],
        losses: [{ id: 'bus_gap.tracer.event', count: 3, unit: 'messages' }],
      }),
    ],
  }
}

// A small generator with a seed: each run shows the same host.
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32
    return state / 2 ** 32
  }
}

const PORTS = [443, 22, 53, 80, 5432, 6379, 8443, 9090]

function makeFlow(index: number): T.Flow {
  const next = random(index + 7)
  const isV6 = index % 3 === 1
  const isUdp = index % 5 === 2
  const rate = index % 7 === 0 ? 0 : Math.floor(next() ** 4 * 9e7)
  const seconds = (Date.now() - START) / 1000 + 60
  const port = PORTS[index % PORTS.length] ?? 443
  const counters = (perSecond: number): T.Counters => {
    const bytes = Math.floor(perSecond * seconds) + index * 1000
    const packets = Math.ceil(bytes / 1100)
    return {
      skbs: Math.ceil(packets / 3),
      packets,
      bytes,
      wire_bytes: bytes + packets * 4,
    }
  }
  const dropped = index % 11 === 3 ? 17 * index : 0
  const flow: T.Flow = {
    id: `f${index}`,
    ethertype: isV6 ? 0x86dd : 0x0800,
    proto: isUdp ? 'udp' : 'tcp',
    laddr: isV6 ? '2001:db8:1::10' : '192.0.2.10',
    lport: index % 2 === 0 ? port : 32768 + index,
    raddr: isV6
      ? `2001:db8:${(index * 37).toString(16)}::${(index * 911).toString(16)}`
      : `203.0.113.${(index * 13) % 250}`,
    rport: index % 2 === 0 ? 40000 + index : port,
    ifindex: 2,
    ifname: index % 9 === 4 ? 'veth12ab' : 'eth0',
    netns: 4026531840,
    rx: counters(rate),
    tx: counters(rate / 8),
    first: timeAt(START - 60_000),
    last: ago(rate === 0 ? 34 : 0.3),
    drops:
      dropped === 0
        ? []
        : [
            {
              reason_code: 2,
              reason: 'NO_SOCKET',
              function: 'tcp_v4_rcv',
              offset: 0x1f2,
              skbs: dropped,
              packets: dropped,
            },
          ],
    dropped_packets: dropped,
  }
  if (index % 10 !== 9) {
    const wobble = 1 + Math.sin(seconds / 7 + index) * 0.3
    flow.rx_bytes_per_s = rate * wobble
    flow.tx_bytes_per_s = (rate * wobble) / 8
    flow.rx_packets_per_s = flow.rx_bytes_per_s / 1100
    flow.tx_packets_per_s = flow.tx_bytes_per_s / 1100
  }
  return flow
}

function arp(): T.Flow {
  const zero = { skbs: 4, packets: 4, bytes: 168, wire_bytes: 168 }
  return {
    id: 'arp',
    ethertype: 0x0806,
    ifindex: 2,
    ifname: 'eth0',
    netns: 4026531840,
    rx: zero,
    tx: zero,
    first: ago(300),
    last: ago(12),
    drops: [],
    dropped_packets: 0,
  }
}

const SORTS: Record<string, (flow: T.Flow) => number> = {
  rate: (f) => (f.rx_bytes_per_s ?? -1) + (f.tx_bytes_per_s ?? 0),
  bytes: (f) => f.rx.bytes + f.tx.bytes,
  packets: (f) => f.rx.packets + f.tx.packets,
  drops: (f) => f.dropped_packets,
  first: (f) => Date.parse(f.first),
  last: (f) => Date.parse(f.last),
}

export function flows(query: URLSearchParams): T.FlowList {
  const want = (name: string, ...values: (string | number | undefined)[]) => {
    const wanted = query.get(name)
    return wanted === null || values.map(String).includes(wanted)
  }
  const all = [...Array.from({ length: 640 }, (_, i) => makeFlow(i)), arp()]
  const found = all.filter(
    (f) =>
      want('addr', f.laddr, f.raddr) &&
      want('port', f.lport, f.rport) &&
      want('proto', f.proto) &&
      want('ifname', f.ifname),
  )
  const sort = query.get('sort') ?? '-rate'
  const key = SORTS[sort.replace('-', '')] ?? SORTS.rate
  const sign = sort.startsWith('-') ? -1 : 1
  if (key) found.sort((a, b) => sign * (key(a) - key(b)))
  const add = (side: 'rx' | 'tx'): T.Counters => {
    const sum = { skbs: 0, packets: 0, bytes: 0, wire_bytes: 0 }
    for (const flow of found) {
      sum.skbs += flow[side].skbs
      sum.packets += flow[side].packets
      sum.bytes += flow[side].bytes
      sum.wire_bytes += flow[side].wire_bytes
    }
    const wave = Math.sin(Date.now() / 20_000) * 0.02
    sum.bytes = Math.floor(sum.bytes * (1 + wave * 0.02))
    return sum
  }
  return {
    flows: found.slice(0, Number(query.get('limit') ?? 100)),
    total: found.length,
    time: timeAt(Date.now()),
    rx: add('rx'),
    tx: add('tx'),
  }
}

export function sockets(query: URLSearchParams): T.SocketList {
  const make = (index: number): T.Socket => {
    const isListen = index < 6
    const isV6 = index % 3 === 1
    const socket: T.Socket = {
      proto: index % 4 === 3 ? 'udp' : 'tcp',
      family: isV6 ? 6 : 4,
      laddr: isListen
        ? isV6
          ? '::'
          : '0.0.0.0'
        : isV6
          ? '2001:db8:1::10'
          : '192.0.2.10',
      lport: PORTS[index % PORTS.length] ?? 1,
      state: index % 4 === 3 ? 'UNCONN' : isListen ? 'LISTEN' : 'ESTAB',
      recv_queue: 0,
      send_queue: isListen ? 4096 : index * 12,
      netns: 4026531840,
      netns_name: 'host',
      inode: 50_000 + index,
      uid: index % 2 ? 0 : 33,
      cookie: 0x2000 + index,
      owners:
        index % 9 === 8
          ? []
          : [
              { pid: 812 + index, comm: 'nginx', fd: 6 },
              { pid: 813 + index, comm: 'nginx', fd: 6 },
            ],
      type: 'stream',
    }
    if (!isListen && socket.proto === 'tcp') {
      socket.raddr = isV6 ? `2001:db8:7::${index}` : `203.0.113.${index}`
      socket.rport = 40000 + index
      socket.rtt_ns = 812_345 * (index + 1)
      socket.retransmits = index % 8
    }
    return socket
  }
  const found = Array.from({ length: 60 }, (_, i) => make(i)).filter(
    (s) =>
      (query.get('proto') ?? s.proto) === s.proto &&
      (query.get('state') ?? s.state) === s.state,
  )
  return {
    sockets: found.slice(0, Number(query.get('limit') ?? 100)),
    total: found.length,
    losses: [],
  }
}

export const places: T.Place[] = [
  {
    ip: '192.0.2.1',
    special: 'documentation',
    sources: [],
  },
  {
    ip: '198.51.100.9',
    country: 'DE',
    city: 'Frankfurt am Main',
    latitude: 50.11,
    longitude: 8.68,
    asn: 64496,
    as_name: 'EXAMPLE-TRANSIT',
    sources: ['city 2025-11-01'],
  },
  {
    ip: '198.51.100.77',
    country: 'AE',
    city: 'Fujairah',
    latitude: 25.13,
    longitude: 56.33,
    asn: 64500,
    as_name: 'EXAMPLE-CABLE',
    sources: ['city 2025-11-01'],
  },
  {
    ip: '203.0.113.80',
    country: 'SG',
    city: 'Singapore',
    latitude: 1.35,
    longitude: 103.82,
    asn: 64511,
    as_name: 'EXAMPLE-CLOUD',
    sources: ['city 2025-11-01', 'asn 2025-11-03'],
  },
]

export function path(id: string): T.Path {
  const hop = (ttl: number, place: T.Place | undefined, ms: number): T.Hop => ({
    ttl,
    sent: 10,
    received: place ? (ttl === 3 ? 8 : 10) : 0,
    loss_ratio: place ? (ttl === 3 ? 0.2 : 0) : 1,
    ...(place && {
      rtt_min_ns: ms * 1e6,
      rtt_avg_ns: ms * 1.1e6,
      rtt_p50_ns: ms * 1.05e6,
      rtt_max_ns: ms * 1.6e6,
      rtt_stddev_ns: ms * 1e5,
    }),
    addresses: place ? [{ ip: place.ip, received: 10, place }] : [],
  })
  const target = places[3]
  return {
    id,
    state: 'done',
    target: '203.0.113.80',
    started: ago(40),
    ended: ago(38),
    reached: true,
    hops: [
      hop(1, places[0], 0.31),
      hop(2, places[1], 9.4),
      hop(3, places[2], 88.2),
      hop(4, undefined, 0),
      hop(5, target, 171.9),
    ],
    ...(target && { place: target }),
    source: '192.0.2.10',
    probes: 10,
    max_hops: 30,
  }
}

export const rules: T.Rule[] = [
  {
    id: 'r1',
    action: 'pass',
    priority: 100,
    enabled: true,
    comment: 'office',
    src: '198.51.100.0/24',
    proto: 'tcp',
    dport: '22',
    hit_packets: 4812,
    hit_bytes: 512_004,
    created: timeAt(START - 1e8),
    updated: timeAt(START - 1e8),
  },
  {
    id: 'r2',
    action: 'drop',
    priority: 1000,
    enabled: true,
    comment: 'null scans',
    proto: 'tcp',
    tcp_flags_unset: ['fin', 'syn', 'rst', 'ack'],
    hit_packets: 0,
    hit_bytes: 0,
    created: timeAt(START - 1e7),
    updated: timeAt(START - 1e7),
  },
  {
    id: 'r3',
    action: 'drop',
    priority: 1000,
    enabled: false,
    src: '2001:db8:bad::/48',
    hit_packets: 91,
    hit_bytes: 8190,
    created: timeAt(START - 1e6),
    updated: timeAt(START - 1e6),
  },
]

export function stats(): T.GuarderStats {
  return {
    interfaces: [
      {
        ifindex: 2,
        ifname: 'eth0',
        mode: 'xdp',
        seen_packets: 1_204_112,
        seen_bytes: 993_112_004,
        passed_packets: 1_203_000,
        passed_bytes: 993_000_000,
        dropped_packets: 1112,
        dropped_bytes: 112_004,
        unparsed_packets: 0,
      },
      {
        ifindex: 5,
        ifname: 'dummy0',
        seen_packets: 0,
        seen_bytes: 0,
        passed_packets: 0,
        passed_bytes: 0,
        dropped_packets: 0,
        dropped_bytes: 0,
        unparsed_packets: 0,
        reason: 'no native XDP, and generic XDP is refused here',
      },
    ],
    generation: 7,
    rules: rules.length,
    time: timeAt(Date.now()),
  }
}

export function host(ip: string): T.HostReport {
  const query = new URLSearchParams({ addr: ip, limit: '100' })
  const place = places.find((p) => p.ip === ip)
  return {
    ip,
    time: timeAt(Date.now()),
    sockets: { sockets: [], total: 0, losses: [] },
    flows: flows(query),
    ...(place && { place }),
    paths: {
      paths: place ? [path('p1')] : [],
      total: place ? 1 : 0,
      missing: [],
    },
    rules: { rules: rules.slice(1, 2), total: 1, generation: 7 },
    missing: [{ service: 'tracer', reason: 'no answer within 2 s' }],
  }
}

export const events: T.Event[] = [
  {
    id: 'guarder.rule_added',
    severity: 'notice',
    time: timeAt(START),
    source: 'guarder',
    text: 'Rule r3 was added',
    params: [{ name: 'rule', value: 'r3' }],
  },
  {
    id: 'tracer.ring_full',
    severity: 'warning',
    time: timeAt(START + 1000),
    source: 'tracer',
    text: '1284 events were lost: the ring buffer was full',
    params: [],
  },
]

export function tokens(): T.TokenList {
  return {
    tokens: [
      { id: 'admin', name: 'admin', roles: ['admin'], created: ago(900_000) },
      {
        id: 't1',
        name: 'dashboards',
        roles: ['viewer', 'payload'],
        created: ago(86_400),
        expires: timeAt(Date.now() + 90 * 86_400_000),
        last_used: ago(40),
        created_by: 'admin',
      },
    ],
  }
}

export function audit(): T.AuditReport {
  const rule = { id: 'r1', action: 'drop', src: '192.0.2.0/24', enabled: true }
  const entry = (seq: number, rest: Partial<T.AuditEntry>): T.AuditEntry => ({
    seq,
    time: ago(60 * seq),
    service: 'guarder',
    instance: 'web-01',
    actor: 'admin',
    client: '198.51.100.7',
    action: 'guarder.update_rule',
    target: 'r1',
    outcome: 'done',
    ...rest,
  })
  return {
    entries: [
      entry(1, { before: rule, after: { ...rule, enabled: false } }),
      entry(2, { action: 'guarder.create_rule', after: rule }),
      entry(3, {
        service: 'gateway',
        action: 'gateway.create_token',
        target: 'dashboards',
        actor: 'dashboards',
        outcome: 'refused',
        status: 403,
        error: 'auth.role',
      }),
    ],
    missing: [{ service: 'locator', reason: 'It did not answer in time.' }],
  }
}
