# SPDX-License-Identifier: MIT
"""Whether the suite counts right, against counters that are not its own.

In each case 100,000 packets or more (TCP, UDP, ICMP; IPv4 and IPv6; both
ways) go over a veth: with segmentation and receive offloads on and off, with
and without the guarder's XDP and rules that drop some of them. The error is
the sum of all differences, in packets:

  analyzer, sent        skbs of the hook  - the interface's own counter
                        packets on wire   - TCP's OutSegs, senders' counts
  analyzer, received    packets           - what the other end sent, less
                                            what the guarder dropped
  analyzer, each flow   packets           - the sender's count
  guarder               seen, passed, dropped, rule hits - the same
"""

import os
import sys
from pathlib import Path

os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import Lab, Suite, traffic, wait_for  # noqa: E402  (after the path)

UDP, BLOCKED, ICMP, TCP_BYTES = 28_000, 2_000, 7_000, 15_000_000
BLOCKED_PORT = 9999
VERSIONS = (4, 6)


class Case:
    """One veth between a node, where the suite runs, and a peer."""

    def __init__(self, lab, offload, guarder):
        self.offload, self.guarder = offload, guarder
        self.node, self.peer = lab.ns('node'), lab.ns('peer')
        self.link = lab.veth(self.node, self.peer)
        for end in self.link:
            end.offload(tso=offload, gso=offload, gro=offload)
        daemons = ('analyzer', 'gateway') + (('guarder',) if guarder else ())
        self.suite = Suite(
            lab, ns=self.node, daemons=daemons,
            args={'guarder': ['--interfaces', self.link.a.name]})
        self.errors = {}
        self.packets = 0

    def differ(self, what, got, want):
        """Notes a difference."""
        if got != want:
            self.errors[what] = abs(got - want)

    def interfaces(self):
        """The analyzer's totals of both ends."""
        got = {}
        for row in self.suite.client.pages('interfaces', 'interfaces',
                                           limit=1000):
            for side, end in (('a', self.link.a), ('b', self.link.b)):
                if row['netns'] == netns_of(end.ns) and \
                        row.get('ifname') == end.name:
                    got[side] = row
        return got

    def guarded(self):
        """The guarder's statistics of the node's end."""
        stats = self.suite.client.get('stats')['interfaces']
        return next(i for i in stats
                    if i.get('ifname') == self.link.a.name)

    def segments(self):
        """TCP segments that each end's namespace sent, on any interface."""
        tcp = {side: end.ns.snmp()['Tcp'] for side, end in
               (('a', self.link.a), ('b', self.link.b))}
        return {side: int(got['OutSegs']) + int(got['RetransSegs'])
                for side, got in tcp.items()}

    def snapshot(self):
        """All counters now, ours and theirs, but for the segments: asking
        the gateway makes some on the node's loopback."""
        self.link.settle()
        return {
            'ours': self.interfaces(),
            'theirs': {'a': self.link.a.counters(),
                       'b': self.link.b.counters()},
            'guard': self.guarded() if self.guarder else None,
        }

    def send(self):
        """The traffic: {side: packets sent by it}, and the flows."""
        sent = {'a': 0, 'b': 0, 'flows': []}
        old = self.segments()
        for version in VERSIONS:
            addr = self.link.a.addr(version)
            udp = traffic.udp(self.peer, self.node, addr, UDP, 200)
            traffic.tcp(self.peer, self.node, addr, TCP_BYTES // 2,
                        connections=2)
            ping = traffic.icmp(self.peer, addr, ICMP)
            sent['flows'].append((version, udp.dst_port, udp.sent))
            self.differ(f'replies v{version}', ping.received, ping.sent)
            sent['b'] += udp.sent + ping.sent
            sent['a'] += ping.received
            if self.guarder:
                lost = traffic.udp(self.peer, self.node, addr, BLOCKED, 100,
                                   port=BLOCKED_PORT)
                self.differ(f'blocked v{version}', lost.received, 0)
                sent['b'] += lost.sent
        self.link.settle()
        for side, segs in self.segments().items():
            sent[side] += segs - old[side]
        return sent

    def check_flow(self, version, port, sent):
        """One UDP flow at the receiver, by the sender's count."""
        got = self.suite.client.get(
            'flows', proto='udp', laddr=self.link.a.addr(version),
            lport=port, netns=netns_of(self.node))
        self.differ(f'flow v{version}', got['rx']['packets'], sent)

    def check(self, old, new, sent):
        """Every counter of ours against one that is not."""
        wire = {}
        for side in 'ab':
            ours = {way: {unit: new['ours'][side][way][unit] -
                          old['ours'][side][way][unit]
                          for unit in ('skbs', 'packets')}
                    for way in ('rx', 'tx')}
            theirs = new['theirs'][side] - old['theirs'][side]
            wire[side] = ours
            self.packets += ours['tx']['packets']
            # What the other end's queue refused was sent by us, and is in
            # the interface's other counter.
            self.differ(f'tx skbs {side}', ours['tx']['skbs'],
                        theirs.tx_packets + theirs.tx_dropped)
            self.differ(f'tx packets {side}', ours['tx']['packets'],
                        sent[side])
        for flow in sent['flows']:
            self.check_flow(*flow)
        dropped = self.check_guard(old, new, wire) if self.guarder else 0
        self.differ('rx packets a', wire['a']['rx']['packets'],
                    wire['b']['tx']['packets'] - dropped)
        self.differ('rx packets b', wire['b']['rx']['packets'],
                    wire['a']['tx']['packets'])

    def check_guard(self, old, new, wire):
        """The guarder's counts; gives what it dropped."""
        delta = {key: new['guard'][key] - old['guard'][key] for key in
                 ('seen_packets', 'passed_packets', 'dropped_packets')}
        theirs = new['theirs']['a'] - old['theirs']['a']
        want = BLOCKED * len(VERSIONS)
        hits = sum(rule['hit_packets'] for rule in
                   self.suite.client.get('rules')['rules'])
        self.differ('guarder seen', delta['seen_packets'],
                    wire['b']['tx']['packets'])
        self.differ('guarder seen by the interface', delta['seen_packets'],
                    theirs.rx_packets)
        self.differ('guarder dropped', delta['dropped_packets'], want)
        self.differ('guarder hits', hits, want)
        self.differ('guarder passed', delta['passed_packets'],
                    wire['a']['rx']['packets'])
        return delta['dropped_packets']

    def run(self):
        """The whole case."""
        with self.suite:
            if self.guarder:
                self.suite.client.post('rules', {
                    'action': 'drop', 'proto': 'udp',
                    'dport': str(BLOCKED_PORT)})
                wait_for(lambda: self.guarded().get('mode'), 10)
            # A packet each way, so that both ends are known.
            for version in VERSIONS:
                traffic.icmp(self.peer, self.link.a.addr(version), 1)
            old = self.snapshot()
            self.link.settle()
            sent = self.send()
            self.check(old, self.snapshot(), sent)
        return self


def netns_of(namespace):
    """Inode number of a namespace of the lab."""
    return os.stat(f'/run/netns/{namespace.name}').st_ino


def measure(cases=((True, False), (False, False), (True, True),
                   (False, True))):
    """Runs the cases (offloads, guarder): the error, and what it is made of.

    {'count_error_packets': 0, 'packets': …, 'cases': {name: {…}}}
    """
    out = {'count_error_packets': 0, 'packets': 0, 'cases': {}}
    for offload, guarder in cases:
        name = ('offloads' if offload else 'no offloads') + \
            (', guarder' if guarder else '')
        with Lab('counterror') as lab:
            case = Case(lab, offload, guarder).run()
        out['count_error_packets'] += sum(case.errors.values())
        out['packets'] += case.packets
        out['cases'][name] = {'packets': case.packets, **case.errors}
    return out


if __name__ == '__main__':
    print(measure())
