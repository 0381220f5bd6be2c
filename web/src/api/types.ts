// SPDX-License-Identifier: MIT
// The messages of proto/*.proto as the gateway writes them in JSON: original
// field names, absent where unknown; repeated fields always there.

/** "192.0.2.1", "2001:db8::1" */
export type Ip = string
/** "192.0.2.0/24" */
export type Prefix = string
/** RFC 3339 with nanoseconds, UTC */
export type Time = string
/** "tcp", "udp", ..., or a decimal number */
export type IpProto = string
/** "443", "1024-65535" */
export type PortRange = string

// types.proto
export interface Tuple {
  saddr?: Ip
  daddr?: Ip
  sport?: number
  dport?: number
  proto?: IpProto
}
export interface Param {
  name: string
  value: string
}

// service.proto
export interface Capability {
  id: string
  available: boolean
  tier?: string
  reason?: string
  without?: string
}
export interface Loss {
  id: string
  count: number
  unit: string
}
export interface TopicSeq {
  topic: string
  seq: number
}
export type ServiceState =
  'starting' | 'ready' | 'degraded' | 'standby' | 'draining' | 'down'
export interface ServiceStatus {
  name: string
  instance: string
  state: ServiceState
  version?: string
  pid?: number
  started?: Time
  uptime_ns?: number
  last_seen?: Time
  user?: string
  privileges: string[]
  capabilities: Capability[]
  losses: Loss[]
  topics: TopicSeq[]
  bpf_memory_bytes?: number
  rss_bytes?: number
  reason?: string
}
export interface ServiceList {
  services: ServiceStatus[]
}
export type Severity = 'info' | 'notice' | 'warning' | 'critical'
export interface Event {
  id: string
  severity: Severity
  time: Time
  source: string
  text: string
  params: Param[]
}

// tracer.proto
export interface Owner {
  pid: number
  comm?: string
  cgroup?: string
  container?: string
  fd?: number
}
export interface Socket {
  proto: IpProto
  family: number
  laddr?: Ip
  lport?: number
  raddr?: Ip
  rport?: number
  state: string
  recv_queue?: number
  send_queue?: number
  netns?: number
  netns_name?: string
  inode?: number
  uid?: number
  cookie?: number
  owners: Owner[]
  rtt_ns?: number
  retransmits?: number
  ifindex?: number
  type?: string
}
export interface ListSocketsRequest {
  limit?: number
  cursor?: string
  sort?: string
  proto?: IpProto
  family?: number
  state?: string
  addr?: Ip
  port?: number
  pid?: number
  netns?: number
  comm?: string
  container?: string
}
export interface SocketList {
  sockets: Socket[]
  total: number
  next_cursor?: string
  losses: Loss[]
}
export interface TraceFilter {
  saddr?: Ip
  daddr?: Ip
  sport?: number
  dport?: number
  proto?: IpProto
  netns?: number
}
export interface CreateTraceRequest {
  filter?: TraceFilter
  max_packets?: number
  duration_ns?: number
  comment?: string
}
export type TraceState = 'running' | 'done' | 'failed'
export interface Trace {
  id: string
  state: TraceState
  filter: TraceFilter
  created: Time
  ended?: Time
  max_packets?: number
  duration_ns?: number
  comment?: string
  packets: number
  steps: number
  drops: number
  end_reason?: string
  hits: number
  losses: Loss[]
  stations: Capability[]
}
export interface TraceList {
  traces: Trace[]
  total: number
  next_cursor?: string
}
export interface Drop {
  reason_code?: number
  reason?: string
  function?: string
  offset?: number
}
export interface Step {
  time: Time
  delta_ns?: number
  layer: string
  station: string
  hook?: string
  direction?: string
  cpu?: number
  netns?: number
  ifindex?: number
  ifname?: string
  len?: number
  packets?: number
  mark?: number
  tuple?: Tuple
  inferred?: boolean
  drop?: Drop
}
export interface PacketWay {
  id: number
  tuple: Tuple
  first: Time
  last: Time
  len?: number
  ip_id?: number
  tcp_seq?: number
  steps: Step[]
  fate?: string
}
export interface PacketWayList {
  packets: PacketWay[]
  total: number
  next_cursor?: string
}

