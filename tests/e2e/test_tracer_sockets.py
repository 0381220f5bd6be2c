# SPDX-License-Identifier: MIT
"""The tracer's list of sockets; each test with its IPv6 twin."""

import os
import socket

import pytest

from lab import ApiError, wait_for
from lab.tracing import inum, linked

pytestmark = pytest.mark.daemons('tracer', 'gateway')


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    with linked(lab) as suite:
        yield suite


SS_PROTO = {'tcp': 'tcp', 'udp': 'udp', 'icmp6': 'icmpv6', 'icmp': 'icmp'}


def ss_sockets(ns):
    """What `ss` shows: {(proto, state, local, lport, remote, rport)}."""
    out = set()
    for line in ns.run('ss', '-tunaH').stdout.splitlines():
        proto, state, _, _, local, remote = line.split()[:6]
        out.add((SS_PROTO[proto], state, *end(local), *end(remote)))
    return out


def end(text):
    addr, _, port = text.rpartition(':')
    addr = addr.strip('[]').partition('%')[0]
    return ('any' if addr in ('*', '0.0.0.0', '::') else addr,
            0 if port == '*' else int(port))


def our_sockets(suite, ns):
    out = set()
    for s in suite.client.pages('sockets', 'sockets', limit=1000,
                                netns=inum(ns)):
        if s['type'] == 'raw':
            continue
        out.add((s['proto'], s['state'], unspecified(s['laddr']), s['lport'],
                 unspecified(s['raddr']), s['rport']))
    return out


def unspecified(addr):
    return 'any' if addr in ('0.0.0.0', '::') else addr


@pytest.mark.parametrize('version', [4, 6])
def test_sockets_like_ss(api, version):
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    addr = api.link.b.addr(version)
    keep = []
    server = api.b.socket(family, socket.SOCK_STREAM)
    server.bind((addr, 0))
    server.listen(5)
    for _ in range(3):
        client = api.a.socket(family, socket.SOCK_STREAM)
        client.connect(server.getsockname()[:2])
        keep.append(client)
    taken, _ = server.accept()
    keep[0].sendall(b'unread')
    keep[1].close()                     # half closed
    for kind in (socket.SOCK_DGRAM,):
        sock = api.a.socket(family, kind)
        sock.bind((api.link.a.addr(version), 0))
        keep.append(sock)
    sock = api.a.socket(family, socket.SOCK_DGRAM)
    sock.connect((addr, 5353))
    keep.append(sock)
    keep.append(api.a.socket(family, socket.SOCK_STREAM))   # not bound
    # One that ends in TIME-WAIT.
    last = api.a.socket(family, socket.SOCK_STREAM)
    other = api.b.socket(family, socket.SOCK_STREAM)
    other.bind((addr, 0))
    other.listen(1)
    last.connect(other.getsockname()[:2])
    peer, _ = other.accept()
    last.close()
    peer.close()
    for ns in (api.a, api.b):
        wait_for(lambda n=ns: our_sockets(api, n) == ss_sockets(n), 5,
                 what=f'the same sockets as ss in {ns}')
        assert our_sockets(api, ns)
    assert any(s[1] == 'TIME-WAIT' for s in our_sockets(api, api.a))
    (listen,) = api.client.get('sockets', netns=inum(api.b), state='LISTEN',
                               port=server.getsockname()[1])['sockets']
    assert listen['recv_queue'] == 2 and listen['send_queue'] == 5
    assert listen['owners'][0]['pid'] == os.getpid()
    assert listen['owners'][0]['fd'] == server.fileno()
    assert listen['netns_name'] == api.b.name
    assert listen['uid'] == 0
    assert listen['inode'] == os.fstat(server.fileno()).st_ino
    (full,) = [s for s in api.client.get(
        'sockets', netns=inum(api.b), state='ESTAB',
        port=keep[0].getsockname()[1])['sockets']]
    assert full['recv_queue'] == 6 and full['rtt_ns'] > 0
    taken.close()
    server.close()


@pytest.mark.parametrize('version', [4, 6])
def test_raw_and_ping_sockets(api, version):
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    proto = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
    name = 'icmpv6' if version == 6 else 'icmp'
    raw = api.a.socket(family, socket.SOCK_RAW, proto)
    ping = api.a.socket(family, socket.SOCK_DGRAM, proto)
    ping.bind((api.link.a.addr(version), 0))
    found = api.client.get('sockets', netns=inum(api.a), proto=name,
                           pid=os.getpid())['sockets']
    assert sorted((s['type'], s['family'], s['inode']) for s in found) == \
        sorted([('raw', version, os.fstat(raw.fileno()).st_ino),
                ('dgram', version, os.fstat(ping.fileno()).st_ino)])
    for s in found:
        assert s['state'] == 'UNCONN'
        assert len(s['owners']) == 1
        assert s['owners'][0]['comm'] == open(
            '/proc/self/comm', encoding='ascii').read().strip()
    raw.close()
    ping.close()


def test_many_owners_are_one_socket(api):
    server = api.a.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((api.link.a.v4, 0))
    server.listen(1)
    server.set_inheritable(True)
    child = api.a.popen(['sleep', '60'], close_fds=False)
    (s,) = api.client.get('sockets', netns=inum(api.a),
                          port=server.getsockname()[1])['sockets']
    assert {o['pid'] for o in s['owners']} == {os.getpid(), child.pid}
    server.close()


def test_sort_and_pages(api):
    socks = [api.a.socket(socket.AF_INET, socket.SOCK_DGRAM)
             for _ in range(12)]
    for sock in socks:
        sock.bind((api.link.a.v4, 0))
    ports = sorted((s.getsockname()[1] for s in socks), reverse=True)
    got = api.client.pages('sockets', 'sockets', limit=5, proto='udp',
                           netns=inum(api.a), sort='-lport')
    assert [s['lport'] for s in got] == ports
    assert api.client.get('sockets', limit=1, netns=inum(api.a),
                          proto='udp')['total'] == 12


def test_names_are_of_the_process_not_of_what_was_interrupted(api):
    """A socket older than the daemon, in a namespace without a name."""
    child = api.a.popen(['unshare', '--net', 'python3', '-c',
                         'import socket, time\n'
                         's = socket.socket()\ns.bind(("", 8123))\n'
                         's.listen(1)\ntime.sleep(60)'])
    found = wait_for(lambda: api.client.get(
        'sockets', port=8123, state='LISTEN', pid=child.pid)['sockets'], 10)
    assert found[0]['netns'] not in (inum(api.a), inum(api.b))
    assert found[0]['owners'][0]['comm'] == 'python3'


@pytest.mark.parametrize('query', [
    {'limit': 0}, {'limit': 1001}, {'cursor': 'x'}, {'family': 5},
    {'port': 65536}, {'state': 'OPEN'}, {'sort': 'colour'}, {'addr': '1.2'},
    {'container': 'abc'}, {'proto': 'nonsense'},
])
def test_bad_sockets_query(api, query):
    with pytest.raises(ApiError) as err:
        api.client.get('sockets', **query)
    assert err.value.status == 400
    assert err.value.problem['field'] == next(iter(query))
