# SPDX-License-Identifier: MIT
"""Which rule dropped a packet: planted rules of the guarder."""

import socket
import time

import pytest

from lab import ApiError, Suite, bpfprog, packet, wait_for

pytestmark = pytest.mark.daemons('tracer', 'guarder', 'gateway')
BOTH = pytest.mark.parametrize('version', [4, 6])
N = 5


class Plant:
    """A guarder at b's end of a veth, and a tracer."""

    def __init__(self, lab, version, bridged=False):
        self.lab, self.version = lab, version
        self.a, self.b = lab.ns('a'), lab.ns('b')
        self.link = lab.veth(self.a, self.b)
        self.family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self.addr = self.link.b.addr(version)
        self.ident = None
        self.suite = Suite(
            lab, ns=self.b, daemons=('tracer', 'guarder', 'gateway'),
            args={'tracer': ['--cpu-budget', '100'],
                  'guarder': ['--interfaces',
                              'br0' if bridged else self.link.b.name]})
        if bridged:
            self._bridge()

    def _bridge(self):
        """A bridge has no native XDP."""
        four, six = self.link.b.v4, self.link.b.v6
        name = self.link.b.name
        self.b.ip('link', 'add', 'br0', 'type', 'bridge')
        self.b.ip('link', 'set', 'br0', 'address', self.link.b.mac)
        self.b.ip('addr', 'flush', 'dev', name)
        self.b.ip('link', 'set', name, 'master', 'br0')
        self.b.ip('link', 'set', 'br0', 'up')
        self.b.ip('addr', 'add', f'{four}/24', 'dev', 'br0')
        self.b.ip('addr', 'add', f'{six}/64', 'dev', 'br0', 'nodad')

    def __enter__(self):
        self.suite.start()
        wait_for(self.answer, 15, what='both answer')
        self._meet()
        return self

    def __exit__(self, *exc):
        self.suite.stop()

    @property
    def api(self):
        """The client."""
        return self.suite.client

    def answer(self):
        """Do both daemons?"""
        try:
            self.api.get('traces')
            return self.api.get('stats') is not None
        except ApiError:
            return False

    def _meet(self):
        """Until the tracer has found the guarder: a trace that begins before
        waits for nobody."""
        rule = self.rule(dport='9')
        self.trace(daddr=self.addr, dport=9, proto='udp')
        wait_for(lambda: self.send(9, 1) or any(
            'rule' in drop for _, drop in self.drops(9)), 15,
            what='the tracer has found the guarder')
        self.api.delete(f'traces/{self.ident}')
        self.api.delete(f'rules/{rule}')

    def mode(self):
        """How the guarder's program is attached."""
        return {i.get('mode') for i in self.api.get('stats')['interfaces']}

    def rule(self, **fields):
        """A rule that drops."""
        return self.api.post('rules', {'action': 'drop', 'proto': 'udp',
                                       **fields})['id']

    def trace(self, **fields):
        """From here on the packets to b are followed."""
        self.ident = self.api.post('traces', {
            'tier': 'core', 'filter': fields or {'daddr': self.addr},
            'duration_ns': 60 * 10**9})['id']

    def send(self, port, count=N):
        """Datagrams from a, each with a content of its own."""
        with self.a.socket(self.family, socket.SOCK_DGRAM) as sock:
            for i in range(count):
                sock.sendto(f'{port} {i}'.encode(), (self.addr, port))

    def ways(self, port):
        """The packets to a port."""
        every = self.api.pages(f'traces/{self.ident}/packets', 'packets',
                               limit=1000)
        return [w for w in every if w['tuple'].get('dport') == port]

    def drops(self, port):
        """The drops of packets to a port, each with its step."""
        return [(s, s['drop']) for w in self.ways(port) for s in w['steps']
                if 'drop' in s]

    def ruled(self, port, count=N):
        """All drops to a port once each has a rule."""
        def found():
            got = [d for _, d in self.drops(port)]
            return got if len(got) >= count and all(
                'rule' in d for d in got) else None
        got = wait_for(found, 10, what=f'rules of drops to {port}')
        assert len(got) == count
        trace = self.api.get(f'traces/{self.ident}')
        assert trace['hits'] == trace['steps'] + sum(
            x['count'] for x in trace['losses'])
        return got


