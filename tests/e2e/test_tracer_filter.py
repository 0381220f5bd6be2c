# SPDX-License-Identifier: MIT
"""What a trace follows: each field of a filter; changes while it runs."""

import base64
import os
import re
import socket
import threading
import time
from datetime import datetime

import pytest

from lab import ApiError, traffic, wait_for
from lab.tracing import (check_sums, check_way, inum, linked, packets,
                         settled, stations, trace)
from lab.wait import SLOW

pytestmark = pytest.mark.daemons('tracer', 'gateway')


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    with linked(lab) as suite:
        yield suite


def links(suite):
    """Ids of the BPF links that the tracer holds."""
    pid = suite['tracer'].proc.pid
    found = set()
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        try:
            with open(f'/proc/{pid}/fdinfo/{fd}', encoding='ascii') as file:
                found |= set(re.findall(r'link_id:\s+(\d+)', file.read()))
        except FileNotFoundError:
            pass
    return found


def send(suite, version, *ports, count=1):
    """UDP to each port of b, from one socket of a; nobody answers."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with suite.a.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            for port in ports:
                sock.sendto(b'x', (suite.link.b.addr(version), port))


def ports(ways):
    return sorted(w['tuple']['dport'] for w in ways
                  if w['tuple']['proto'] == 'udp')


# ---- expressions -------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_expression(api, version):
    addr = api.link.b.addr(version)
    ident = trace(api, filter={
        'expr': f'dst host {addr} and udp and (port 7001 or port 7003)'})
    send(api, version, 7001, 7002, 7003, 7004, count=5)
    ways = settled(api, ident, 10)
    assert ports(ways) == [7001] * 5 + [7003] * 5
    for way in ways:
        check_way(way)
        # From the socket to the other side: hooks of L3 and of L2.
        assert {'net_dev_queue', 'netif_receive_skb'} <= set(stations(way))
        assert {inum(api.a), inum(api.b)} == {
            s['netns'] for s in way['steps'] if s.get('netns')}
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_expression_and_used_buffers(api, version):
    """Buffers of packets that fit are used again by others that do not."""
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'expr': f'tcp and host {addr}'},
                  max_packets=10000)
    for _ in range(4):
        traffic.tcp(api.a, api.b, addr, 300_000)
        traffic.udp(api.a, api.b, addr, 300, size=64)
        traffic.tcp(api.b, api.b, '::1' if version == 6 else '127.0.0.1',
                    300_000)
    ways = settled(api, ident, 40)
    for way in ways:
        ends = {way['tuple']['saddr'], way['tuple']['daddr']}
        assert way['tuple']['proto'] == 'tcp' and addr in ends, way


@pytest.mark.parametrize('version', [4, 6])
def test_expression_beside_fields(api, version):
    """Both must hold."""
    ident = trace(api, filter={'daddr': api.link.b.addr(version),
                               'expr': 'udp port 7001'})
    send(api, version, 7001, 7002, count=3)
    send(api, 10 - version, 7001, count=3)
    ways = settled(api, ident, 3)
    time.sleep(0.2)
    assert len(packets(api, ident)) == 3
    assert ports(ways) == [7001] * 3
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_mac_addresses_count_where_there_are_any(api, version):
    mac = api.link.a.mac
    ident = trace(api, filter={'expr': f'ether src {mac} and udp port 7001'})
    other = trace(api, filter={
        'expr': 'ether src 02:99:99:99:99:99 and udp port 7001'})
    send(api, version, 7001, count=3)
    ways = settled(api, ident, 3)
    # Asked at the first hook that has them, and followed from there.
    assert all('netif_receive_skb' in stations(w) for w in ways)
    assert not packets(api, other)


def test_what_is_no_ip(api):
    """ARP: by its buffer, from the sender to the other side."""
    ident = trace(api, filter={'expr': 'arp'})
    mac = bytes.fromhex(api.link.a.mac.replace(':', ''))
    ask = (b'\xff' * 6 + mac + bytes.fromhex('0806000108000604' '0001') + mac +
           socket.inet_aton(api.link.a.addr(4)) + bytes(6) +
           socket.inet_aton('198.51.100.9')).ljust(60, b'\0')
    with api.a.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((api.link.a.name, 0))
        for _ in range(3):
            sock.send(ask)
    send(api, 4, 7001, count=3)
    ways = settled(api, ident, 3)
    assert len(ways) == 3
    for way in ways:
        check_way(way)
        assert way['tuple'] == {}
        assert {'net_dev_queue', 'netif_receive_skb'} <= set(stations(way))
        assert not any(s['inferred'] for s in way['steps'])
        assert base64.b64decode(way['bytes']) == ask[14:42]
    check_sums(api, ident)


@pytest.mark.parametrize('expr, says', [
    ('tcp port', 'syntax error'),
    ('host example.com', 'example.com'),
    ('ip protochain 6', 'loop'),
    ('', 'printable'),
    ('ip\u00e9', 'printable'),
    ('vlan 70000', '70000'),
])
def test_bad_expression(api, expr, says):
    with pytest.raises(ApiError) as err:
        trace(api, filter={'expr': expr})
    assert err.value.status == 400
    assert err.value.problem['field'] == 'filter.expr'
    assert says in err.value.problem['detail']
    assert api.client.get('traces')['total'] == 0


# ---- other fields ------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_interface(api, lab, version):
    c = lab.ns('c')
    link = lab.veth(api.a, c)
    ident = trace(api, filter={'ifname': link.a.name, 'proto': 'udp'})
    send(api, version, 7001, count=3)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.a.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(3):
            sock.sendto(b'x', (link.b.addr(version), 7002))
    ways = settled(api, ident, 3)
    assert ports(ways) == [7002] * 3
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_mark(api, version):
    whole = trace(api, filter={'mark': 0x12})
    masked = trace(api, filter={'mark': 0x10, 'mark_mask': 0xf0})
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    for mark, port in ((0x12, 7001), (0x13, 7002), (0x23, 7003)):
        with api.a.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            sock.sendto(b'x', (api.link.b.addr(version), port))
    assert ports(settled(api, whole, 1)) == [7001]
    assert ports(settled(api, masked, 2)) == [7001, 7002]


@pytest.mark.parametrize('version', [4, 6])
def test_sample(api, version):
    """Of each packet either the whole way or nothing."""
    count = 2000
    ident = trace(api, filter={'daddr': api.link.b.addr(version),
                               'proto': 'udp', 'sample': 10},
                  max_packets=5000)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.b.socket(family, socket.SOCK_DGRAM) as sink, \
            api.a.socket(family, socket.SOCK_DGRAM) as sock:
        sink.bind((api.link.b.addr(version), 7001))
        for n in range(count):
            # Alike they would be taken, or not, together.
            sock.sendto(n.to_bytes(16, 'little'), sink.getsockname()[:2])
            sink.recv(64)
    ways = settled(api, ident, 100)
    # Binomial, n 2000, p 0.1: seven standard deviations.
    assert 106 < len(ways) < 294
    assert all({'net_dev_queue', 'netif_receive_skb'} <= set(stations(w))
               for w in ways)
    check_sums(api, ident)


# ---- by what became of them --------------------------------------------------

@pytest.fixture(params=[4, 6])
def sinks(api, request):
    """One at b that reads at once, one that waits; the port 7003 is closed."""
    family = socket.AF_INET6 if request.param == 6 else socket.AF_INET
    addr = api.link.b.addr(request.param)
    with api.b.socket(family, socket.SOCK_DGRAM) as quick, \
            api.b.socket(family, socket.SOCK_DGRAM) as slow, \
            api.a.socket(family, socket.SOCK_DGRAM) as sock:
        quick.bind((addr, 7001))
        slow.bind((addr, 7002))
        for sink in quick, slow:
            sink.settimeout(10)

        def give(count, *to):
            for _ in range(count):
                for port in to:
                    sock.sendto(os.urandom(1000), (addr, port))
                    if port == 7001:
                        quick.recv(1000)
        give.slow, give.version, give.addr = slow, request.param, addr
        yield give


BIG = 600


@pytest.fixture(params=[4, 6])
def pings(api, request):
    """What becomes of a ping is known at once: small ones are answered, big
    ones dropped. give(n) sends n of each size named, give.ask asks for them:
    a small one is two packets, a big one is one."""
    name = 'icmpv6' if request.param == 6 else 'icmp'
    addr = api.link.b.addr(request.param)
    api.b.nft('table inet big { chain c { type filter hook input priority 0; '
              f'meta l4proto {name} meta length > {BIG} drop; }}; }}')
    idents = iter(range(1000, 2000))

    def give(count, *sizes):
        for size in sizes:
            sent = traffic.icmp(api.a, addr, count, size, ident=next(idents),
                                timeout=2 if size < BIG else 0.1)
            assert sent.received == (count if size < BIG else 0)
    give.ask = {'daddr': addr, 'proto': name}
    yield give


def lengths(ways):
    """Big packets and small ones."""
    return sorted(BIG if w['len'] > BIG else 0 for w in ways)


def decided(suite, ident, filtered, kept=0):
    """The trace's packets, once so many were left out and so many kept."""
    def done():
        state = suite.client.get(f'traces/{ident}')
        return state['filtered'] == filtered and state['packets'] >= kept
    wait_for(done, 15, what=f'{filtered} left out, {kept} kept')
    state = check_sums(suite, ident)
    losses = {x['id']: x['count'] for x in state['losses']}
    assert (losses.get('filtered', 0) > 0) == (filtered > 0)
    assert 'packet_limit' not in losses
    return packets(suite, ident)


