// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { ReachStore } from '../../src/api/reach'
import type { Rule, ServiceStatus } from '../../src/api/types'
import { mergeService } from '../../src/events/context'
import {
  EMPTY,
  isEvent,
  MAX_EVENTS,
  readData,
  reduce,
} from '../../src/events/store'
import { sum } from '../../src/flows/columns'
import { eventLink } from '../../src/events/drawer'
import {
  blockFlowLink,
  findFlowLink,
  traceFlowLink,
  traceSocketLink,
} from '../../src/flows/links'
import { isIp, isPort } from '../../src/lib/ip'
import { MAX_POINTS, pushRate, type RateColumns } from '../../src/lib/series'
import { flowsRequest } from '../../src/pages/flows'
import { sortServices } from '../../src/pages/services'
import { socketsRequest } from '../../src/pages/sockets'
import { mapPoints } from '../../src/paths/points'
import { draftOf, isSweeping, requestOf, ruleOf } from '../../src/rules/draft'
import { matchWords } from '../../src/rules/match'
import { protocolText } from '../../src/ui/protocols'
import { ariaSort, nextSort } from '../../src/ui/table'
import { ApiError } from '../../src/api/client'
import { fieldOf } from '../../src/ui/form'
import * as fixtures from '../mock/fixtures'

describe('rates out of counters', () => {
  const empty: RateColumns = [[], [], []]

  it('are the difference by the time', () => {
    const before = { time: 10, rx: 100, tx: 50 }
    const now = { time: 12, rx: 300, tx: 50 }
    expect(pushRate(empty, before, now)).toEqual([[12], [100], [0]])
  })

  it('have a gap at the start and where a counter went back', () => {
    const one = pushRate(empty, undefined, { time: 1, rx: 5, tx: 5 })
    expect(one).toEqual([[1], [null], [null]])
    const before = { time: 1, rx: 5, tx: 5 }
    expect(pushRate(one, before, { time: 2, rx: 4, tx: 6 })).toEqual([
      [1, 2],
      [null, null],
      [null, 1],
    ])
  })

  it('ignore an answer that is not newer', () => {
    const one = pushRate(empty, undefined, { time: 5, rx: 0, tx: 0 })
    const same = { time: 5, rx: 9, tx: 9 }
    expect(pushRate(one, same, same)).toBe(one)
  })

  it('are bounded', () => {
    let columns = empty
    for (let time = 1; time <= MAX_POINTS + 20; time++) {
      columns = pushRate(columns, undefined, { time, rx: 0, tx: 0 })
    }
    expect(columns.map((column) => column.length)).toEqual([
      MAX_POINTS,
      MAX_POINTS,
      MAX_POINTS,
    ])
    expect(columns[0].at(-1)).toBe(MAX_POINTS + 20)
  })
})

describe('addresses and ports', () => {
  it.each([
    '192.0.2.1',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    '2001:db8::1',
    '2001:DB8:0:0:0:0:0:1',
    '::ffff:192.0.2.1',
    'fe80::',
  ])('%s is one', (text) => {
    expect(isIp(text)).toBe(true)
  })

  it.each([
    '',
    '1.2.3',
    '256.1.1.1',
    '1.2.3.4.5',
    'example.org',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    ':',
    ':::',
    '1:2:3:4:5:6:7:8::',
    '192.0.2.1/24',
  ])('%j is none', (text) => {
    expect(isIp(text)).toBe(false)
  })

  it('ports', () => {
    expect(['0', '443', '65535'].every(isPort)).toBe(true)
    expect(['', '65536', '-1', '4x', '1.5'].some(isPort)).toBe(false)
  })
})

describe('requests of filters', () => {
  const none = { addr: '', port: '', proto: '', ifname: '', sort: '', flow: '' }

  it('flows: the default order, and only what is set', () => {
    expect(flowsRequest(none)).toEqual({ limit: 1000, sort: '-rate' })
    expect(
      flowsRequest({ ...none, addr: '::1', port: '53', sort: 'bytes' }),
    ).toEqual({ limit: 1000, sort: 'bytes', addr: '::1', port: 53 })
  })

  it('sockets: a process by number or by name', () => {
    const empty = {
      proto: '',
      family: '',
      state: '',
      addr: '',
      port: '',
      process: '',
      container: '',
      sort: '',
    }
    expect(socketsRequest({ ...empty, process: '812' })).toEqual({
      limit: 1000,
      pid: 812,
    })
    expect(socketsRequest({ ...empty, process: 'nginx', family: '6' })).toEqual(
      { limit: 1000, comm: 'nginx', family: 6 },
    )
  })
})

