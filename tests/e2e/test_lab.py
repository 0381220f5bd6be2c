# SPDX-License-Identifier: MIT
"""The lab itself: counts are exact, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lab import Daemon, Lab, clean_stale, packet, traffic, wait_for
from lab.stale import NAME

BOTH = pytest.mark.parametrize('version', [4, 6])
ALL_PACKETS = pytest.mark.host_only(
    'so slow a machine asks for its neighbours again meanwhile')


def names_of(pid):
    """Namespaces that belong to a process."""
    found = [NAME.match(n) for n in os.listdir('/run/netns')]
    return [m.group(0) for m in found if m and m.group(2) == str(pid)]


@pytest.fixture
def pair(lab):
    """Two namespaces and a link."""
    return lab.veth(lab.ns('a'), lab.ns('b'))


@ALL_PACKETS
@BOTH
def test_udp_counts_match(pair, version):
    old = pair.b.counters()
    sent = traffic.udp(pair.a.ns, pair.b.ns, pair.b.addr(version), 500, 64)
    new = pair.b.counters() - old
    assert (sent.sent, sent.received) == (500, 500)
    assert new.rx_packets == 500
    assert new.rx_bytes == 500 * (64 + 8 + (20 if version == 4 else 40) + 14)
    assert new.tx_packets == 0


@ALL_PACKETS
@BOTH
def test_icmp_counts_match(pair, version):
    old = pair.a.counters()
    sent = traffic.icmp(pair.a.ns, pair.b.addr(version), 300)
    new = pair.a.counters() - old
    assert sent.received == 300
    assert (new.tx_packets, new.rx_packets) == (300, 300)


@BOTH
@pytest.mark.parametrize('offload', [True, False])
def test_tcp_bytes_match(pair, version, offload):
    for end in pair:
        end.offload(tso=offload, gso=offload, gro=offload)
    old, snmp = pair.a.counters(), pair.a.ns.snmp()
    sent = traffic.tcp(pair.a.ns, pair.b.ns, pair.b.addr(version), 1_000_000,
                       connections=3)
    new = pair.a.counters() - old
    segs = pair.a.ns.snmp()['Tcp']['OutSegs'] - snmp['Tcp']['OutSegs']
    assert sent.received_bytes == sent.sent_bytes == 3_000_000
    assert sent.received == 3
    if not offload:
        assert new.tx_packets == segs
    else:
        assert new.tx_packets <= segs


def test_udp_gso_counts_segments(pair):
    sent = traffic.udp(pair.a.ns, pair.b.ns, pair.b.v4, 10, 5000, gso=1000)
    assert (sent.sent, sent.received) == (50, 50)


@BOTH
def test_frames_pass_the_checksum(pair, version):
    """Hand-made packets are accepted by the stack: it answers."""
    a, b = pair
    l4 = packet.tcp(40000, 81) if version == 4 else packet.udp(40000, 81)
    body = packet.ip(a.addr(version), b.addr(version), l4)
    old = a.counters()
    traffic.frames(a, [packet.eth(b.mac, a.mac, body)] * 3)
    wait_for(lambda: (a.counters() - old).rx_packets >= 1, 2)
    tagged = packet.eth(b.mac, a.mac, body, vlan=[5, 7])
    assert tagged[12:22].hex() == '88a8000581000007' + \
        ('0800' if version == 4 else '86dd')


def test_host_link_and_bridge_and_router(lab):
    a, b, c = lab.ns('a'), lab.ns('b'), lab.ns('c')
    link = lab.veth(lab.host, a)
    for addr in (link.b.v4, link.b.v6):
        assert traffic.icmp(lab.host, addr, 3).received == 3
    _hub, ends = lab.bridge([a, b, c])
    for addr in (ends[2].v4, ends[2].v6):
        assert traffic.icmp(b, addr, 3).received == 3
    d, e = lab.ns('d'), lab.ns('e')
    _router, links = lab.router(d, e)
    for version in (4, 6):
        got = traffic.icmp(d, links[1].a.addr(version), 3)
        assert got.received == 3


def test_chain_is_routed(lab):
    first, last = lab.ns('first'), lab.ns('last')
    _hops, links = lab.chain(first, last, 3)
    for version in (4, 6):
        got = traffic.icmp(first, links[-1].b.addr(version), 2)
        assert got.received == 2


def test_nft_counts(pair):
    b = pair.b.ns
    b.nft('table inet t { counter in { }\n chain c { type filter hook input '
          'priority 0; meta l4proto udp counter name in drop\n }\n}')
    sent = traffic.udp(pair.a.ns, b, pair.b.v6, 20)
    assert (sent.sent, sent.received) == (20, 0)
    assert b.nft_counters()['in'][0] == 20


VICTIM = '''
import sys, time
sys.path.insert(0, sys.argv[1])
from lab import Lab
lab = Lab('victim')
from lab.suite import _scratch
d = _scratch(lab)
a, b = lab.ns('a'), lab.ns('b')
lab.veth(a, b)
lab.veth(lab.host, a, names=('psvictim0', 'e0'))
p = a.popen(['sleep', '600'])
print(p.pid, d, flush=True)
time.sleep(600)
'''


@pytest.mark.parametrize('sig', [signal.SIGKILL, signal.SIGTERM,
                                 signal.SIGINT])
def test_nothing_is_left(sig):
    """A killed test leaves what the next lab removes, and only that."""
    path = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with Lab('bystander') as other:
        other.ns('x')
        with subprocess.Popen([sys.executable, '-c', VICTIM, path],
                              stdout=subprocess.PIPE, text=True) as proc:
            child, folder = proc.stdout.readline().split()
            assert len(names_of(proc.pid)) == 2
            proc.send_signal(sig)
            proc.wait(15)
        wait_for(lambda: not os.path.exists(f'/proc/{child}'), 5)
        if sig == signal.SIGKILL:
            assert len(names_of(proc.pid)) == 2
            assert sorted(clean_stale()) == [f'ps-victim-{proc.pid}-a',
                                             f'ps-victim-{proc.pid}-b']
        assert names_of(proc.pid) == []
        assert not os.path.exists(folder)
        wait_for(lambda: not os.path.exists('/sys/class/net/psvictim0'), 5)
        assert len(names_of(os.getpid())) == 1
    assert names_of(os.getpid()) == []


def test_popen_ends_with_the_lab():
    with Lab('popen') as one:
        proc = one.ns('a').popen(['sleep', '600'])
        time.sleep(0.05)
        assert proc.poll() is None
    assert proc.poll() is not None


@pytest.mark.parametrize('line', [
    '==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1',
    'a.c:1:2: runtime error: index 4 out of bounds',
    'WARNING: ThreadSanitizer: data race (pid=1)',
    '==1==ERROR: LeakSanitizer: detected memory leaks'])
def test_a_report_in_a_log_fails_the_test(lab, line):
    inner = Lab('reports')
    daemon = Daemon(inner, 'locator')
    daemon.log_path.write_text(f'first\n{line}\nlast\n', encoding='ascii')
    with pytest.raises(AssertionError, match='a sanitizer reported'):
        inner.close()
    inner.close()
