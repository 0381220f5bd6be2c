// SPDX-License-Identifier: MIT
// From what is seen to what can be done about it, with the form filled in.
import { buildQuery } from '../api/query'
import type { Flow } from '../api/types'

export function traceFlowLink(flow: Flow): string {
  return `/traces${buildQuery({
    new: 1,
    saddr: flow.laddr,
    sport: flow.lport,
    daddr: flow.raddr,
    dport: flow.rport,
    proto: flow.proto,
  })}`
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
  measure: (ip: string) => `/paths${buildQuery({ target: ip })}`,
}