def check(plant):
    """Each packet is told by the rule that dropped it, and no other."""
    first = plant.rule(dport='4001', comment='the first')
    second = plant.rule(dport='4002', priority=10)
    both = plant.rule(dport='4000-4010', priority=20)
    plant.trace()
    for port in (4001, 4002, 4003):
        plant.send(port)
    by_port = {port: plant.ruled(port) for port in (4001, 4002, 4003)}
    assert {d['rule']['id'] for d in by_port[4001]} == {both}
    assert {d['rule']['id'] for d in by_port[4002]} == {second}
    assert {d['rule']['id'] for d in by_port[4003]} == {both}
    plant.api.delete(f'rules/{both}')
    plant.send(4001)
    found = [d['rule'] for d in plant.ruled(4001, 2 * N)]
    assert [r['id'] for r in found] == [both] * N + [first] * N
    for rule in found:
        assert rule['kind'] == 'guarder' and rule['inferred'] is False
    assert found[-1]['text'] == 'drop udp dport 4001 (the first)'
    return by_port


@BOTH
def test_rules_of_the_driver(lab, version):
    """Native: veth frees a buffer for it."""
    with Plant(lab, version) as plant:
        plant.rule(dport='1')
        assert plant.mode() & {'xdp', 'xdp.frags'}
        for drops in check(plant).values():
            assert {d['advice_id'] for d in drops} == {'xdp'}
            assert {'function' in d for d in drops} == {True}
        assert {w['fate'] for w in plant.ways(4001)} == {'dropped'}


@BOTH
def test_rules_of_the_stack(lab, version):
    """Generic."""
    with Plant(lab, version, bridged=True) as plant:
        plant.rule(dport='1')
        assert plant.mode() == {'xdp-generic'}
        check(plant)


@BOTH
def test_drops_without_a_buffer(lab, version):
    """A driver that has not made one yet: nothing but the guarder sees it."""
    with Plant(lab, version) as plant:
        rule = plant.rule(dport='4001')
        plant.trace(daddr=plant.addr, dport=4001, proto='udp')
        src = plant.link.a.addr(version)
        bpfprog.send_raw(plant.link.a, [
            packet.eth(plant.link.b.mac, plant.link.a.mac, packet.ip(
                src, plant.addr, packet.udp(1000, 4001, b'%d' % i), ident=i))
            for i in range(N)])
        drops = plant.ruled(4001)
        assert {d['rule']['id'] for d in drops} == {rule}
        assert {d['advice_id'] for d in drops} == {'xdp'}
        for way in plant.ways(4001):
            (step,) = way['steps']
            assert step['station'] == 'xdp:drop' and step['layer'] == 'xdp'
            assert step['ifname'] == plant.link.b.name
            assert step['tuple'] == way['tuple']
            assert way['tuple']['saddr'] == src and way['fate'] == 'dropped'
        trace = plant.api.get(f'traces/{plant.ident}')
        (probe,) = [p for p in trace['probes'] if p['probe'] == 'xdp:drop']
        assert probe['hits'] == probe['delivered'] == N
        # What the trace does not ask for is not shown.
        plant.rule(dport='4002')
        bpfprog.send_raw(plant.link.a, [
            packet.eth(plant.link.b.mac, plant.link.a.mac, packet.ip(
                src, plant.addr, packet.udp(1000, 4002)))])
        time.sleep(0.3)
        assert not plant.ways(4002)


def test_without_a_guarder(lab):
    """A drop that is another's has no rule."""
    with Plant(lab, 4) as plant:
        plant.suite['guarder'].stop()
        plant.b.ip('link', 'set', 'dev', plant.link.b.name, 'xdp', 'off')
        with bpfprog.on(plant.link.b, bpfprog.XDP, flags=bpfprog.DRV_MODE):
            plant.trace()
            plant.send(4001)
            drops = wait_for(lambda: (lambda d: d if len(d) == N else None)(
                plant.drops(4001)), 10)
            time.sleep(0.3)
        assert not any('rule' in d for _, d in drops)
