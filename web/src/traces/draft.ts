// SPDX-License-Identifier: MIT
// A trace as it stands in the form: texts, as they are typed and as a link
// gives them; what is on or off is "1" or "".
import { compact } from '../api/query'
import type { CreateTraceRequest, TraceFilter } from '../api/types'
import { numberOf } from '../ui/form'

export const FILTER_FIELDS = [
  'expr',
  'inner',
  'saddr',
  'sport',
  'daddr',
  'dport',
  'proto',
  'netns',
  'ifname',
  'mark',
  'pid',
  'cgroup',
  'container',
  'min_latency',
  'drops_only',
  'sample',
] as const
export type FilterField = (typeof FILTER_FIELDS)[number]
export type FilterDraft = Record<FilterField, string>

export const TRACE_FIELDS = [
  ...FILTER_FIELDS,
  'tier',
  'stacks',
  'sockets',
  'snaplen',
  'max_packets',
  'duration',
  'comment',
] as const
export type TraceField = (typeof TRACE_FIELDS)[number]
export type TraceDraft = Record<TraceField, string>

/** Where the form's unit or grouping is not the request's. */
const ASKED_AS: Partial<Record<TraceField, readonly string[]>> = {
  duration: ['duration_ns'],
  min_latency: ['min_latency_ns'],
  mark: ['mark', 'mark_mask'],
}

/** Names of the request's fields, as the gateway's errors use them. */
export function askedAs(field: TraceField): readonly string[] {
  return ASKED_AS[field] ?? [field]
}

export const ASKED_FIELDS = TRACE_FIELDS.flatMap(askedAs)

/** "0x10/0xff": the mark, and which of its bits count. */
export function parseMark(text: string): { mark?: number; mark_mask?: number } {
  const [mark = '', mask = ''] = text.split('/')
  return compact<{ mark?: number; mark_mask?: number }>({
    mark: numberOf(mark),
    mark_mask: numberOf(mask),
  })
}

const isOn = (text: string) => (text === '' ? undefined : true)

function scaled(text: string, ns: number): number | undefined {
  const number = numberOf(text)
  return number === undefined ? undefined : Math.round(number * ns)
}

export function filterOf(draft: FilterDraft): TraceFilter {
  return {
    ...compact<TraceFilter>({
      expr: draft.expr.trim(),
      inner: isOn(draft.inner),
      saddr: draft.saddr.trim(),
      daddr: draft.daddr.trim(),
      sport: numberOf(draft.sport),
      dport: numberOf(draft.dport),
      proto: draft.proto.trim(),
      netns: numberOf(draft.netns),
      ifname: draft.ifname.trim(),
      pid: numberOf(draft.pid),
      cgroup: draft.cgroup.trim(),
      container: draft.container.trim(),
      min_latency_ns: scaled(draft.min_latency, 1e3),
      drops_only: isOn(draft.drops_only),
      sample: numberOf(draft.sample),
    }),
    ...parseMark(draft.mark),
  }
}

export function traceRequest(draft: TraceDraft): CreateTraceRequest {
  return compact<CreateTraceRequest>({
    filter: filterOf(draft),
    max_packets: numberOf(draft.max_packets),
    duration_ns: scaled(draft.duration, 1e9),
    comment: draft.comment.trim(),
    tier: draft.tier,
    stacks: isOn(draft.stacks),
    sockets: isOn(draft.sockets),
    snaplen: numberOf(draft.snaplen),
  })
}

const text = (value: string | number | undefined) =>
  value === undefined ? '' : String(value)

/** The form of a filter that is there already. */
export function draftOf(filter: TraceFilter): FilterDraft {
  const { mark, mark_mask: mask, min_latency_ns: least } = filter
  const hex = (value: number) => `0x${value.toString(16)}`
  return {
    expr: text(filter.expr),
    inner: filter.inner ? '1' : '',
    saddr: text(filter.saddr),
    sport: text(filter.sport),
    daddr: text(filter.daddr),
    dport: text(filter.dport),
    proto: text(filter.proto),
    netns: text(filter.netns),
    ifname: text(filter.ifname),
    mark:
      mark === undefined
        ? ''
        : hex(mark) + (mask === undefined ? '' : `/${hex(mask)}`),
    pid: text(filter.pid),
    cgroup: text(filter.cgroup),
    container: text(filter.container),
    min_latency: least === undefined ? '' : String(least / 1e3),
    drops_only: filter.drops_only ? '1' : '',
    sample: text(filter.sample),
  }
}
