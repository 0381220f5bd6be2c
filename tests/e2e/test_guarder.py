# SPDX-License-Identifier: MIT
"""The guarder on real packets: what it drops, what it counts, what stays."""

import signal
import sqlite3
import socket
import sys
import time

import pytest

from lab import ApiError, Daemon, Lab, Suite, bin_path, packet, traffic, \
    wait_for

pytestmark = pytest.mark.daemons('guarder', 'gateway')
BOTH = pytest.mark.parametrize('version', [4, 6])
PARTS = ('guarder', 'gateway')
ETH = 14
IP = {4: 20, 6: 40}


class Node:
    """A suite's guarder in a namespace of its own, and a peer on a veth."""

    def __init__(self, lab, *args):
        self.lab = lab
        self.ns, self.peer = lab.ns('node'), lab.ns('peer')
        self.link = lab.veth(self.ns, self.peer)
        self.suite = Suite(lab, ns=self.ns, daemons=PARTS,
                           args={'guarder': args})

    def __enter__(self):
        self.suite.start()
        # Known to the gateway by its heartbeat is not yet reachable by it.
        wait_for(self.answers, 15, what='guarder answers')
        return self

    def __exit__(self, *exc):
        self.suite.stop()

    @property
    def api(self):
        """The client."""
        return self.suite.client

    @property
    def guarder(self):
        """The daemon."""
        return self.suite['guarder']

    def add(self, **rule):
        """Makes a rule."""
        return self.api.post('rules', rule)

    def hits(self, rule):
        """(packets, bytes) of a rule now."""
        got = self.api.get(f'rules/{rule}')
        return got['hit_packets'], got['hit_bytes']

    def stats(self):
        """The statistics of the veth's end."""
        every = self.api.get('stats')['interfaces']
        return next((i for i in every
                     if i['ifname'] == self.link.a.name), None)

    def restart(self):
        """Starts the guarder and waits until the gateway reaches it."""
        self.guarder.start()
        wait_for(self.answers, 15, what='guarder answers')

    def answers(self):
        """True once a request gets through."""
        try:
            return self.api.get('stats')
        except (ApiError, OSError):
            return None

    def udp(self, version, count, port, size=64):
        """Datagrams from the peer; how many came."""
        return traffic.udp(self.peer, self.ns, self.link.a.addr(version),
                           count, size, port=port).received

    def flush(self):
        """--flush; its exit code."""
        return self.guarder.run_once('--flush', '--run-dir',
                                     self.guarder.run_dir).returncode

    def xdp(self):
        """What `ip link` says of XDP on the veth's end."""
        return self.ns.ip('-j', '-d', 'link', 'show', 'dev',
                          self.link.a.name)[0].get('xdp')


@pytest.fixture
def node(lab):
    """A running Node."""
    with Node(lab) as one:
        yield one


FLOOD = '''
import signal, socket, sys, time
stop = []
signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
addr, port = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET,
                     socket.SOCK_DGRAM)
sock.connect((addr, port))
n = 0
while not stop:
    try:
        sock.send(b'x' * 64)
        n += 1
    except ConnectionRefusedError:
        pass
    time.sleep(0.0005)
print(n, flush=True)
'''


class Flood:
    """Datagrams without an end, and who receives them."""

    def __init__(self, node, version, port):
        addr = node.link.a.addr(version)
        self.rx = node.ns.socket(traffic.family(addr), socket.SOCK_DGRAM)
        self.rx.bind((addr, port))
        self.rx.settimeout(0.2)
        self.tx = node.peer.popen([sys.executable, '-c', FLOOD, addr, port],
                                  stdout=-1, text=True)

    def stop(self):
        """(sent, received)."""
        self.tx.send_signal(signal.SIGTERM)
        sent = int(self.tx.communicate(timeout=10)[0])
        got = 0
        with self.rx:
            try:
                while self.rx.recv(2048):
                    got += 1
            except TimeoutError:
                pass
        return sent, got


