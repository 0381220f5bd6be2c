# SPDX-License-Identifier: MIT
"""Whether the tracer joins only what belongs together.

false_joins: UDP packets of many flows, interleaved, through native XDP, so that
each gets a new buffer. Each carries a number behind the bytes that the tracer
looks at. Packet sockets at both ends read the numbers; the n-th packet that a
socket shows is the n-th of its station's steps. A way whose steps belong to
different numbers was joined wrongly. Of IPv4, whose packets are numbered, at
least 99 of 100 must have been joined, or nothing was tried.
"""

import collections
import socket
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab, traffic  # noqa: E402
from lab.tracing import inum  # noqa: E402
from tracing import Bench, lost, require  # noqa: E402

FLOWS, EACH = 20, 500
HIDDEN = 64                 # offset of the number: nobody looks there
ETH_P_ALL, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 3, 35, 33


class Tap:
    """Reads the numbers of all packets at an interface, with their times."""

    def __init__(self, iface):
        self.sock = iface.ns.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        iface.ns.call(self.sock.bind, (iface.name, ETH_P_ALL))
        self.sock.setblocking(False)

    def read(self, version):
        """[(time, source port, number)], in order of time."""
        head = 14 + (20 if version == 4 else 40)
        out = []
        while True:
            try:
                data, more, _, _ = self.sock.recvmsg(2048, 64)
            except BlockingIOError:
                break
            proto = data[23] if version == 4 else data[20]
            if len(data) < head + 8 + HIDDEN + 8 or proto != 17 or \
                    data[14] >> 4 != version:
                continue
            (sport,) = struct.unpack_from('!H', data, head)
            (number,) = struct.unpack_from('!Q', data, head + 8 + HIDDEN)
            sec, nsec = struct.unpack('qq', more[0][2])
            out.append((sec * 10**9 + nsec, sport, number))
        self.sock.close()
        return sorted(out)


def nanoseconds(text):
    """Of an RFC 3339 time: those since the epoch, modulo a day."""
    clock = text.partition('T')[2].rstrip('Z')
    hours, minutes, seconds = clock.split(':')
    whole, _, part = seconds.partition('.')
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 10**9 + \
        int(part.ljust(9, '0') or 0)


def numbers_of(ways, station, number, tap):
    """{id of a way: numbers of its steps at this station}; None: the tap and
    the tracer did not see the same packets, so that none can be told."""
    steps = sorted((nanoseconds(s['time']), s['tuple']['sport'], w['id'])
                   for w in ways for s in w['steps']
                   if s['station'] == station and s.get('netns') == number)
    found = collections.defaultdict(set)
    by_flow = collections.defaultdict(list)
    for _, sport, number_ in tap:
        by_flow[sport].append(number_)
    seen = collections.Counter()
    for _, sport, way in steps:
        found[way].add((sport, by_flow[sport][seen[sport]]
                        if seen[sport] < len(by_flow[sport]) else None))
        seen[sport] += 1
    same = all(seen[p] == len(by_flow[p]) for p in by_flow)
    return found if same else None


def false_joins_of(version):
    """(wrong, joined by content, ways, ambiguous) of one run."""
    # No step may be lost here, or the n-th would not be the n-th.
    with Lab('tracerjoins') as lab, Bench(
            lab, 'plain', True,
            args=('--cpu-budget', 100, '--ring-size', '128M')) as bench:
        top = bench.top
        a, b = top.ends
        family = traffic.family(top.server[version])
        with b.ns.socket(family, socket.SOCK_DGRAM) as rx:
            rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            rx.bind((top.server[version], 0))
            port = rx.getsockname()[1]
            taps = Tap(a), Tap(b)
            ident = bench.trace(daddr=top.server[version], dport=port)
            senders = [a.ns.socket(family, socket.SOCK_DGRAM)
                       for _ in range(FLOWS)]
            for sock in senders:
                sock.connect((top.server[version], port))
            for number in range(EACH):
                for flow, sock in enumerate(senders):
                    sock.send(bytes(HIDDEN) + struct.pack(
                        '!Q', flow * EACH + number) + bytes(56))
            ways, state = bench.ways(ident)
            for sock in senders:
                sock.close()
        sides = [numbers_of(ways, station, inum(end.ns), tap.read(version))
                 for station, end, tap in
                 (('net_dev_start_xmit', a, taps[0]),
                  ('netif_receive_skb', b, taps[1]))]
    require(len(ways) >= FLOWS * EACH, f'{len(ways)} packets were seen')
    require(None not in sides,
            f'the taps and the tracer differ: {lost(state)}')
    wrong = joined = 0
    for way in ways:
        both = sides[0][way['id']] | sides[1][way['id']]
        joined += bool(sides[0][way['id']] and sides[1][way['id']])
        wrong += len(both) > 1
    return wrong, joined, len(ways), lost(state)


def measure(_full):
    """The figure: of both versions, 10,000 packets each."""
    wrong, notes = 0, []
    for version in (4, 6):
        bad, joined, ways, losses = false_joins_of(version)
        if version == 4:
            require(joined >= 0.99 * FLOWS * EACH,
                    f'only {joined} packets were joined: {losses}')
        wrong += bad
        notes.append(f'v{version}: {joined} of {ways} joined by content, '
                     f'{losses.get("join_ambiguous", 0)} steps ambiguous')
    return [Figure('false_joins', wrong, goal='= 0', note='; '.join(notes))]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
