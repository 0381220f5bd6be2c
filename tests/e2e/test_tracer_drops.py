# SPDX-License-Identifier: MIT
"""Drops are planted: the traces have exactly those, each explained."""

import ctypes
import re
import select
import socket
import struct
import time

import pytest

from lab import Suite, bpfprog, packet, traffic, wait_for
from lab.tracing import TIERS, answers, no_functions

pytestmark = pytest.mark.daemons('tracer', 'gateway')

N = 7
BTF = '/sys/kernel/btf/vmlinux'
UDP_SEGMENT, SO_ATTACH_FILTER, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = \
    103, 26, 10, 23
PMTUDISC_PROBE = 3


class Plant:
    """Two linked namespaces, and a tracer that watches both."""

    def __init__(self, lab, version, tier):
        self.lab, self.version, self.tier = lab, version, tier
        self.a, self.b = lab.ns('a'), lab.ns('b')
        self.link = lab.veth(self.a, self.b)
        self.family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self.src = self.link.a.addr(version)
        self.addr = self.link.b.addr(version)
        self.suite = None
        self.ident = None

    def trace(self, **fields):
        """From here on the packets to b are followed."""
        fields = fields or {'daddr': self.addr}
        self.ident = self.suite.client.post(
            'traces', {'tier': self.tier, 'filter': fields,
                       'duration_ns': 60 * 10**9})['id']

    def udp(self):
        """A datagram socket in a."""
        return self.a.socket(self.family, socket.SOCK_DGRAM)

    def send_udp(self, port, count, size=20, addr=None):
        """Datagrams from a, each with a content of its own: IPv6 packets
        have no number by which a replaced buffer could be told."""
        with self.udp() as sock:
            for i in range(count):
                sock.sendto(i.to_bytes(size, 'little'),
                            (addr or self.addr, port))

    def frame(self, l4, src=None, dst_mac=None, **kwargs):
        """A frame from a to b."""
        return packet.eth(dst_mac or self.link.b.mac, self.link.a.mac,
                          packet.ip(src or self.src, self.addr, l4, **kwargs))

    def send(self, frames):
        """Frames out of a's interface."""
        traffic.frames(self.link.a, frames)

    def counter(self, four, six):
        """A counter of b's stack: (group, name) by version."""
        group, name = six if self.version == 6 else four
        return int(self.b.snmp()[group][name])

    def drops(self, reason):
        """The drops with this reason of what a sent, each with its way."""
        ways = self.suite.client.pages(f'traces/{self.ident}/packets',
                                       'packets', limit=1000)
        return [(s, w) for w in ways for s in w['steps']
                if s.get('drop', {}).get('reason') == reason and
                w['tuple']['saddr'] != self.addr]


@pytest.fixture(params=[
    pytest.param((version, tier), id=str(version) +
                 ('' if tier == 'core' else '-functions'))
    for version in (4, 6) for tier in TIERS])
def plant(lab, request):
    """A plant for each version of IP, in each tier."""
    made = Plant(lab, *request.param)
    # On a busy machine a budget would leave packets out, and say so.
    with Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
               args={'tracer': ['--cpu-budget', '100']}) as suite:
        made.suite = suite
        wait_for(lambda: answers(suite), 15, what='the tracer answers')
        if made.tier == 'function' and (why := no_functions(suite)):
            pytest.skip(why)
        yield made


def kernel_has(reason):
    """Does the running kernel know this reason?"""
    with open(BTF, 'rb') as file:
        return b'\0SKB_DROP_REASON_' + reason.encode() + b'\0' in file.read()


def check(plant, reason, advice, skbs=N, packets=None, function=None):
    """Exactly so many, in skbs and in packets, each with place and advice."""
    if not kernel_has(reason):
        pytest.skip(f'this kernel has no reason {reason}')
    packets = skbs if packets is None else packets
    found = wait_for(
        lambda: (lambda got: got if len(got) >= skbs else None)(
            plant.drops(reason)), 10, what=f'{skbs} drops of {reason}')
    time.sleep(0.3)     # what would be too much
    found = plant.drops(reason)
    assert len(found) == skbs
    assert sum(step['packets'] for step, _ in found) == packets
    for step, way in found:
        drop = step['drop']
        assert drop['subsystem'] == 'core'
        assert drop['reason_code'] < 1 << 16
        assert drop['advice_id'] == advice
        assert len(drop['advice']) > 40 and drop['advice_source']
        assert re.search(function or r'\w', drop['function'])
        assert way['fate'] == 'dropped'
    trace = plant.suite.client.get(f'traces/{plant.ident}')
    assert trace['hits'] == trace['steps'] + sum(
        x['count'] for x in trace['losses'])
    return found


# ---- sockets -----------------------------------------------------------------

