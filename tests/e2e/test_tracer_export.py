# SPDX-License-Identifier: MIT
"""Captures that the tracer makes, as tshark reads them: of streams, of what is
in a tunnel, and of nothing."""

import pytest

from lab import Suite, traffic, wait_for
from lab.capture import tshark
from lab.topology import VNI, vxlan
from lab.tracing import ALL, answers, linked, packets, settled, trace

pytestmark = pytest.mark.daemons('tracer', 'gateway')


def stored(suite, ident, want):
    """The ways, once there are so many, and all are in the file."""
    settled(suite, ident, want)
    return wait_for(lambda: (lambda ways: ways if all(
        w['stored'] for w in ways) else None)(packets(suite, ident)), 15)


def capture(suite, ident, **query):
    """The bytes of the file."""
    with suite.client.open('GET', f'traces/{ident}/export',
                           query=query) as res:
        return res.read()


def rows_of(data, *fields):
    """A list of values for each packet; nothing in it is malformed."""
    assert not tshark(data, 'frame.number', options=('-Y', '_ws.malformed'))
    return [line.split('|') for line in tshark(data, *fields).splitlines()]


@pytest.mark.parametrize('version', [4, 6])
def test_a_stream(lab, version):
    """Each packet with its own addresses, ports and sequence number, in the
    order of first sight."""
    with linked(lab) as suite:
        addr = suite.link.b.addr(version)
        ident = trace(suite, filter={'daddr': addr, 'proto': 'tcp'})
        traffic.tcp(suite.a, suite.b, addr, 50000)
        ways = stored(suite, ident, 6)
        ip = 'ipv6' if version == 6 else 'ip'
        rows = rows_of(capture(suite, ident), f'{ip}.src', f'{ip}.dst',
                       'tcp.srcport', 'tcp.dstport', 'tcp.seq_raw')
        seen = [w for w in ways if 'bytes' in w]
        assert len(rows) == len(ways) and len(seen) >= 6
        for row, way in zip(rows, ways):
            want = way['tuple']
            assert row == [want['saddr'], want['daddr'], str(want['sport']),
                           str(want['dport']), str(way['tcp_seq'])] or \
                (way not in seen and row == [''] * 5)


@pytest.mark.parametrize('version', [4, 6])
def test_what_a_tunnel_carries(lab, version):
    """A packet's bytes are those of its first sight: before the tunnel; asked
    for by the tunnel, the first one's are in it."""
    top = vxlan(lab)
    with Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
               args={'tracer': ALL}) as suite:
        wait_for(lambda: answers(suite), 15, what='the tracer answers')
        saddr, daddr = top.tunnel
        inner = trace(suite, filter=top.filter(version))
        top.send('udp', version, 8)
        ip = 'ipv6' if version == 6 else 'ip'
        ways = [w for w in stored(suite, inner, 8)
                if w['tuple'].get('proto') == 'udp']
        rows = [r for r in rows_of(
            capture(suite, inner), f'{ip}.dst', 'udp.dstport', 'vxlan.vni',
            'frame.comment') if r[1]]
        assert len(rows) == len(ways) >= 8
        for row in rows:
            assert row[0] == top.target[version] and not row[2]
            assert ' vx0 ' in row[3]
        suite.client.delete(f'traces/{inner}')
        outer = trace(suite, filter={'saddr': saddr, 'daddr': daddr,
                                     'proto': 'udp'})
        top.send('udp', version, 8)
        stored(suite, outer, 8)
        rows = rows_of(capture(suite, outer, payload='true'), 'vxlan.vni',
                       f'{ip}.dst')
        carried = [r for r in rows if r[0]]
        assert carried
        for row in carried:
            assert int(row[0], 0) == VNI
            assert daddr in row[1] or top.target[version] in row[1]


def test_nothing(lab):
    """A file without a packet is a file."""
    with linked(lab) as suite:
        ident = trace(suite, filter={'dport': 1, 'proto': 'tcp'},
                      duration_ns=10**6)
        wait_for(lambda: suite.client.get(f'traces/{ident}')['state'] ==
                 'done', 10)
        assert not packets(suite, ident)
        data = capture(suite, ident)
        assert data[:4] == b'\x0a\x0d\x0d\x0a'
        assert tshark(data, 'frame.number') == ''
