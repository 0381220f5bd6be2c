# SPDX-License-Identifier: MIT
"""Whether the function tier joins only what belongs together, in 6.12.

false_joins_function: UDP packets of many flows, interleaved, each of a length
that no other one of its flow has. Every step that has a tuple says by its flow
and its length whose it is; a way whose steps belong to two packets was joined
wrongly. Half of them go through native XDP, which gives each a new buffer.
"""

import argparse
import re
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402  (after the path)
from function_vm import run_here  # noqa: E402
from lab import Lab, traffic  # noqa: E402
from tracing import Bench, lost, require  # noqa: E402

KERNEL = '6.12'
# Headers are less than the lengths are apart: IPv6, UDP and Ethernet have 62.
APART, LENGTHS = 64, 20
SO_RCVBUFFORCE = 33


# ---- inside the machine ------------------------------------------------------

def whose(step):
    """(source port, number of its length), or None where it does not say."""
    tup = step.get('tuple') or {}
    if not tup.get('sport') or step.get('len', 0) < APART:
        return None
    return tup['sport'], step['len'] // APART


def send(bench, version, flows):
    """One packet of each flow in turn, with one length after the other."""
    a, b = bench.top.ends
    addr = bench.top.server[version]
    family = traffic.family(addr)
    with b.ns.socket(family, socket.SOCK_DGRAM) as rx:
        rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        rx.bind((addr, 0))
        port = rx.getsockname()[1]
        ident = bench.trace(daddr=addr, dport=port, proto='udp')
        senders = [a.ns.socket(family, socket.SOCK_DGRAM)
                   for _ in range(flows)]
        for sock in senders:
            sock.connect((addr, port))
        for number in range(1, LENGTHS + 1):
            for sock in senders:
                sock.send(bytes(APART * number))
        ways, state = bench.ways(ident)
        for sock in senders:
            sock.close()
    return ways, state


def batch(bench, version, flows):
    """Prints PSJOIN: false joins, ways, those that came up, steps, losses."""
    ways, state = send(bench, version, flows)
    require(len(ways) >= flows * LENGTHS, f'{len(ways)} packets were seen')
    wrong = whole = told = 0
    for way in ways:
        known = [x for x in map(whose, way['steps']) if x]
        told += len(known)
        wrong += len(set(known)) > 1
        places = {s['station'] for s in way['steps'] if 'depth' in s}
        whole += {'dev_hard_start_xmit', 'udp_rcv' if version == 4 else
                  'udpv6_rcv'} <= places
    print(f'PSJOIN {version} {wrong} {len(ways)} {whole} {told} {lost(state)}',
          flush=True)


def inside(flows, batches):
    """Each batch without and with native XDP, of both versions."""
    for xdp in (False, True):
        with Lab('fnjoins') as lab, \
                Bench(lab, 'plain', xdp, tier='function',
                      args=('--cpu-budget', 100,
                            '--ring-size', '128M')) as bench:
            for version in (4, 6):
                for _ in range(batches):
                    batch(bench, version, flows)


# ---- outside -----------------------------------------------------------------

def measure(full):
    """The figure. full: 10,000 packets and not 2,000."""
    batches = 5 if full else 1
    log = run_here(KERNEL, Path(__file__).resolve(),
                   ['--flows', 25, '--batches', batches], 2400)
    rows = [(int(m[1]), *(int(m[i]) for i in range(2, 6)), m[6]) for m in
            re.finditer(r'^PSJOIN (\d) (\d+) (\d+) (\d+) (\d+) (.*)$', log,
                        re.M)]
    require(len(rows) == 4 * batches, log[-2000:])
    wrong, ways, whole, told = (sum(row[i] for row in rows)
                                for i in range(1, 5))
    return [Figure('false_joins_function', wrong, goal='= 0',
                   note=f'{ways} packets, {told} steps that say whose they '
                        f'are; {whole} seen from the sender to the receiver')]


def main():
    """--here is what the machine runs."""
    par = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    par.add_argument('--here', action='store_true',
                     help='on this machine, printing a line for each batch')
    par.add_argument('--full', action='store_true')
    par.add_argument('--flows', type=int, default=25)
    par.add_argument('--batches', type=int, default=1)
    args = par.parse_args()
    if args.here:
        inside(args.flows, args.batches)
    else:
        print(table(measure(args.full)))


if __name__ == '__main__':
    main()
