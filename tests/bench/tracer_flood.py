# SPDX-License-Identifier: MIT
"""Whether the tracer accounts for every packet of a flood.

flood_unexplained: one traced flow of two million packets (200,000 without
--full), the trace with its default limits, so that most of the flood is beyond
them. What is left over, in packets, is the sum of

- for each probe: hits - (delivered + ring_full + throttled + map_full +
  recursion_missed);
- for the trace: hits - (steps + the named losses);
- for each probe that every packet passes: its hits - what others counted there:
  nftables for netfilter's hooks, the interfaces for the devices' tracepoints.
"""

import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab, traffic  # noqa: E402
from tracing import Bench, lost, require  # noqa: E402

FLOOD = 2_000_000
LOSSES = ('ring_full', 'throttled', 'map_full', 'recursion_missed')
# Probe: who counts the same packets. The hooks of the sender's and of the
# receiver's namespace are one probe where both have them.
NFT = {'netfilter:output': 'output', 'netfilter:postrouting': 'postrouting',
       'netfilter:prerouting': 'prerouting', 'netfilter:input': 'input'}
SENT = ('net_dev_queue', 'net_dev_start_xmit')
CAME = ('netif_receive_skb',)
SENDER = '''
import socket, sys
addr, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ':' in addr else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.connect((addr, port))
    data = bytes(64)
    for _ in range(count):
        sock.send(data)
'''


def count_by_nft(ns, addr, port, hooks):
    """Counters for this flow's packets at these hooks."""
    family = 'ip6' if ':' in addr else 'ip'
    chains = ''.join(
        f'counter {hook} {{}}\nchain c{hook} {{ type filter hook {hook} '
        f'priority -400; {family} daddr {addr} udp dport {port} '
        f'counter name {hook}; }}\n' for hook in hooks)
    ns.nft(f'table inet bench {{\n{chains}}}')


def flood(version, count):
    """(unexplained, text)."""
    with Lab('tracerflood') as lab, Bench(lab, 'plain', args=()) as bench:
        a, b = bench.top.ends
        addr = bench.top.server[version]
        with b.ns.socket(traffic.family(addr), socket.SOCK_DGRAM) as rx:
            rx.bind((addr, 0))
            port = rx.getsockname()[1]
            count_by_nft(a.ns, addr, port, ('output', 'postrouting'))
            count_by_nft(b.ns, addr, port, ('prerouting', 'input'))
            ident = bench.trace(max_packets=1000, daddr=addr, dport=port)
            before = a.counters(), b.counters()
            a.ns.run(sys.executable, '-c', SENDER, addr, port, count,
                     timeout=600)
            seen = {
                'sent': (a.counters() - before[0]).tx_packets,
                'came': (b.counters() - before[1]).rx_packets,
                **{name: got[0] for ns in (a.ns, b.ns)
                   for name, got in ns.nft_counters().items()}}
            state = bench.state(ident)
    require(all(n == count for n in seen.values()),
            f'{count} packets were sent, others counted {seen}')
    require(state['state'] == 'running' or state['end_reason'] == 'packets',
            f'the trace was {state["state"]} before the flood was over')
    return explain(state, count)


def explain(state, count):
    """What the sums leave open."""
    named = lost(state)
    sums = abs(state['hits'] - state['steps'] - sum(
        x['count'] for x in state['losses'] if x['unit'] == 'steps'))
    probes = {p['probe']: p for p in state['probes']}
    for probe in probes.values():
        sums += abs(probe['hits'] - probe['delivered'] -
                    sum(probe[k] for k in LOSSES))
    apart = {name: probes.get(name, {'hits': 0})['hits'] - count
             for name in (*NFT, *SENT, *CAME)}
    left = sums + sum(abs(n) for n in apart.values())
    text = f'{count} sent, {state["hits"]} hits, {state["steps"]} steps, ' \
        f'{named}'
    if left:
        text += f'; by probe {({k: n for k, n in apart.items() if n})}'
    return left, text


def measure(full):
    """The figure, of both versions."""
    found = [flood(version, FLOOD if full else FLOOD // 10)
             for version in (4, 6)]
    return [Figure('flood_unexplained', sum(n for n, _ in found), 'packets',
                   goal='= 0', note='; '.join(t for _, t in found))]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