// analyzer.proto
export interface Counters {
  skbs: number
  packets: number
  bytes: number
  wire_bytes: number
}
export interface DropCount {
  reason_code?: number
  reason?: string
  function?: string
  offset?: number
  skbs: number
  packets: number
}
export interface Flow {
  id: string
  ethertype: number
  proto?: IpProto
  laddr?: Ip
  lport?: number
  raddr?: Ip
  rport?: number
  ifindex: number
  ifname?: string
  netns: number
  netns_name?: string
  rx: Counters
  tx: Counters
  first: Time
  last: Time
  rx_bytes_per_s?: number
  tx_bytes_per_s?: number
  rx_packets_per_s?: number
  tx_packets_per_s?: number
  drops: DropCount[]
  dropped_packets: number
}
export interface ListFlowsRequest {
  limit?: number
  cursor?: string
  sort?: string
  addr?: Ip
  port?: number
  proto?: IpProto
  ifindex?: number
  ifname?: string
  netns?: number
  laddr?: Ip
  raddr?: Ip
  lport?: number
  rport?: number
}
export interface FlowList {
  flows: Flow[]
  total: number
  next_cursor?: string
  time: Time
  rx: Counters
  tx: Counters
}
export interface DropList {
  drops: DropCount[]
  total: number
  next_cursor?: string
  time: Time
}

// locator.proto
export interface Place {
  ip: Ip
  country?: string
  region?: string
  city?: string
  latitude?: number
  longitude?: number
  asn?: number
  as_name?: string
  special?: string
  sources: string[]
}
export interface MeasureRequest {
  target?: Ip
  max_hops?: number
  probes?: number
  interval_ns?: number
  timeout_ns?: number
}
export interface HopAddress {
  ip: Ip
  received: number
  place?: Place
}
export interface Hop {
  ttl: number
  sent: number
  received: number
  loss_ratio?: number
  rtt_min_ns?: number
  rtt_avg_ns?: number
  rtt_p50_ns?: number
  rtt_max_ns?: number
  rtt_stddev_ns?: number
  addresses: HopAddress[]
  unreachable?: string
}
export type PathState = 'running' | 'done' | 'failed'
export interface Path {
  id: string
  state: PathState
  target: Ip
  started: Time
  ended?: Time
  reached?: boolean
  hops: Hop[]
  place?: Place
  source?: Ip
  failure?: string
  probes?: number
  max_hops?: number
}
export interface PathList {
  paths: Path[]
  total: number
  next_cursor?: string
}

// guarder.proto
export const TCP_FLAGS = [
  'fin',
  'syn',
  'rst',
  'psh',
  'ack',
  'urg',
  'ece',
  'cwr',
] as const
export type TcpFlag = (typeof TCP_FLAGS)[number]
export type RuleAction = 'drop' | 'pass'
export interface Rule {
  id?: string
  action?: RuleAction
  priority?: number
  enabled?: boolean
  comment?: string
  src?: Prefix
  dst?: Prefix
  family?: number
  proto?: IpProto
  sport?: PortRange
  dport?: PortRange
  tcp_flags_set?: TcpFlag[]
  tcp_flags_unset?: TcpFlag[]
  icmp_type?: number
  icmp_code?: number
  interface?: string
  hit_packets?: number
  hit_bytes?: number
  created?: Time
  updated?: Time
}
export interface RuleList {
  rules: Rule[]
  total: number
  next_cursor?: string
  generation: number
}
export interface GuardedInterface {
  ifindex: number
  ifname?: string
  mode?: string
  seen_packets: number
  seen_bytes: number
  passed_packets: number
  passed_bytes: number
  dropped_packets: number
  dropped_bytes: number
  unparsed_packets: number
  reason?: string
}
export interface GuarderStats {
  interfaces: GuardedInterface[]
  generation: number
  rules: number
  time: Time
}

// gateway.proto
export interface Missing {
  service: string
  reason: string
}
export interface HostReport {
  ip: Ip
  time: Time
  sockets?: SocketList
  flows?: FlowList
  place?: Place
  paths?: PathList
  rules?: RuleList
  missing: Missing[]
}
export interface Session {
  role: string
  version: string
}

/** RFC 9457, with the daemon's error in it */
export interface Problem {
  type?: string
  title?: string
  status?: number
  detail?: string
  instance?: string
  /** Stable: "request.invalid" */
  id?: string
  /** The field at fault, as a path: "rule.sport" */
  field?: string
  params?: Param[]
}