def syn(node, version, port, flags='S'):
    """A TCP segment from the peer, as a frame."""
    src, dst = node.link.b, node.link.a
    body = packet.ip(src.addr(version), dst.addr(version),
                     packet.tcp(40000, port, flags))
    return packet.eth(dst.mac, src.mac, body)


@BOTH
def test_hits_are_exact(node, version):
    icmp = 'icmp' if version == 4 else 'icmpv6'
    node.add(id='udp', action='drop', proto='udp', dport='5001',
             family=version)
    node.add(id='syn', action='drop', proto='tcp', dport='80-81',
             tcp_flags_set=['syn'], tcp_flags_unset=['ack'])
    node.add(id='echo', action='drop', proto=icmp,
             icmp_type=8 if version == 4 else 128)
    sent, seen = node.link.b.counters(), node.stats()
    assert node.udp(version, 300, 5001) == 0
    assert node.udp(version, 50, 5002) == 50
    # IPv4 and IPv6 count apart: the other version passes.
    assert node.udp(10 - version, 20, 5001) == 20
    frames = [syn(node, version, 81)] * 70
    traffic.frames(node.link.b, frames)
    traffic.frames(node.link.b, [syn(node, version, 81, 'SA')] * 5)
    got = traffic.icmp(node.peer, node.link.a.addr(version), 40, timeout=0.3)
    assert got.received == 0
    head = ETH + IP[version]
    assert node.hits('udp') == (300, 300 * (head + 8 + 64))
    assert node.hits('syn') == (70, sum(map(len, frames)))
    assert node.hits('echo') == (40, 40 * (head + 8 + 56))
    now, moved = node.stats(), node.link.b.counters() - sent
    diff = {k: now[k] - seen[k] for k in now if isinstance(now[k], int)}
    assert diff['dropped_packets'] == 300 + 70 + 40
    assert diff['seen_packets'] == moved.tx_packets
    assert diff['seen_packets'] == \
        diff['passed_packets'] + diff['dropped_packets']
    assert diff['seen_bytes'] == diff['passed_bytes'] + diff['dropped_bytes']
    assert diff['unparsed_packets'] == 0


def test_order_and_pass(node):
    """The first in (priority, id) decides; a disabled one does not."""
    node.add(id='b', action='drop', proto='udp', priority=10)
    assert node.udp(4, 10, 5001) == 0
    node.add(id='a', action='pass', proto='udp', dport='5001', priority=10)
    assert node.udp(4, 10, 5001) == 10
    assert node.udp(4, 10, 5002) == 0
    node.api.put('rules/a', {'action': 'pass', 'proto': 'udp',
                             'dport': '5001', 'priority': 11})
    assert node.udp(4, 10, 5001) == 0
    assert node.hits('a')[0] == 10
    node.api.put('rules/b', {'action': 'drop', 'proto': 'udp',
                             'priority': 10, 'enabled': False})
    assert node.udp(4, 10, 5002) == 10
    node.api.delete('rules/b')
    node.api.delete('rules/a')
    wait_for(lambda: not node.xdp(), 3)


@BOTH
def test_kill_leaves_no_gap(node, version):
    """kill -9 and SIGTERM under fire: nothing passes, all is counted."""
    node.add(id='x', action='drop', proto='udp', dport='5001')
    flood = Flood(node, version, 5001)
    time.sleep(0.3)
    for end in (node.guarder.kill, node.guarder.stop):
        end()
        time.sleep(0.3)
        node.restart()
        time.sleep(0.2)
    sent, received = flood.stop()
    assert received == 0 and sent > 500
    assert node.hits('x') == (sent, sent * (ETH + IP[version] + 8 + 64))
    assert 'counters from the kernel' in node.guarder.log()
    assert node.api.get('stats')['rules'] == 1


