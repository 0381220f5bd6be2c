# SPDX-License-Identifier: MIT
"""Whether the tracer's ways are whole.

paths_complete_core: of the packets that were sent through each topology
(TCP, UDP and ICMP; IPv4 and IPv6; receive offload on and off; with and without
the guarder's XDP at the receiver) the share whose way shows every station that
the topology has between the sender's and the receiver's (lab/topology.py), in
order, for all of the packet; TCP's to the bytes that the application got, or,
of a segment that was sent again, to its drop because the bytes were there
already; UDP's to the socket's filter (this kernel copies and frees datagrams in
no tracepoint), ICMP's to netfilter's input. What is missing of a way counts
against it, whatever the reason. Only what arrived, by the applications, is
counted: a packet that the network lost has no whole way.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab  # noqa: E402
from lab.topology import missing  # noqa: E402
from tracing import Bench, lost, require  # noqa: E402

PACKETS = 200               # of each kind
BULK = 2_000_000            # bytes
MSS = 1448                  # of those in a packet, where it was not seen
AGAIN = {'TCP_OLD_DATA', 'TCP_OFOMERGE'}    # the receiver has these bytes


def is_mine(top, version, way):
    """From the sender to the receiver."""
    names = {(t['saddr'], t['daddr']) for t in (way['tuple'], *way['tuples'])}
    return any(form in names for form in top.tuples(version))


def is_whole(way, path, proto):
    """All stations, all of the packet, and its end where that is known."""
    if missing(way, path):
        return False
    if proto not in ('tcp', 'bulk') or way.get('fate') == 'delivered':
        return True
    return any(s.get('drop', {}).get('reason') in AGAIN for s in way['steps'])


def run_kind(bench, version, proto, tally, packets=PACKETS, whole_by=is_whole):
    """One protocol through the topology."""
    top = bench.top
    name = 'icmpv6' if (proto, version) == ('icmp', 6) else \
        'tcp' if proto == 'bulk' else proto
    ident = bench.trace(**top.filter(version), proto=name)
    if proto == 'bulk':
        sent = top.bulk(version, BULK)
    else:
        sent = top.send(proto, version, packets)
    require(sent.received == sent.count, f'{sent} did not all arrive')
    ways, state = bench.ways(ident)
    least = {'udp': 200, 'tcp': 200, 'bulk': 200,
             'icmp': 84 if version == 4 else 104}[proto]
    ways = [w for w in ways if w['len'] >= least and
            is_mine(top, version, w)]
    path = top.path('tcp' if proto == 'bulk' else proto)
    whole = sum(whole_by(w, path, proto) for w in ways)
    # A packet of which nothing was seen is no whole way either.
    count = max(len(ways), packets)
    if proto == 'bulk':
        unseen = max(0, BULK - sum(w['len'] for w in ways))
        count = len(ways) + -(-unseen // MSS)
    tally[f'{proto}{version}'] = (whole, count, lost(state))


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
        for kind, (whole, sent, losses) in tally.items():
            if whole < sent:
                print(f'    {label} {kind}: {whole} of {sent} whole, {losses}',
                      flush=True)
    return by_case


def measure(full):
    """The figure; each sample is a case's share."""
    by_case = paths(full)
    rows = [row for tally in by_case.values() for row in tally.values()]
    shares = [sum(r[0] for r in t.values()) / sum(r[1] for r in t.values())
              for t in by_case.values()]
    return [Figure('paths_complete_core',
                   sum(r[0] for r in rows) / sum(r[1] for r in rows),
                   samples=shares, goal='>= 0.99',
                   note=f'{sum(r[1] for r in rows)} packets')]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