def test_drops_only(api, pings):
    ident = trace(api, filter={**pings.ask, 'drops_only': True},
                  max_packets=10)
    assert api.client.get(f'traces/{ident}')['filtered'] == 0
    # Many more than are kept: what is left out takes no place.
    pings(2000, 10)
    pings(3, BIG, 10)
    ways = decided(api, ident, 4006, 3)
    assert lengths(ways) == [BIG] * 3
    assert {w['fate'] for w in ways} == {'dropped'}
    assert all(w['steps'][-1]['drop']['function'] for w in ways)
    assert [w['id'] for w in ways] == [0, 1, 2]
    for way in ways:
        check_way(way)
    pings(7, BIG)
    wait_for(lambda: api.client.get(f'traces/{ident}')['state'] == 'done', 5)
    state = api.client.get(f'traces/{ident}')
    assert state['end_reason'] == 'packets'
    assert (state['packets'], state['drops'], state['filtered']) == \
        (10, 10, 4006)
    assert lengths(packets(api, ident)) == [BIG] * 10


@pytest.mark.parametrize('version', [4, 6])
def test_min_latency(api, version):
    """From its first step to the last: a reader that comes late."""
    addr = api.link.b.addr(version)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.b.socket(family) as door:
        door.bind((addr, 0))
        door.listen(4)
        ident = trace(api, filter={'daddr': addr, 'proto': 'tcp',
                                   'min_latency_ns': 200_000_000},
                      duration_ns=int(4 * SLOW * 10**9))
        late = []
        for wait in (0, 0.5, 0, 0.5):
            with api.a.call(socket.create_connection,
                            door.getsockname()[:2]) as sock:
                peer, _ = door.accept()
                with peer:
                    sock.sendall(b'x' * 100)
                    time.sleep(wait)
                    assert len(peer.recv(100)) == 100
                    if wait:
                        late.append(sock.getsockname()[1])
    ways = settled(api, ident, 2)
    assert sorted(w['tuple']['sport'] for w in ways) == sorted(late)
    for way in ways:
        assert unix_ns(way['last']) - unix_ns(way['first']) >= 200_000_000
        assert way['fate'] == 'delivered'
    # The others are decided at the end, if not before.
    wait_for(lambda: api.client.get(f'traces/{ident}')['state'] == 'done', 15)
    assert check_sums(api, ident)['filtered'] >= 10
    assert len(packets(api, ident)) == 2


