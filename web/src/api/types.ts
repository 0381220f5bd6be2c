// SPDX-License-Identifier: MIT
// Names for the types that `npm run types` makes of the gateway's OpenAPI
// document: original field names, absent where unknown; lists always there
// in answers.
import type { components, operations } from './generated/schema'

type Schemas = components['schemas']
type Query<Id extends keyof operations> = NonNullable<
  operations[Id]['parameters']['query']
>

/** RFC 3339 with nanoseconds, UTC */
export type Time = Schemas['Event']['time']

export type Param = Schemas['Param']
export type Tuple = Schemas['Tuple']
export type Problem = Partial<Schemas['Problem']>

export type Capability = Schemas['Capability']
export type Loss = Schemas['Loss']
export type ServiceStatus = Schemas['ServiceStatus']
export type ServiceState = ServiceStatus['state']
export type ServiceList = Schemas['ServiceList']
export type Event = Schemas['Event']
export type Severity = Event['severity']

export type Owner = Schemas['Owner']
export type Socket = Schemas['Socket']
export type SocketList = Schemas['SocketList']
export type ListSocketsRequest = Query<'listSockets'>
export type TraceFilter = Schemas['TraceFilter']
export type CreateTraceRequest = Schemas['CreateTraceRequest']
export type Trace = Schemas['Trace']
export type TraceState = Trace['state']
export type TraceList = Schemas['TraceList']
export type Drop = Schemas['Drop']
export type Step = Schemas['Step']
export type PacketWay = Schemas['PacketWay']
export type PacketWayList = Schemas['PacketWayList']
export type ListPacketsRequest = Query<'listTracePackets'>
export type FindPacketsRequest = Query<'findPackets'>
export type FoundPackets = Schemas['FoundPackets']
export type Frame = Schemas['Frame']
export type ProbeCount = Schemas['ProbeCount']
export type Latency = Schemas['Latency']
export type GraphNode = Schemas['GraphNode']
export type GraphEdge = Schemas['GraphEdge']
export type TraceGraph = Schemas['TraceGraph']

export type Counters = Schemas['Counters']
export type DropCount = Schemas['DropCount']
export type Flow = Schemas['Flow']
export type FlowList = Schemas['FlowList']
export type ListFlowsRequest = Query<'listFlows'>
export type DropList = Schemas['DropList']

export type Place = Schemas['Place']
export type MeasureRequest = Schemas['MeasureRequest']
export type HopAddress = Schemas['HopAddress']
export type Hop = Schemas['Hop']
export type Path = Schemas['Path']
export type PathState = Path['state']
export type PathList = Schemas['PathList']

export type Rule = Schemas['Rule']
export type RuleAction = Rule['action']
export type TcpFlag = NonNullable<Rule['tcp_flags_set']>[number]
export const TCP_FLAGS = [
  'fin',
  'syn',
  'rst',
  'psh',
  'ack',
  'urg',
  'ece',
  'cwr',
] as const satisfies readonly TcpFlag[]
export type RuleList = Schemas['RuleList']
export type GuardedInterface = Schemas['GuardedInterface']
export type GuarderStats = Schemas['GuarderStats']

export type Missing = Schemas['Missing']
export type HostReport = Schemas['HostReport']
export type Session = Schemas['Session']
export type Role = Schemas['Session']['roles'][number]
export type Token = Schemas['Token']
export type TokenList = Schemas['TokenList']
export type CreateTokenRequest = Schemas['CreateTokenRequest']
export type NewToken = Schemas['NewToken']
export type AuditEntry = Schemas['AuditEntry']
export type AuditReport = Schemas['AuditReport']
export type ListAuditRequest = Query<'listAudit'>
export type LoginRequest = Schemas['LoginRequest']