def test_swap_is_atomic(node):
    """Sets change places under fire; each packet is dropped by one."""
    sets = [[{'id': x, 'action': 'drop', 'proto': 'udp', 'priority': p}
             for x, p in zip(order, (1, 2))] for order in ('ab', 'ba')]
    node.api.put('ruleset', {'rules': sets[0]})
    flood = Flood(node, 4, 5001)
    for i in range(40):
        node.api.put('ruleset', {'rules': sets[i % 2]})
    sent, received = flood.stop()
    a, b = node.hits('a'), node.hits('b')
    assert received == 0
    assert a[0] + b[0] == sent
    assert a[0] and b[0]


def test_after_reboot(node):
    """Without pins, rules and the saved counters are back; none twice."""
    node.add(id='x', action='drop', proto='udp', dport='5001', comment='c')
    assert node.udp(4, 25, 5001) == 0
    before = node.api.get('rules/x')
    for more in (10, 0):
        assert node.guarder.stop() == 0
        assert node.flush() == 0
        assert not node.xdp()
        node.restart()
        after = node.api.get('rules/x')
        assert after == before
        assert node.udp(4, more, 5001) == 0
        before['hit_packets'] += more
        before['hit_bytes'] += more * (ETH + 20 + 8 + 64)
    assert node.api.get('rules/x') == before


def test_counters_are_saved_while_running(lab):
    """A power cut takes no more than one interval."""
    node = Node(lab, '--checkpoint', '200ms')
    with node:
        node.add(id='x', action='drop', proto='udp', dport='5001')
        assert node.udp(4, 25, 5001) == 0
        path = node.guarder.state_dir / 'guarder.db'

        def saved():
            with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as db:
                return db.execute('SELECT hit_packets FROM rules').fetchone()
        wait_for(lambda: saved() == (25,), 5)
        node.guarder.kill()
        assert node.flush() == 0
        node.restart()
        assert node.hits('x')[0] == 25


def test_flush_leaves_nothing(node):
    node.add(id='x', action='drop', proto='udp')
    assert node.xdp()
    # A running guarder would attach again at once.
    assert node.flush() == 3
    assert node.guarder.stop() == 0
    assert node.xdp()
    assert node.udp(4, 5, 5001) == 0
    assert node.flush() == 0
    assert not node.xdp()
    assert node.udp(4, 5, 5001) == 5
    links = node.ns.run('bpftool', '-j', 'link', 'show').stdout
    assert f'"ifindex":{node.link.a.index},' not in links or \
        node.link.a.name not in links
    assert node.flush() == 0


def test_two_suites(lab):
    """Side by side, and what one does is nothing to the other."""
    with Lab('guarder_two') as second:
        one, two = Node(lab), Node(second)
        with one, two:
            one.add(id='x', action='drop', proto='udp')
            two.add(id='x', action='drop', proto='tcp')
            assert one.udp(4, 10, 5001) == 0
            assert two.udp(4, 10, 5001) == 10
            assert one.hits('x')[0] == 10
            assert two.hits('x')[0] == 0
            assert two.guarder.stop() == 0
            assert two.flush() == 0
            assert not two.xdp() and one.xdp()
            assert one.udp(4, 10, 5001) == 0


def test_second_instance_leaves(node):
    other = Daemon(node.lab, 'guarder', ns=node.ns,
                   run_dir=node.guarder.run_dir)
    other.start(wait=False)
    assert other.proc.wait(10) == 3
    assert 'place_taken' in other.log()


def test_foreign_program_is_left(node):
    """Another's XDP program: said, not touched, taken over when it goes."""
    other = Node.__new__(Node)
    other.__dict__.update(node.__dict__)
    node.add(id='x', action='drop', proto='udp')
    mine = node.xdp()
    with Lab('guarder_foreign') as second:
        other.suite = Suite(second, ns=node.ns, daemons=PARTS)
        with other:
            other.add(id='y', action='drop', proto='tcp')
            stats = other.stats()
            assert 'mode' not in stats
            assert 'another XDP program' in stats['reason']
            assert node.xdp() == mine
            assert node.udp(4, 10, 5001) == 0
            wait_for(lambda: 'foreign_xdp' in other.guarder.log(), 3)
            node.api.delete('rules/x')
            wait_for(lambda: other.stats().get('mode'), 15)
            assert 'reason' not in other.stats()


