# SPDX-License-Identifier: MIT
"""Frames by hand, for traffic.frames(): each builder returns bytes.

    eth(dst_mac, src_mac, ip('10.0.0.1', '10.0.0.2',
                             tcp(1234, 80, flags='S')), vlan=7)
"""

import ipaddress
import socket
import struct
from dataclasses import dataclass

from .traffic import checksum

FLAGS = {'F': 1, 'S': 2, 'R': 4, 'P': 8, 'A': 16, 'U': 32, 'E': 64, 'C': 128}


@dataclass
class L4:
    """An upper-layer packet whose checksum waits for the addresses."""
    proto: int
    data: bytes
    sum_at: int
    pseudo: bool = True


def tcp(sport, dport, flags='S', seq=0, ack=0, payload=b'', options=b'',
        window=65535):
    """A TCP segment."""
    bits = sum(FLAGS[f] for f in flags)
    options += bytes(-len(options) % 4)
    off = (20 + len(options)) // 4 << 4
    head = struct.pack('!HHIIBBHHH', sport, dport, seq, ack, off, bits,
                       window, 0, 0)
    return L4(socket.IPPROTO_TCP, head + options + payload, 16)


def udp(sport, dport, payload=b''):
    """A UDP datagram."""
    head = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0)
    return L4(socket.IPPROTO_UDP, head + payload, 6)


def icmp(kind=8, code=0, rest=b'\0\0\0\1', payload=b''):
    """An ICMP message."""
    data = struct.pack('!BBH', kind, code, 0) + rest + payload
    return L4(socket.IPPROTO_ICMP, data, 2, pseudo=False)


def icmp6(kind=128, code=0, rest=b'\0\0\0\1', payload=b''):
    """An ICMPv6 message."""
    data = struct.pack('!BBH', kind, code, 0) + rest + payload
    return L4(socket.IPPROTO_ICMPV6, data, 2)


def _finish(l4, pseudo):
    total = checksum((pseudo if l4.pseudo else b'') + l4.data)
    if total == 0 and l4.proto == socket.IPPROTO_UDP:
        total = 0xffff
    at = l4.sum_at
    return l4.data[:at] + struct.pack('!H', total) + l4.data[at + 2:]


def ip(src, dst, l4, *, ttl=64, ident=1, frag=0):
    """An IPv4 or IPv6 packet, by its addresses; frag is IPv4's field."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    size = len(l4.data)
    if a.version == 6:
        body = _finish(l4, a.packed + b.packed +
                       struct.pack('!II', size, l4.proto))
        return struct.pack('!IHBB', 6 << 28, size, l4.proto, ttl) + \
            a.packed + b.packed + body
    body = _finish(l4, a.packed + b.packed +
                   struct.pack('!HH', l4.proto, size))
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + size, ident, frag, ttl,
                       l4.proto, 0) + a.packed + b.packed
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + body


def mac(text):
    """aa:bb:… as bytes."""
    return bytes.fromhex(text.replace(':', ''))


def eth(dst, src, body, *, vlan=None, kind=None):
    """An Ethernet frame; vlan: one tag or a list, outermost first."""
    if kind is None:
        kind = 0x86dd if body[0] >> 4 == 6 else 0x0800
    tags = [] if vlan is None else [vlan] if isinstance(vlan, int) else vlan
    tpids = [0x88a8] * (len(tags) - 1) + [0x8100] if tags else []
    middle = b''.join(struct.pack('!HH', t, v) for t, v in zip(tpids, tags))
    return mac(dst) + mac(src) + middle + struct.pack('!H', kind) + body
