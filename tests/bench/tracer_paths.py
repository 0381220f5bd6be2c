# SPDX-License-Identifier: MIT
"""Whether the tracer's ways are whole, right, and add up.

paths_complete_core: of the packets that were sent through each topology
(TCP, UDP and ICMP; IPv4 and IPv6; receive offload on and off; with and without
the guarder's XDP at the receiver) the share whose way shows every station that
the topology has between the sender's and the receiver's (lab/topology.py), in
order, for all of the packet; TCP's to the bytes that the application got, UDP's
to the socket's filter (this kernel copies and frees datagrams in no
tracepoint), ICMP's to netfilter's input. What is missing of a way counts
against it, whatever the reason.

false_joins: UDP packets of many flows, interleaved, through native XDP, so that
each gets a new buffer. Each carries a number behind the bytes that the tracer
looks at. Packet sockets at both ends read the numbers; the n-th packet that a
socket shows is the n-th of its station's steps. A way whose steps belong to
different numbers was joined wrongly.

flood_unexplained: one traced flow of two million packets. For each probe
hits = delivered + its losses; for the trace hits = steps + the named losses;
and the sender's interface counted as many packets as the tracer's probe there.
One packet of many is kept (sample), so that the trace does not end by its
limit before the flood does.
"""

import collections
import os
import socket
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab, Suite, traffic, wait_for  # noqa: E402
from lab.topology import TOPOLOGIES, guard, inum, missing  # noqa: E402

PACKETS = 200               # of each kind
BULK = 2_000_000            # bytes
FLOOD = 2_000_000
FLOWS, EACH = 20, 500       # false_joins
HIDDEN = 64                 # offset of the number: nobody looks there
ETH_P_ALL, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 3, 35, 33


class Bench:
    """A tracer and a gateway on the host, and a topology."""

    def __init__(self, lab, name, xdp=False, gro=True,
                 args=('--cpu-budget', 100)):
        self.top = TOPOLOGIES[name](lab)
        self.suite = Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                           args={'tracer': args})
        self.lab, self.xdp = lab, xdp
        for end in self.top.ends:
            end.offload(gro=gro)

    def __enter__(self):
        self.suite.start()
        if self.xdp:
            guard(self.lab, self.suite, self.top.ends[-1])
        return self

    def __exit__(self, *exc):
        self.suite.stop()

    def trace(self, **filters):
        """A trace's id."""
        return self.suite.client.post('traces', {
            'filter': filters, 'max_packets': 10000,
            'duration_ns': 600 * 10**9})['id']

    def state(self, ident):
        """The trace, once nothing is on its way."""
        def rests():
            now = self.suite.client.get(f'traces/{ident}')
            if any(x['id'] == 'in_flight' for x in now['losses']):
                return None
            return now
        time.sleep(0.3)
        return wait_for(rests, 30)

    def ways(self, ident):
        """Its packets, and its state."""
        state = self.state(ident)
        ways = list(self.suite.client.pages(
            f'traces/{ident}/packets', 'packets', limit=200))
        self.suite.client.delete(f'traces/{ident}')
        return ways, state


# ---- paths -------------------------------------------------------------------

def is_mine(top, version, way):
    """From the sender to the receiver."""
    names = {(t['saddr'], t['daddr']) for t in (way['tuple'], *way['tuples'])}
    return any(form in names for form in top.tuples(version))


def is_whole(way, path, proto):
    """All stations, all of the packet, and its end where that is known."""
    if missing(way, path):
        return False
    return proto not in ('tcp', 'bulk') or way.get('fate') == 'delivered'


def run_kind(bench, version, proto, tally):
    """One protocol through the topology."""
    top = bench.top
    name = 'icmpv6' if (proto, version) == ('icmp', 6) else \
        'tcp' if proto == 'bulk' else proto
    ident = bench.trace(**top.filter(version), proto=name)
    if proto == 'bulk':
        top.bulk(version, BULK)
    else:
        top.send(proto, version, PACKETS)
    ways, state = bench.ways(ident)
    least = {'udp': 200, 'tcp': 200, 'bulk': 200,
             'icmp': 84 if version == 4 else 104}[proto]
    ways = [w for w in ways if w['len'] >= least and
            is_mine(top, version, w)]
    path = top.path('tcp' if proto == 'bulk' else proto)
    whole = sum(is_whole(w, path, proto) for w in ways)
    # A packet of which nothing was seen is no whole way either.
    sent = max(len(ways), 0 if proto == 'bulk' else PACKETS)
    tally[f'{proto}{version}'] = (whole, sent, {
        x['id']: x['count'] for x in state['losses']})