def test_interfaces_come_and_go(node):
    node.add(id='x', action='drop', proto='udp')
    late = node.lab.ns('late')
    link = node.lab.veth(node.ns, late)

    def names():
        return {i['ifname'] for i in node.api.get('stats')['interfaces']
                if i.get('mode')}
    wait_for(lambda: names() == {node.link.a.name, link.a.name}, 5)
    got = traffic.udp(late, node.ns, link.a.v4, 10, port=5001)
    assert got.received == 0
    link.a.ns.ip('link', 'del', link.a.name)
    wait_for(lambda: names() == {node.link.a.name}, 5)
    # A rule of an interface that is not there yet.
    node.api.put('ruleset', {'rules': [
        {'id': 'y', 'action': 'drop', 'proto': 'udp',
         'interface': 'soon0'}]})
    link = node.lab.veth(node.ns, late, names=('soon0', 'soon1'))
    wait_for(lambda: 'soon0' in names(), 5)
    got = traffic.udp(late, node.ns, link.a.v4, 10, port=5001)
    assert got.received == 0
    assert node.udp(4, 10, 5001) == 10
    assert node.hits('y')[0] == 10


def test_named_interfaces(lab):
    node = Node(lab, '--interfaces', 'lo')
    with node:
        node.add(id='x', action='drop', proto='udp', dport='5001')
        (only,) = node.api.get('stats')['interfaces']
        assert (only['ifname'], only['mode']) == ('lo', 'xdp-generic')
        assert node.udp(4, 5, 5001) == 5
        got = traffic.udp(node.ns, node.ns, '127.0.0.1', 5, port=5001)
        assert got.received == 0


def test_another_layout_is_replaced(node):
    """Pins of another version: new maps, and no packet in between."""
    node.add(id='x', action='drop', proto='udp', dport='5001')
    assert node.udp(4, 10, 5001) == 0
    flood = Flood(node, 4, 5001)
    assert node.guarder.stop() == 0
    pins = node.lab.host.run('find', '/sys/fs/bpf/packetscope', '-name',
                             'map_meta').stdout.split()
    ours = [p for p in pins if f'link_{node.link.a.index}' in
            node.lab.host.run('ls', p.rsplit('/', 1)[0]).stdout]
    assert ours
    for path in ours:
        node.lab.host.run('bpftool', 'map', 'update', 'pinned', path, 'key',
                          '0', '0', '0', '0', 'value', 'hex',
                          *(['ff'] * 4 + ['00'] * 4 + ['11'] * 8))
    node.restart()
    time.sleep(0.2)
    sent, received = flood.stop()
    assert received == 0 and sent > 100
    assert 'maps_replaced' in node.guarder.log()
    # What was counted in the old maps after the last save is not there.
    assert 10 < node.hits('x')[0] <= 10 + sent


BAD = [
    ({}, 'action'),
    ({'action': 'stop'}, 'action'),
    ({'action': 'drop', 'nonsense': 1}, 'nonsense'),
    ({'action': 'drop', 'src': '10.0.0.1/8'}, 'src'),
    ({'action': 'drop', 'src': '300.0.0.1'}, 'src'),
    ({'action': 'drop', 'dport': '80'}, 'dport'),
    ({'action': 'drop', 'proto': 'tcp', 'dport': '2-1'}, 'dport'),
    ({'action': 'drop', 'proto': 'tcp', 'dport': '65536'}, 'dport'),
    ({'action': 'drop', 'proto': 'udp', 'tcp_flags_set': ['syn']},
     'tcp_flags_set'),
    ({'action': 'drop', 'proto': 'tcp', 'tcp_flags_set': ['xyz']},
     'tcp_flags_set'),
    ({'action': 'drop', 'proto': 'icmp', 'family': 6}, 'proto'),
    ({'action': 'drop', 'icmp_type': 8}, 'icmp_type'),
    ({'action': 'drop', 'priority': -1}, 'priority'),
    ({'action': 'drop', 'interface': 'a/b'}, 'interface'),
    ({'action': 'drop', 'id': '..'}, 'id'),
]


