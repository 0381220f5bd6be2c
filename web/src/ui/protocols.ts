// SPDX-License-Identifier: MIT
/** Offered in filters; the gateway takes others by name or number too. */
export const PROTOCOLS = [
  'tcp',
  'udp',
  'icmp',
  'icmpv6',
  'sctp',
  'gre',
  'esp',
] as const

const ETHERTYPES: Readonly<Record<number, string>> = {
  0x0800: 'ip',
  0x0806: 'arp',
  0x86dd: 'ipv6',
  0x8100: 'vlan',
  0x8847: 'mpls',
  0x88cc: 'lldp',
  0x888e: 'eapol',
}

/** "tcp"; without an IP protocol the ethertype, "arp" or "0x88b5". */
export function protocolText(
  proto: string | undefined,
  ethertype: number,
): string {
  if (proto !== undefined) return proto
  const hex = `0x${ethertype.toString(16).padStart(4, '0')}`
  return ETHERTYPES[ethertype] ?? hex
}