def test_no_socket(plant):
    plant.trace(daddr=plant.addr, dport=9)
    plant.send_udp(9, N)
    check(plant, 'NO_SOCKET', 'no_socket', function='udp')


def test_no_tcp_listener(plant):
    plant.trace(daddr=plant.addr, dport=9)
    plant.send([plant.frame(packet.tcp(1000 + i, 9)) for i in range(N)])
    check(plant, 'NO_SOCKET', 'no_socket', function='tcp')


def test_full_receive_buffer(plant):
    """As many as the stack itself counts."""
    names = ('Udp', 'RcvbufErrors'), ('Udp6', 'RcvbufErrors')
    with plant.b.socket(plant.family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((plant.addr, 0))
        port = sock.getsockname()[1]
        before = plant.counter(*names)
        plant.trace(daddr=plant.addr, dport=port)
        plant.send_udp(port, 60, 500)
        lost = plant.counter(*names) - before
        assert 0 < lost < 60
        found = check(plant, 'SOCKET_RCVBUFF', 'socket_rcvbuff', lost)
    # Who did not read is said.
    assert {w['receiver']['comm'] for _, w in found} == {own_comm()}


def own_comm():
    """The name of this process."""
    with open('/proc/self/comm', encoding='utf-8') as file:
        return file.read().strip()


def test_socket_filter(plant):
    with plant.b.socket(plant.family, socket.SOCK_DGRAM) as sock:
        code = struct.pack('HBBI', 6, 0, 0, 0)     # ret #0
        keep = bytearray(code)
        address = _address(keep)
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack('HP', 1, address))
        sock.bind((plant.addr, 0))
        port = sock.getsockname()[1]
        plant.trace(daddr=plant.addr, dport=port)
        plant.send_udp(port, N)
        check(plant, 'SOCKET_FILTER', 'socket_filter')


def _address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


# ---- checksums and headers ---------------------------------------------------

def spoil(frame, at):
    """With one byte of the IP packet changed, counted from its end or start."""
    body = bytearray(frame)
    body[at if at < 0 else 14 + at] ^= 0x55
    return bytes(body)


def test_udp_checksum(plant):
    with plant.b.socket(plant.family, socket.SOCK_DGRAM) as sock:
        sock.bind((plant.addr, 0))
        port = sock.getsockname()[1]
        plant.trace(daddr=plant.addr, dport=port)
        good = plant.frame(packet.udp(1000, port, b'a' * 40))
        plant.send([spoil(good, -1)] * N)
        # Some stacks sum only once the payload is read.
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        check(plant, 'UDP_CSUM', 'udp_csum', function='udp')


def test_tcp_checksum(plant):
    plant.trace(daddr=plant.addr, dport=9)
    plant.send([spoil(plant.frame(packet.tcp(1000 + i, 9, payload=b'a' * 9)),
                      -1) for i in range(N)])
    check(plant, 'TCP_CSUM', 'tcp_csum', function='tcp')


def test_ip_checksum(plant):
    if plant.version == 6:
        pytest.skip('IPv6 headers have no checksum')
    plant.trace(daddr=plant.addr, proto='udp')
    plant.send([spoil(plant.frame(packet.udp(1000, 9)), 10)] * N)
    check(plant, 'IP_CSUM', 'ip_csum', function='ip_rcv')


def test_unknown_protocol(plant):
    plant.trace(daddr=plant.addr)
    plant.send([plant.frame(packet.L4(253, bytes(20), 0))] * N)
    check(plant, 'IP_NOPROTO', 'ip_noproto', function='deliver|finish')


def test_of_another_host(plant):
    plant.trace(daddr=plant.addr, dport=9)
    plant.send([plant.frame(packet.udp(1000, 9), dst_mac='02:00:00:00:00:01')
                for _ in range(N)])
    check(plant, 'OTHERHOST', 'otherhost', function='rcv')


def test_reverse_path(plant):
    if plant.version == 6:
        pytest.skip('the stack has rp_filter for IPv4 only')
    plant.b.sysctl(f'net.ipv4.conf.{plant.link.b.name}.rp_filter', 1)
    plant.trace(daddr=plant.addr, dport=9)
    # A route back there is, and it leads elsewhere.
    plant.b.ip('link', 'add', 'other0', 'type', 'veth', 'peer', 'other1')
    for name in ('other0', 'other1'):
        plant.b.ip('link', 'set', name, 'up')
    plant.b.ip('route', 'add', '198.18.7.0/24', 'dev', 'other0')
    plant.send([plant.frame(packet.udp(1000, 9), src='198.18.7.7')] * N)
    check(plant, 'IP_RPFILTER', 'ip_rpfilter')


# ---- TCP ---------------------------------------------------------------------