describe('sorting', () => {
  it('begins descending, then turns', () => {
    expect(nextSort('-rate', 'bytes')).toBe('-bytes')
    expect(nextSort('-bytes', 'bytes')).toBe('bytes')
    expect(nextSort('bytes', 'bytes')).toBe('-bytes')
  })

  it('says its direction', () => {
    expect(ariaSort('-bytes', 'bytes')).toBe('descending')
    expect(ariaSort('bytes', 'bytes')).toBe('ascending')
    expect(ariaSort('-rate', 'bytes')).toBe('none')
  })

  it('of services puts what is wrong first', () => {
    const names = sortServices(fixtures.services().services).map((s) => s.name)
    expect(names).toEqual([
      'locator',
      'tracer',
      'gateway',
      'guarder',
      'analyzer',
    ])
  })
})

describe('rules', () => {
  const rule: Rule = {
    id: 'r1',
    action: 'drop',
    priority: 5,
    enabled: false,
    src: '192.0.2.0/24',
    proto: 'tcp',
    dport: '1024-65535',
    tcp_flags_set: ['syn'],
    icmp_type: 0,
    hit_packets: 4,
    hit_bytes: 400,
    created: fixtures.timeAt(0),
  }

  it('survive the form, without what the guarder writes', () => {
    expect(requestOf(rule)).toEqual({
      action: 'drop',
      priority: 5,
      enabled: false,
      src: '192.0.2.0/24',
      proto: 'tcp',
      dport: '1024-65535',
      tcp_flags_set: ['syn'],
      icmp_type: 0,
    })
  })

  it('are asked for without empty fields', () => {
    expect(ruleOf(draftOf({}))).toEqual({ action: 'drop', enabled: true })
  })

  it('that drop everything are told from those that do not', () => {
    expect(isSweeping(draftOf({}))).toBe(true)
    expect(isSweeping(draftOf({ proto: 'tcp' }))).toBe(true)
    expect(isSweeping(draftOf({ action: 'pass' }))).toBe(false)
    expect(isSweeping(draftOf({ enabled: false }))).toBe(false)
    expect(isSweeping(draftOf({ src: '192.0.2.1' }))).toBe(false)
    expect(isSweeping(draftOf({ proto: 'icmpv6' }))).toBe(false)
  })

  it('say what they match', () => {
    expect(matchWords(rule)).toEqual([
      'tcp',
      'src 192.0.2.0/24',
      'dport 1024-65535',
      '+syn',
      'icmp-type 0',
    ])
    expect(matchWords({})).toEqual([])
    expect(matchWords({ family: 6 })).toEqual(['ipv6'])
  })

  it.each([
    ['rule.sport', 'sport'],
    ['sport', 'sport'],
    ['rule.tcp_flags_set[2]', 'tcp_flags_set'],
    [undefined, undefined],
  ])('a problem of %s is at the field %s', (field, name) => {
    const problem = field === undefined ? {} : { field }
    expect(fieldOf(new ApiError(400, problem), 'rule')).toBe(name)
  })
})

describe('a path’s points', () => {
  it('are the known places, once where the place stays', () => {
    const path = fixtures.path('p')
    const points = mapPoints(path, (place) => place.city ?? '')
    expect(points.map((p) => p.label)).toEqual([
      '2 Frankfurt am Main',
      '3 Fujairah',
      '5 Singapore',
    ])
    expect(points.map((p) => p.main)).toEqual([false, false, true])
  })
})