def test_undecided_at_the_end(api, sinks):
    ident = trace(api, filter={'daddr': sinks.addr, 'proto': 'udp',
                               'drops_only': True}, duration_ns=10**9)
    sinks(5, 7002)
    wait_for(lambda: api.client.get(f'traces/{ident}')['state'] == 'done', 5)
    state = check_sums(api, ident)
    assert (state['packets'], state['filtered']) == (0, 5)


def test_change_what_is_kept(api, pings):
    ident = trace(api, filter={**pings.ask, 'drops_only': True})
    pings(3, 10, BIG)
    assert lengths(decided(api, ident, 6, 3)) == [BIG] * 3
    change(api, ident, **pings.ask)
    pings(3, 10)
    assert lengths(settled(api, ident, 9)) == [0] * 6 + [BIG] * 3
    change(api, ident, **pings.ask, min_latency_ns=5_000_000_000)
    pings(3, 10, BIG)
    assert len(decided(api, ident, 15, 9)) == 9
    change(api, ident, **pings.ask, drops_only=True)
    pings(3, 10, BIG)
    assert lengths(decided(api, ident, 21, 12)) == [0] * 6 + [BIG] * 6


def test_bad_fields(api):
    for filter_, field in [
            ({'ifname': 'a-name-of-16-char'}, 'ifname'),
            ({'ifname': 'a b'}, 'ifname'),
            ({'mark': 256, 'mark_mask': 255}, 'mark'),
            ({'mark_mask': 255, 'dport': 1}, 'mark_mask'),
            ({'sample': 0, 'dport': 1}, 'sample'),
            ({'sample': 5}, ''), ({'drops_only': True}, ''),
            ({'inner': True}, '')]:
        with pytest.raises(ApiError) as err:
            trace(api, filter=filter_)
        assert err.value.status == 400, filter_
        assert err.value.problem['field'] == ('filter.' + field).rstrip('.')
    assert api.client.get('traces')['total'] == 0


# ---- while it runs -----------------------------------------------------------

def change(suite, ident, **filter_):
    return suite.client.request('PUT', f'traces/{ident}/filter', filter_)


def unix_ns(text):
    whole, _, rest = text.partition('.')
    seconds = datetime.fromisoformat(whole + '+00:00').timestamp()
    return int(seconds) * 10**9 + int(rest.rstrip('Z'))