def listener(plant, backlog=16):
    sock = plant.b.socket(plant.family, socket.SOCK_STREAM)
    sock.bind((plant.addr, 0))
    sock.listen(backlog)
    return sock, sock.getsockname()[1]


def test_tcp_flags(plant):
    sock, port = listener(plant)
    with sock:
        plant.trace(daddr=plant.addr, dport=port)
        plant.send([plant.frame(packet.tcp(1000 + i, port, flags='SF'))
                    for i in range(N)])
        check(plant, 'TCP_FLAGS', 'tcp_flags', function='tcp')


class Sniffer:
    """Frames that pass an interface."""

    def __init__(self, iface):
        self.sock = iface.ns.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(3))
        iface.ns.call(self.sock.bind, (iface.name, 3))

    def frames(self, seconds):
        """Those that came; ends when none comes for so long."""
        while select.select([self.sock], [], [], seconds)[0]:
            yield self.sock.recv(65536)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


def test_tcp_old_data(plant):
    """A segment comes again and again, after it was taken."""
    plant.link.a.offload(tx=False, tso=False, gso=False)
    sock, port = listener(plant)
    payload = b'once is enough, says the receiver'
    with sock, plant.a.socket(plant.family, socket.SOCK_STREAM) as client:
        client.connect((plant.addr, port))
        peer, _ = sock.accept()
        with peer, Sniffer(plant.link.a) as seen:
            client.sendall(payload)
            assert peer.recv(100) == payload
            again = next(f for f in seen.frames(2) if f.endswith(payload))
            plant.trace(daddr=plant.addr, dport=port)
            plant.send([again] * N)
            check(plant, 'TCP_OLD_DATA', 'tcp_old_data', function='tcp')


def l4_of(frame, version):
    return frame[14 + 40:] if version == 6 else \
        frame[14 + (frame[14] & 15) * 4:]


def test_listen_overflow(plant):
    """Handshakes of a host that is not there: one fits, N do not."""
    ghost = plant.src.rsplit(':' if plant.version == 6 else '.', 1)[0] + (
        ':77' if plant.version == 6 else '.77')
    plant.b.ip('neigh', 'replace', ghost, 'lladdr', plant.link.a.mac, 'dev',
               plant.link.b.name, 'nud', 'permanent')
    sock, port = listener(plant, backlog=64)
    with sock, Sniffer(plant.link.a) as seen:
        plant.trace(saddr=ghost, dport=port)
        plant.send([plant.frame(packet.tcp(1000 + i, port, seq=5), src=ghost)
                    for i in range(N + 1)])
        answers_to = {}
        for frame in seen.frames(0.5):
            head = l4_of(frame, plant.version)
            sport, dport, seq = struct.unpack('!HHI', head[:8])
            if sport == port and head[13] & 0x12 == 0x12:
                answers_to[dport] = seq
            if len(answers_to) > N:
                break
        assert len(answers_to) == N + 1
        sock.listen(0)      # one may wait for accept()
        plant.send([plant.frame(packet.tcp(to, port, flags='A', seq=6,
                                           ack=seq + 1 & 0xffffffff),
                                src=ghost)
                    for to, seq in answers_to.items()])
        check(plant, 'TCP_LISTEN_OVERFLOW', 'tcp_listen_overflow',
              function='tcp')


# ---- the way -----------------------------------------------------------------

def test_netfilter(plant):
    plant.b.nft('table inet t { chain c { type filter hook input priority 0;'
                ' udp dport 4444 drop; }; }')
    plant.trace(daddr=plant.addr, dport=4444)
    plant.send_udp(4444, N)
    check(plant, 'NETFILTER_DROP', 'netfilter_drop', function='nf')


def test_netfilter_of_super_packets(plant):
    """One skb is many packets on the wire."""
    plant.b.nft('table inet t { chain c { type filter hook input priority 0;'
                ' udp dport 4444 drop; }; }')
    plant.trace(daddr=plant.addr, dport=4444)
    with plant.udp() as sock:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        for _ in range(N):
            sock.sendto(bytes(4500), (plant.addr, 4444))
    check(plant, 'NETFILTER_DROP', 'netfilter_drop', N, 5 * N)


def test_neighbour_failed(plant):
    name = plant.link.a.name
    for key, value in (('retrans_time_ms', 50), ('delay_first_probe_time', 1)):
        plant.a.sysctl(f'net.ipv{plant.version}.neigh.{name}.{key}', value)
    nobody = plant.src.rsplit(':' if plant.version == 6 else '.', 1)[0] + (
        ':99' if plant.version == 6 else '.99')
    plant.trace(daddr=nobody, dport=9)
    plant.send_udp(9, N, addr=nobody)
    # ndisc_error_report() does not say it.
    check(plant, 'NOT_SPECIFIED' if plant.version == 6 else 'NEIGH_FAILED',
          'neigh_failed')