def test_bad_input_changes_nothing(node):
    node.add(id='x', action='drop', proto='udp')
    before = node.api.get('rules')
    for body, field in BAD:
        with pytest.raises(ApiError) as err:
            node.api.post('rules', body)
        assert err.value.status == 400, body
        assert field in err.value.problem['field'], (body,
                                                     err.value.problem)
        with pytest.raises(ApiError) as err:
            node.api.put('ruleset', {'rules': [{'action': 'drop'}, body]})
        assert err.value.status == 400
        assert 'rules[1]' in err.value.problem['field']
    for call, status, kind in [
            (lambda: node.add(id='x', action='pass'), 409, 'rule.exists'),
            (lambda: node.api.get('rules/none'), 404, 'rule.not_found'),
            (lambda: node.api.delete('rules/none'), 404, 'rule.not_found'),
            (lambda: node.api.put('rules/none', {'action': 'drop'}), 404,
             'rule.not_found'),
            (lambda: node.api.put('rules/x', {'action': 'drop', 'id': 'y'}),
             400, 'request.invalid'),
            (lambda: node.api.put('ruleset', {
                'rules': [], 'if_generation': 77}), 409,
             'ruleset.generation_conflict'),
            (lambda: node.api.put('ruleset', {
                'rules': [{'action': 'drop', 'id': 'q'}] * 2}), 400,
             'request.invalid'),
            (lambda: node.api.put('ruleset', {
                'rules': [{'action': 'drop'}] * 513}), 400,
             'rule.too_many'),
            (lambda: node.api.get('rules', limit=0), 400, None),
            (lambda: node.api.get('rules', addr='nowhere'), 400, None)]:
        with pytest.raises(ApiError) as err:
            call()
        assert err.value.status == status, err.value.problem
        assert kind is None or kind in str(err.value.problem)
    after = node.api.get('rules')
    assert (after['generation'], after['total']) == (before['generation'], 1)


def test_pages_and_address_filter(node):
    rules = [{'action': 'drop', 'src': f'10.{i}.0.0/16'} for i in range(150)]
    rules.append({'id': 'any', 'action': 'pass', 'priority': 9999})
    got = node.api.put('ruleset', {'rules': rules, 'if_generation': 0})
    assert got['generation'] == 1 and got['total'] == 151
    assert len(node.api.get('rules')['rules']) == 100
    assert len(list(node.api.pages('rules', 'rules', limit=40))) == 151
    found = node.api.get('rules', addr='10.7.1.1')
    assert [r.get('src') for r in found['rules']] == ['10.7.0.0/16', None]
    assert node.api.get('rules', addr='fd00::1')['total'] == 1


def test_corrupt_store(node):
    """It says so and leaves; what is in force stays in force."""
    node.add(id='x', action='drop', proto='udp')
    assert node.guarder.stop() == 0
    path = node.guarder.state_dir / 'guarder.db'
    good = path.read_bytes()
    path.write_bytes(b'this is not a database' * 100)
    node.guarder.start(wait=False)
    assert node.guarder.proc.wait(15) == 1
    assert 'guarder.db' in node.guarder.log()
    assert path.read_bytes().startswith(b'this is not')
    assert node.udp(4, 5, 5001) == 0
    path.write_bytes(good)
    node.restart()
    assert node.api.get('rules/x')['id'] == 'x'


def test_selftest_leaves_nothing(lab):
    run_dir = lab.scratch if getattr(lab, 'scratch', None) else None
    probe = Daemon(lab, 'guarder', run_dir=run_dir)
    got = probe.run_once('--selftest', '--run-dir', probe.run_dir,
                         '--state-dir', probe.state_dir)
    assert got.returncode == 0, got.stderr
    assert 'capability guarder.xdp ok' in got.stdout
    assert bin_path('guarder').exists()
    assert lab.host.run(bin_path('guarder'), '--flush', '--run-dir',
                        probe.run_dir).returncode == 0