@pytest.mark.host_only('it measures time')
@pytest.mark.parametrize('version', [4, 6])
@pytest.mark.parametrize('kind', ['fields', 'expression'])
def test_change_is_quick_and_detaches_nothing(api, version, kind):
    def ask(port):
        if kind == 'fields':
            return {'daddr': api.link.b.addr(version), 'dport': port}
        return {'expr': f'udp dst port {port}'}

    ident = trace(api, filter=ask(7001))
    stop = threading.Event()

    def stream():
        while not stop.is_set():
            send(api, version, 7001, 7002)
            time.sleep(0.001)
    sender = threading.Thread(target=stream)
    sender.start()
    try:
        settled_ports = wait_for(
            lambda: ports(packets(api, ident)) or None, 5)
        assert set(settled_ports) == {7001}
        before = links(api)
        assert len(before) >= 8
        asked = time.time_ns()
        now = change(api, ident, **ask(7002))
        answered = time.time_ns()
        assert now['filter'] == ask(7002)
        ways = wait_for(lambda: [
            w for w in packets(api, ident)
            if w['tuple']['dport'] == 7002] or None, 5)
    finally:
        stop.set()
        sender.join()
    assert links(api) == before
    first = min(unix_ns(w['first']) for w in ways)
    assert asked <= first <= asked + 50_000_000
    # None that begins later is of the old filter.
    last = max(unix_ns(w['first']) for w in packets(api, ident)
               if w['tuple']['dport'] == 7001)
    assert last <= answered
    assert api.client.get(f'traces/{ident}')['filter'] == ask(7002)
    check_sums(api, ident)


def test_changes_one_after_the_other(api):
    """The one that counts is always whole."""
    ident = trace(api, filter={'expr': 'udp dst port 7000'})
    for port in range(7001, 7021):
        change(api, ident, expr=f'udp dst port {port}')
        send(api, 4, port - 1, port)
    ways = settled(api, ident, 20)
    assert ports(ways) == list(range(7001, 7021))


@pytest.mark.parametrize('version', [4, 6])
def test_change_to_each_field(api, lab, version):
    """One after the other: of two streams each takes the one that it should."""
    c = lab.ns('c')
    link = lab.veth(api.a, c)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.a.socket(family, socket.SOCK_DGRAM) as marked, \
            c.socket(family, socket.SOCK_DGRAM) as foreign:
        marked.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
        ident = trace(api, filter={'dport': 7000, 'proto': 'udp'})
        seen = []
        for filter_, want in [
                ({'mark': 7, 'proto': 'udp'}, [7001]),
                ({'netns': inum(c), 'proto': 'udp'}, [7002, 7003]),
                ({'ifname': link.a.name, 'proto': 'udp'}, [7002, 7003]),
                ({'expr': 'udp dst port 7001 or udp dst port 7003'},
                 [7001, 7003]),
                ({'daddr': api.link.b.addr(version), 'proto': 'udp'}, [7001]),
                ({'dport': 7002, 'proto': 'udp', 'sample': 1}, [7002]),
                ({'mark': 0, 'ifname': link.a.name, 'proto': 'udp'},
                 [7002, 7003])]:
            change(api, ident, **filter_)
            marked.sendto(b'1', (api.link.b.addr(version), 7001))
            with api.a.socket(family, socket.SOCK_DGRAM) as plain:
                plain.sendto(b'2', (link.b.addr(version), 7002))
            foreign.sendto(b'3', (link.a.addr(version), 7003))
            seen += want
            assert ports(settled(api, ident, len(seen))) == sorted(seen), \
                filter_
    check_sums(api, ident)


def test_bad_change_changes_nothing(api):
    ident = trace(api, filter={'dport': 7001, 'proto': 'udp'})
    for body, field in [({'expr': 'tcp port'}, 'expr'),
                        ({'dport': 65536}, 'dport'),
                        ({}, 'filter')]:
        with pytest.raises(ApiError) as err:
            change(api, ident, **body)
        assert err.value.status == 400
        assert err.value.problem['field'] == field
    send(api, 4, 7001, 7002)
    assert ports(settled(api, ident, 1)) == [7001]
    state = api.client.get(f'traces/{ident}')
    assert state['filter'] == {'dport': 7001, 'proto': 'udp'}
    with pytest.raises(ApiError) as err:
        change(api, '0123456789ab', dport=1)
    assert err.value.status == 404
    done = trace(api, filter={'dport': 1}, duration_ns=1)
    wait_for(lambda: api.client.get(f'traces/{done}')['state'] == 'done', 5)
    with pytest.raises(ApiError) as err:
        change(api, done, dport=1)
    assert err.value.status == 409
    assert err.value.problem['id'] == 'trace.ended'
