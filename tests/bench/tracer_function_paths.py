# SPDX-License-Identifier: MIT
"""Whether the function tier's ways are whole, in the 6.12 machine.

paths_complete_function: of the packets that were sent through each topology
(TCP, UDP and ICMP; IPv4 and IPv6) the share whose way shows the functions below
and every station of the topology (lab/topology.py), in order. What is missing
of a way counts against it, whatever the reason.
"""

import argparse
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402  (after the path)
from function_vm import run_here  # noqa: E402
from lab import Lab  # noqa: E402
from lab.tracing import inum  # noqa: E402
from tracing import Bench  # noqa: E402
import tracer_paths  # noqa: E402

KERNEL = '6.12'
TOPOLOGIES = ('plain', 'snat', 'vxlan')
KINDS = ('udp', 'tcp', 'icmp')
# What a packet passes at its ends, by IP version; {4: ..., 6: ...} of each.
SENT = {4: ['ip_output', '__dev_queue_xmit', 'dev_hard_start_xmit'],
        6: ['ip6_output', '__dev_queue_xmit', 'dev_hard_start_xmit']}
COMES = {4: ['ip_rcv', 'ip_local_deliver'], 6: ['ipv6_rcv', 'ip6_input']}
UP = {('udp', 4): 'udp_rcv', ('udp', 6): 'udpv6_rcv',
      ('tcp', 4): 'tcp_v4_rcv', ('tcp', 6): 'tcp_v6_rcv',
      ('icmp', 4): 'icmp_rcv', ('icmp', 6): 'icmpv6_rcv'}


# ---- inside the machine ------------------------------------------------------

def calls_of(top, version, proto):
    """Functions that the way must show, in order: (namespace or None, name).

    The receiver's stack knows no device any more behind its IP layer. What
    comes out of a tunnel comes as a list, without ip_rcv and ipv6_rcv.
    """
    src, dst = inum(top.src), inum(top.dst)
    comes = COMES[version][1:] if top.tunnel else COMES[version]
    return [(src, name) for name in SENT[version]] + \
        [(dst, name) for name in comes] + \
        [(None, UP[proto, version])]


def lacks(way, calls):
    """The first of these that the way does not show in this order."""
    steps = iter(way['steps'])
    for number, name in calls:
        if not any('depth' in s and s['station'] == name and
                   number in (None, s.get('netns', number)) for s in steps):
            return name
    return None


def one_kind(bench, version, proto, count):
    """Prints a line: PSPATH topology kind, whole, sent, and what is missing."""
    calls = calls_of(bench.top, version, proto)
    absent = {}

    def whole(way, path, kind):
        gone = lacks(way, calls) or next(
            (x[2] for x in tracer_paths.missing(way, path)), None)
        if gone:
            absent[gone] = absent.get(gone, 0) + 1
        return not gone and tracer_paths.is_whole(way, path, kind)

    tally = {}
    tracer_paths.run_kind(bench, version, proto, tally, count, whole)
    (good, sent, lost), = tally.values()
    print(f'PSPATH {bench.top.name} {proto}{version} {good} {sent} '
          f'{absent or ""} {lost or ""}', flush=True)


def inside(topologies, count):
    """Every kind through each topology."""
    for name in topologies:
        with Lab('fnpaths') as lab, \
                Bench(lab, name, tier='function') as bench:
            for version in (4, 6):
                for proto in KINDS:
                    one_kind(bench, version, proto, count)


# ---- outside -----------------------------------------------------------------

def run(topologies, count):
    """[(topology, kind, whole, sent, the rest)] from one boot."""
    log = run_here(KERNEL, Path(__file__).resolve(),
                   ['--count', count, *topologies], 2400)
    rows = [(m[1], m[2], int(m[3]), int(m[4]), m[5].strip()) for m in
            re.finditer(r'^PSPATH (\S+) (\S+) (\d+) (\d+)(.*)$', log, re.M)]
    if len(rows) != 6 * len(topologies):
        raise RuntimeError('\n'.join(log.splitlines()[-30:]))
    return rows


def measure(full):
    """The figure. full: more packets of each kind."""
    rows = run(TOPOLOGIES, 200 if full else 60)
    good, sent = (sum(row[i] for row in rows) for i in (2, 3))
    return [Figure(
        'paths_complete_function', good / sent, goal='>= 0.999',
        samples=[row[2] / row[3] for row in rows],
        note=f'{sent} packets' + ''.join(
            f'; {row[0]} {row[1]}: {row[2]} of {row[3]} {row[4]}'
            for row in rows if row[2] < row[3]))]


def main():
    """--here is what the machine runs."""
    par = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    par.add_argument('--here', action='store_true',
                     help='on this machine, printing a line for each kind')
    par.add_argument('--full', action='store_true')
    par.add_argument('--count', type=int, default=60)
    par.add_argument('topologies', nargs='*', default=TOPOLOGIES)
    args = par.parse_args()
    if args.here:
        inside(args.topologies, args.count)
    else:
        print(table(measure(args.full)))


if __name__ == '__main__':
    main()