def routed(plant):
    """Another end behind a router: (its address, the router, both links)."""
    left, right = plant.lab.ns('left'), plant.lab.ns('right')
    hub, links = plant.lab.router(left, right)
    return left, hub, links, links[1].a.addr(plant.version)


def test_time_to_live(plant):
    left, _, _, addr = routed(plant)
    level, option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) \
        if plant.version == 6 else (socket.IPPROTO_IP, socket.IP_TTL)
    plant.trace(daddr=addr, dport=33434)
    with left.socket(plant.family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, option, 1)
        for _ in range(N):
            sock.sendto(b'too far', (addr, 33434))
    check(plant, 'IP_INHDR', 'hop_limit_expired' if plant.version == 6
          else 'ttl_expired', function='forward')


def test_too_big(plant):
    left, hub, links, addr = routed(plant)
    hub.ip('link', 'set', 'dev', links[1].b.name, 'mtu', 1300)
    level, option = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) \
        if plant.version == 6 else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
    plant.trace(daddr=addr, dport=9)
    with left.socket(plant.family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, option, PMTUDISC_PROBE)
        for _ in range(N):
            sock.sendto(bytes(1400), (addr, 9))
    check(plant, 'PKT_TOO_BIG', 'pkt_too_big', function='forward')


def test_no_route(plant):
    plant.b.sysctl('net.ipv4.ip_forward', 1)
    plant.b.sysctl('net.ipv6.conf.all.forwarding', 1)
    nowhere = '2001:db8:ffff::1' if plant.version == 6 else '198.18.9.9'
    if not kernel_has('IP_INNOROUTES'):
        pytest.skip('this kernel has no such reason')
    frames = [packet.eth(plant.link.b.mac, plant.link.a.mac, packet.ip(
        plant.src, nowhere, packet.udp(1000, 9)))] * N
    plant.trace(daddr=nowhere)
    plant.send(frames)
    check(plant, 'IP_INNOROUTES', 'ip_in_no_routes')


# ---- programs and queues -----------------------------------------------------

def test_xdp(plant):
    """Generic: the stack itself drops for the program, and names no reason."""
    with bpfprog.on(plant.link.b, bpfprog.XDP, flags=bpfprog.SKB_MODE):
        plant.trace(daddr=plant.addr, dport=9)
        plant.send_udp(9, N)
        check(plant, 'NOT_SPECIFIED', 'xdp', function='xdp')


def test_xdp_of_the_driver(plant):
    with bpfprog.on(plant.link.b, bpfprog.XDP, flags=bpfprog.DRV_MODE):
        plant.trace(daddr=plant.addr, dport=9)
        plant.send_udp(9, N)
        check(plant, 'NOT_SPECIFIED', 'xdp', function='xdp')


def test_tc_ingress(plant):
    with bpfprog.on(plant.link.b, bpfprog.TCX_INGRESS):
        plant.trace(daddr=plant.addr, dport=9)
        plant.send_udp(9, N)
        check(plant, 'TC_INGRESS', 'tc_ingress')


def test_tc_egress_of_super_packets(plant):
    with bpfprog.on(plant.link.a, bpfprog.TCX_EGRESS):
        plant.trace(daddr=plant.addr, dport=9)
        with plant.udp() as sock:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
            for _ in range(N):
                try:
                    sock.sendto(bytes(3500), (plant.addr, 9))
                except OSError:     # the sender may be told
                    pass
        check(plant, 'TC_EGRESS', 'tc_egress', N, 4 * N)


def test_queue_limit(plant):
    """As many as the queue itself counts."""
    name = plant.link.a.name
    plant.a.run('tc', 'qdisc', 'replace', 'dev', name, 'root', 'tbf', 'rate',
                '8kbit', 'burst', '2000', 'limit', '3000')
    plant.trace(daddr=plant.addr, dport=9)
    with plant.udp() as sock:
        for _ in range(30):
            try:
                sock.sendto(bytes(500), (plant.addr, 9))
            except OSError:
                pass
    stats = plant.a.run('tc', '-s', 'qdisc', 'show', 'dev', name).stdout
    lost = int(re.search(r'dropped (\d+)', stats)[1])
    assert 0 < lost < 30
    reasons = [r for r in ('QDISC_OVERLIMIT', 'QDISC_DROP')
               if kernel_has(r)]
    got = wait_for(lambda: sum(len(plant.drops(r)) for r in reasons) >= lost
                   and reasons, 10, what='drops of the queue')
    reason = next(r for r in got if plant.drops(r))
    check(plant, reason, reason.lower(), lost)