CASES = [('plain', False, True), ('plain', False, False),
         ('plain', True, True), ('plain', True, False),
         ('loopback', False, True), ('bridge', False, True),
         ('snat', False, True), ('snat', True, True),
         ('dnat', False, True), ('vxlan', False, True), ('vxlan', True, True)]


def paths(full):
    """(share, by case)."""
    cases = CASES if full else [c for c in CASES if c[0] != 'bridge']
    by_case = {}
    for name, xdp, gro in cases:
        tally = {}
        with Lab('tracerpaths') as lab, \
                Bench(lab, name, xdp, gro) as bench:
            for version in (4, 6):
                for proto in ('udp', 'tcp', 'icmp', 'bulk'):
                    run_kind(bench, version, proto, tally)
        label = f'{name}{" xdp" if xdp else ""}{"" if gro else " gro off"}'
        by_case[label] = tally
        for kind, (whole, sent, lost) in tally.items():
            if whole < sent:
                print(f'    {label} {kind}: {whole} of {sent} whole, {lost}',
                      flush=True)
    return by_case


# ---- false joins -------------------------------------------------------------

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
    lost = {x['id']: x['count'] for x in state['losses']}
    if None in sides:
        raise RuntimeError(f'the taps and the tracer differ: {lost}')
    wrong = joined = 0
    for way in ways:
        both = sides[0][way['id']] | sides[1][way['id']]
        joined += bool(sides[0][way['id']] and sides[1][way['id']])
        wrong += len(both) > 1
    return wrong, joined, len(ways), lost


# ---- flood -------------------------------------------------------------------

def flood(count):
    """(unexplained, text)."""
    with Lab('tracerflood') as lab, Bench(lab, 'plain', args=()) as bench:
        top = bench.top
        a, b = top.ends
        rx = b.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rx.bind((top.server[4], 0))
        port = rx.getsockname()[1]
        ident = bench.trace(daddr=top.server[4], dport=port,
                            sample=max(1, count // 2000))
        before = a.counters()
        code = ('import socket,sys\n'
                's=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
                f's.connect(("{top.server[4]}",{port}))\n'
                'd=bytes(64)\n'
                f'for _ in range({count}): s.send(d)\n')
        a.ns.run(sys.executable, '-c', code, timeout=600)
        sent = (a.counters() - before).tx_packets
        state = bench.state(ident)
        rx.close()
    return explain(state, sent)


def explain(state, sent):
    """What the sums leave open."""
    lost = sum(x['count'] for x in state['losses'] if x['unit'] == 'steps')
    open_hits = abs(state['hits'] - state['steps'] - lost)
    open_probes = 0
    xmit = None
    for probe in state.get('probes', []):
        rest = sum(probe[k] for k in ('delivered', 'ring_full', 'throttled',
                                      'map_full', 'recursion_missed'))
        open_probes += abs(probe['hits'] - rest)
        if probe['probe'] == 'net_dev_start_xmit':
            xmit = probe['hits']
    open_sent = abs(sent - xmit) if xmit is not None else sent
    named = {x['id']: x['count'] for x in state['losses']}
    return open_hits + open_probes + open_sent, \
        f'{sent} sent, {state["hits"]} hits, {state["steps"]} steps, {named}'


def measure(full):
    """The figures."""
    by_case = paths(full)
    rows = [row for tally in by_case.values() for row in tally.values()]
    shares = [sum(r[0] for r in t.values()) / sum(r[1] for r in t.values())
              for t in by_case.values()]
    wrong, notes = 0, []
    for version in (4, 6):
        bad, joined, ways, lost = false_joins_of(version)
        wrong += bad
        notes.append(f'v{version}: {joined} of {ways} joined by content, '
                     f'{lost.get("join_ambiguous", 0)} steps ambiguous')
    left, text = flood(FLOOD if full else FLOOD // 10)
    return [
        Figure('paths_complete_core',
               sum(r[0] for r in rows) / sum(r[1] for r in rows),
               samples=shares, goal='>= 0.99',
               note=f'{sum(r[1] for r in rows)} packets'),
        Figure('false_joins', wrong, goal='= 0', note='; '.join(notes)),
        Figure('flood_unexplained', left, 'packets', goal='= 0', note=text),
    ]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