describe('links that fill in a form', () => {
  const { flows } = fixtures.flows(new URLSearchParams({ limit: '1' }))
  const flow = flows[0]!

  it('name both ends of a flow to trace', () => {
    const query = new URL(traceFlowLink(flow), 'http://x').searchParams
    expect(query.get('saddr')).toBe(flow.laddr)
    expect(query.get('dport')).toBe(String(flow.rport))
  })

  it('name both ends of a flow to find', () => {
    const query = new URL(findFlowLink(flow), 'http://x').searchParams
    expect(query.get('saddr')).toBe(flow.laddr)
    expect(query.get('daddr')).toBe(flow.raddr)
  })

  it('name of a socket that listens what it has', () => {
    const { sockets } = fixtures.sockets(new URLSearchParams())
    const query = (at: number) =>
      Object.fromEntries(
        new URL(traceSocketLink(sockets[at]!), 'http://x').searchParams,
      )
    expect(query(0)).toEqual({ new: '1', sport: '443', proto: 'tcp' })
    expect(query(6)).toMatchObject({ saddr: '192.0.2.10', dport: '40006' })
  })

  it('lead from an alert to its traces, and from a trace’s event to it', () => {
    const params = (name: string, value: string) => [{ name, value }]
    expect(
      eventLink({ id: 'tracer.trace_done', params: params('id', 'a1') }),
    ).toEqual(['trace', '/traces/a1'])
    expect(
      eventLink({
        id: 'tracer.trace_on_alert',
        params: [...params('alert', 'x 1'), ...params('trace', 'a2')],
      }),
    ).toEqual(['trace', '/traces/a2'])
    expect(
      eventLink({ id: 'analyzer.drop_spike', params: params('alert', 'x 1') }),
    ).toEqual(['traces', '/traces?alert=x+1'])
    expect(eventLink({ id: 'guarder.rule_added', params: [] })).toBeUndefined()
  })

  it('name the remote end to block', () => {
    const query = new URL(blockFlowLink(flow), 'http://x').searchParams
    expect(query.get('src')).toBe(flow.raddr)
    expect(query.get('dport')).toBe(String(flow.lport))
  })
})

describe('names', () => {
  it('of protocols', () => {
    expect(protocolText('tcp', 0x800)).toBe('tcp')
    expect(protocolText(undefined, 0x806)).toBe('arp')
    expect(protocolText(undefined, 0x88b5)).toBe('0x88b5')
  })

  it('both directions are not known unless both are', () => {
    expect(sum(1, 2)).toBe(3)
    expect(sum(1, undefined)).toBeUndefined()
  })
})

describe('events', () => {
  const event = fixtures.events[0]
  const message = (data: string) => ({ event: 'event', data, id: undefined })

  it('are kept newest first, bounded, and counted', () => {
    let state = EMPTY
    if (!event) throw new Error('no fixture')
    for (let i = 0; i < MAX_EVENTS + 5; i++) {
      state = reduce(state, {
        type: 'event',
        event: { ...event, text: String(i) },
      })
    }
    expect(state.entries).toHaveLength(MAX_EVENTS)
    expect(state.entries[0]?.event.text).toBe(String(MAX_EVENTS + 4))
    expect(state.trimmed).toBe(true)
    expect(state.unread).toBe(MAX_EVENTS + 5)
    expect(reduce(state, { type: 'read' }).unread).toBe(0)
  })

  it('that were missed are summed where they were counted', () => {
    let state = reduce(EMPTY, { type: 'lost', count: 4 })
    state = reduce(state, { type: 'lost' })
    expect(state.missed).toEqual({ times: 2, count: 4 })
  })

  it.each(['', 'x', '[]', '3', 'null'])('%j is no message', (text) => {
    expect(readData(message(text))).toBeUndefined()
  })

  it('are checked before they are shown', () => {
    expect(isEvent({ ...event })).toBe(true)
    expect(isEvent({ id: 'x', text: 5 })).toBe(false)
  })
})

describe('a service’s new status', () => {
  const list = fixtures.services()
  const status = (rest: Partial<ServiceStatus>): ServiceStatus => ({
    ...list.services[0]!,
    ...rest,
  })

  it('takes the place of its old one', () => {
    const merged = mergeService(list, status({ state: 'draining' }))
    expect(merged?.services).toHaveLength(list.services.length)
    expect(merged?.services[0]?.state).toBe('draining')
  })

  it('of another instance is added', () => {
    const merged = mergeService(list, status({ instance: 'other' }))
    expect(merged?.services).toHaveLength(list.services.length + 1)
  })

  it('waits for the list itself', () => {
    expect(mergeService(undefined, status({}))).toBeUndefined()
  })
})

describe('ReachStore', () => {
  it('tells of a change, not of each answer', () => {
    const store = new ReachStore()
    let calls = 0
    store.subscribe(() => calls++)
    store.report(true, 1000)
    store.report(true, 1500)
    expect(calls).toBe(1)
    store.report(false, 1600)
    store.report(false, 1700)
    expect(calls).toBe(2)
    expect(store.get()).toEqual({ ok: false, lastOk: 1000 })
    store.report(true, 1800)
    expect(store.get()).toEqual({ ok: true, lastOk: 1800 })
  })
})
