// SPDX-License-Identifier: MIT
// From what is seen to what can be done about it, with the form filled in.
import { buildQuery } from '../api/query'
import type { Flow, Socket } from '../api/types'

/** The tuple of what it sends. */
function tupleOf(flow: Flow) {
  return {
    saddr: flow.laddr,
    sport: flow.lport,
    daddr: flow.raddr,
    dport: flow.rport,
    proto: flow.proto,
  }
}

export function traceFlowLink(flow: Flow): string {
  return `/traces${buildQuery({ new: 1, ...tupleOf(flow) })}`
}

const ANY = ['0.0.0.0', '::']

/** What it sends and receives; one that listens has no other end yet. */
export function traceSocketLink(socket: Socket): string {
  const { laddr, raddr } = socket
  return `/traces${buildQuery({
    new: 1,
    saddr: laddr !== undefined && ANY.includes(laddr) ? undefined : laddr,
    sport: socket.lport,
    daddr: raddr !== undefined && ANY.includes(raddr) ? undefined : raddr,
    dport: socket.rport === 0 ? undefined : socket.rport,
    proto: socket.proto,
  })}`
}

/** Packets that were recorded already. */
export function findFlowLink(flow: Flow): string {
  return `/packets${buildQuery(tupleOf(flow))}`
}

/** What comes in from the other end of the flow. */
export function blockFlowLink(flow: Flow): string {
  return `/rules${buildQuery({
    new: 1,
    src: flow.raddr,
    proto: flow.proto,
    dport: flow.lport,
  })}`
}

export const hostLinks = {
  trace: (ip: string) => `/traces${buildQuery({ new: 1, saddr: ip })}`,
  block: (ip: string) => `/rules${buildQuery({ new: 1, src: ip })}`,
  find: (ip: string) => `/packets${buildQuery({ saddr: ip })}`,
  measure: (ip: string) => `/paths${buildQuery({ target: ip })}`,
}
