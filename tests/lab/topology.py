# SPDX-License-Identifier: MIT
"""Topologies that a packet crosses, and the stations that its way must show.

    top = TOPOLOGIES['snat'](lab)
    sent = top.send('udp', 4, 20)
    top.path(4, 'udp')      # [(namespace, interface or None, station), …]
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

from . import traffic
from .net import Iface
from .suite import Daemon
from .tracing import inum
from .wait import SLOW, wait_for

OUTPUT = ['netfilter:output', 'netfilter:postrouting', 'cgroup_skb:egress']
XMIT = ['net_dev_queue', 'net_dev_start_xmit', 'net_dev_xmit']
COMES = ['netif_receive_skb', 'netfilter:prerouting', 'netfilter:input']
FORWARD = ['netif_receive_skb', 'netfilter:prerouting', 'netfilter:forward',
           'netfilter:postrouting']
READER = 'skb_copy_datagram_iovec'
VNI, VXLAN_PORT, VLAN = 42, 4789, 7


@dataclass
class Traffic:
    """What was exchanged: by how many packets of the sender's, at least."""
    proto: str
    count: int
    received: int
    sport: int = 0
    dport: int = 0


@dataclass
class Topology:
    """Two ends, and what lies between them."""
    name: str
    src: object
    dst: object
    target: dict            # what the sender sends to, by version
    server: dict            # the receiver's own address
    source: dict            # the sender's own address
    middle: list = field(default_factory=list)   # (ns, interface, stations)
    public: dict = None     # the source that the receiver sees
    ends: tuple = ()        # interfaces, the receiver's last
    tunnel: tuple = ()      # (outer source, outer target) by version

    def filter(self, version):
        """Of a trace: what the sender sends, as it sends it."""
        ends = {'saddr': self.source[version], 'daddr': self.target[version]}
        if self.target[4].startswith('127.'):   # the host has these too
            ends['netns'] = inum(self.src)
        return ends

    def seen_source(self, version):
        """The sender, as the receiver sees it."""
        return (self.public or self.source)[version]

    def tuples(self, version):
        """(source, target) of a packet to the receiver, in all its forms."""
        forms = [(self.source[version], self.target[version]),
                 (self.seen_source(version), self.server[version])]
        return list(dict.fromkeys(forms))

    def path(self, proto, *, egress=True, ingress=True, reader=False):
        """Stations of a packet from the sender to the receiver, in order:
        (namespace, interface or None, station). reader: of TCP, to who reads
        it."""
        src, dst = inum(self.src), inum(self.dst)
        path = [(src, None, s) for s in OUTPUT + XMIT
                if egress or s != 'cgroup_skb:egress']
        for ns, name, stations in self.middle:
            number = inum(ns)
            path += [(number, name, s) for s in stations]
        path += [(dst, None, s) for s in COMES]
        if proto != 'icmp' and ingress:
            path.append((dst, None, 'cgroup_skb:ingress'))
        if proto == 'tcp' and reader:
            path.append((dst, None, READER))
        return path

    def send(self, proto, version, count, *, size=200, offset=0):
        """Packets from the sender, each with a number of its own at this
        offset of its payload."""
        if proto == 'icmp':
            sent = traffic.icmp(self.src, self.target[version], count)
            return Traffic(proto, sent.sent, sent.received)
        call = self._udp if proto == 'udp' else self._tcp
        return call(version, count, size, offset)

    def _payloads(self, count, size, offset):
        for number in range(count):
            head = bytes(offset) + struct.pack('!Q', number)
            yield head + bytes(size - len(head))

    def _udp(self, version, count, size, offset):
        family = traffic.family(self.server[version])
        got = 0
        with self.dst.socket(family, socket.SOCK_DGRAM) as rx, \
                self.src.socket(family, socket.SOCK_DGRAM) as tx:
            rx.bind((self.server[version], 0))
            rx.settimeout(2 * SLOW)
            port = rx.getsockname()[1]
            tx.connect((self.target[version], port))
            window = 0
            for data in self._payloads(count, size, offset):
                tx.send(data)
                window += 1
                if window == 8:
                    got += _receive(rx, window)
                    window = 0
            got += _receive(rx, window)
            return Traffic('udp', count, got, tx.getsockname()[1], port)

    def send_again(self, old, version, count):
        """More datagrams of an old exchange; how many came."""
        family = traffic.family(self.server[version])
        with self.dst.socket(family, socket.SOCK_DGRAM) as rx, \
                self.src.socket(family, socket.SOCK_DGRAM) as tx:
            rx.bind((self.server[version], old.dport))
            rx.settimeout(2 * SLOW)
            tx.bind((self.source[version], old.sport))
            tx.connect((self.target[version], old.dport))
            for data in self._payloads(count, 200, 0):
                tx.send(data)
            return _receive(rx, count)

    @contextlib.contextmanager
    def _connection(self, version, size):
        """A TCP socket of the sender's; the receiver answers each message of
        this size, and ends when it has read all."""
        family = traffic.family(self.server[version])
        with self.dst.socket(family, socket.SOCK_STREAM) as server, \
                self.src.socket(family, socket.SOCK_STREAM) as tx:
            server.bind((self.server[version], 0))
            server.listen(1)
            server.settimeout(20 * SLOW)
            tx.settimeout(20 * SLOW)
            echo = threading.Thread(target=_echo, args=(server, size))
            echo.start()
            tx.connect((self.target[version], server.getsockname()[1]))
            yield tx
            tx.shutdown(socket.SHUT_WR)
            tx.recv(1)
            echo.join(20 * SLOW)

    def _tcp(self, version, count, size, offset):
        """Each number is answered before the next one goes."""
        with self._connection(version, size) as tx:
            got = 0
            for data in self._payloads(count, size, offset):
                tx.sendall(data)
                got += len(tx.recv(1))
            return _tcp_traffic(tx, count, got)

    def bulk(self, version, size):
        """A TCP stream of so many bytes, as fast as it goes."""
        with self._connection(version, 1 << 60) as tx:
            tx.sendall(bytes(size))
            return _tcp_traffic(tx, size, size)


def _tcp_traffic(sock, count, received):
    return Traffic('tcp', count, received, sock.getsockname()[1],
                   sock.getpeername()[1])


def _receive(sock, count):
    got = 0
    for _ in range(count):
        try:
            sock.recv(65536)
        except socket.timeout:
            break
        got += 1
    return got


def _echo(server, size):
    """Answers each message of this size with one byte."""
    conn, _ = server.accept()
    with conn:
        conn.settimeout(20 * SLOW)
        got = 0
        while data := conn.recv(1 << 18):
            got += len(data)
            while got >= size:
                got -= size
                conn.send(b'.')


def _both(iface):
    return {4: iface.v4, 6: iface.v6}


def plain(lab):
    """One veth."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    return Topology('plain', a, b, _both(link.b), _both(link.b),
                    _both(link.a), ends=(link.a, link.b))


def loopback(lab, own=False):
    """One namespace by itself; own: by addresses that nobody else has."""
    a = lab.ns('a')
    lo = {4: '127.0.0.1', 6: '::1'}
    if own:
        v4, v6 = lab.subnet()
        lo = {4: f'{v4}.1', 6: f'{v6}::1'}
        a.ip('addr', 'add', f'{lo[4]}/32', 'dev', 'lo')
        a.ip('addr', 'add', f'{lo[6]}/128', 'dev', 'lo', 'nodad')
    end = Iface(a, 'lo', '00:00:00:00:00:00', lo[4], lo[6])
    return Topology('loopback', a, a, lo, lo, lo, ends=(end,))


def bridge(lab):
    """A bridge in a namespace of its own."""
    a, b = lab.ns('a'), lab.ns('b')
    hub, (one, two) = lab.bridge([a, b])
    for version in (4, 6):      # ARP and ND are over, the ports known
        traffic.icmp(a, two.addr(version), 1)
    return Topology('bridge', a, b, _both(two), _both(two), _both(one),
                    [(hub, None, ['netif_receive_skb', *XMIT])],
                    ends=(one, two))


def _routed(lab):
    a, b = lab.ns('a'), lab.ns('b')
    hub, (left, right) = lab.router(a, b)
    return a, b, hub, left, right


def router(lab):
    """A router that changes nothing."""
    a, b, hub, left, right = _routed(lab)
    return Topology('router', a, b, _both(right.a), _both(right.a),
                    _both(left.a), [(hub, None, FORWARD + XMIT)],
                    ends=(left.a, right.a))


def snat(lab):
    """A router that masquerades."""
    top = router(lab)
    hub = top.middle[0][0]
    hub.nft('table inet n { chain c { type nat hook postrouting priority 100;'
            f' ip saddr {top.source[4]} masquerade;'
            f' ip6 saddr {top.source[6]} masquerade; }}; }}')
    top.name = 'snat'
    # The router's end towards the receiver: the same subnet, .2.
    top.public = {v: _peer(top.server[v]) for v in (4, 6)}
    return top


def dnat(lab):
    """A router whose own address stands for the receiver."""
    a, b, hub, left, right = _routed(lab)
    hub.nft('table inet n { chain c { type nat hook prerouting priority -100;'
            f' ip daddr {left.b.v4} dnat ip to {right.a.v4};'
            f' ip6 daddr {left.b.v6} dnat ip6 to {right.a.v6}; }}; }}')
    return Topology('dnat', a, b, _both(left.b), _both(right.a),
                    _both(left.a), [(hub, None, FORWARD + XMIT)],
                    ends=(left.a, right.a))


def _peer(addr):
    """The other end of a veth of the lab: .1 and .2."""
    return addr[:-1] + ('2' if addr[-1] == '1' else '1')


def vxlan(lab, version=4):
    """A VXLAN between two ends of a veth; version: of the outside."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    for near, far in ((link.a, link.b), (link.b, link.a)):
        near.ns.ip('link', 'add', 'vx0', 'type', 'vxlan', 'id', VNI,
                   'dstport', VXLAN_PORT, 'local', near.addr(version),
                   'remote', far.addr(version), 'dev', near.name)
    return _tunnel(lab, 'vxlan', link, {4: 'vx0', 6: 'vx0'}, version)


def ipip(lab, version=4):
    """IP in IP between two ends of a veth: what is IPv4 and what is IPv6 in
    a tunnel of its own, where the outside is IPv4."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    devs = {4: 'ipip1', 6: 'sit1'} if version == 4 else {4: 'tnl1', 6: 'tnl1'}
    for near, far in ((link.a, link.b), (link.b, link.a)):
        ends = ('local', near.addr(version), 'remote', far.addr(version),
                'dev', near.name)
        if version == 4:
            near.ns.ip('link', 'add', 'ipip1', 'type', 'ipip', *ends)
            near.ns.ip('link', 'add', 'sit1', 'type', 'sit', *ends)
        else:
            near.ns.ip('link', 'add', 'tnl1', 'type', 'ip6tnl', 'mode', 'any',
                       'encaplimit', 'none', *ends)
    return _tunnel(lab, 'ipip', link, devs, version)


def vlan(lab):
    """A VLAN over a veth."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    for near in link:
        near.ns.ip('link', 'add', 'link', near.name, 'name', 'vlan7', 'type',
                   'vlan', 'id', VLAN)
    inner = _inside(lab, link, {4: 'vlan7', 6: 'vlan7'})
    return Topology('vlan', a, b, inner[1], inner[1], inner[0],
                    [(a, link.a.name, XMIT)], ends=(link.a, link.b))


def _inside(lab, link, devs):
    """Addresses for the devices at both ends; by version, of each end."""
    v4, v6 = lab.subnet()
    inner = []
    for num, near in enumerate(link, 1):
        near.ns.ip('addr', 'add', f'{v4}.{num}/24', 'dev', devs[4])
        near.ns.ip('addr', 'add', f'{v6}::{num}/64', 'dev', devs[6], 'nodad')
        for dev in sorted(set(devs.values())):
            near.ns.ip('link', 'set', dev, 'up')
        inner.append({4: f'{v4}.{num}', 6: f'{v6}::{num}'})
    for version in (4, 6):      # ARP and ND are over
        traffic.icmp(link.a.ns, inner[1][version], 1)
    return inner


def _tunnel(lab, name, link, devs, version):
    a, b = link.a.ns, link.b.ns
    inner = _inside(lab, link, devs)
    outside = [s for s in OUTPUT if s != 'cgroup_skb:egress'] + XMIT
    return Topology(name, a, b, inner[1], inner[1], inner[0],
                    [(a, link.a.name, outside), (b, link.b.name, COMES)],
                    ends=(link.a, link.b),
                    tunnel=(link.a.addr(version), link.b.addr(version)))


TOPOLOGIES = {'plain': plain, 'loopback': loopback, 'bridge': bridge,
              'router': router, 'snat': snat, 'dnat': dnat, 'vxlan': vxlan}
# With devices that not every kernel has: making one fails there.
RARE = {'ipip': ipip, 'vlan': vlan}


def guard(lab, suite, end):
    """A guarder that enforces by XDP at this interface; asked through the
    suite's gateway."""
    guarder = Daemon(lab, 'guarder', '--interfaces', end.name, ns=end.ns,
                     run_dir=suite.run_dir, state_dir=suite.state_dir)
    guarder.start()
    wait_for(lambda: 'guarder' in suite.ready(), 15, what='guarder known')
    if not suite.client.get('rules')['rules']:
        suite.client.post('rules', {'action': 'drop', 'proto': 'udp',
                                    'dport': '9'})
    wait_for(lambda: has_xdp(end), 10, what='XDP attached')
    return guarder


def unguard(guarder):
    """Ends it, and takes its enforcement off."""
    guarder.stop()
    guarder.run_once('--flush', '--run-dir', guarder.run_dir,
                     '--state-dir', guarder.state_dir)


def has_xdp(end):
    """Is there a program at this interface?"""
    return bool(end.ns.ip('-j', 'link', 'show', 'dev',
                          end.name)[0].get('xdp'))


# ---- ways --------------------------------------------------------------------

def missing(way, path):
    """The stations of the path that this way does not show in this order, and
    those at which a part of the packet is missing.

    net_dev_xmit is the driver's return: the receiver may be faster.
    """
    steps = iter(way['steps'])
    absent = []
    for ns, name, station in path:
        if station == 'net_dev_xmit':
            continue
        if not any(_is_at(step, ns, name, station) for step in steps):
            absent.append((ns, name, station))
            break
    whole = way['steps'][0].get('packets', 1)
    for ns, name, station in path:
        if station == READER:
            continue  # bytes are given to it, of however many packets
        there = sum(s.get('packets', 1) for s in way['steps']
                    if _is_at(s, ns, name, station))
        if there < whole:
            absent.append((ns, name, station, there, whole))
    return absent


def _is_at(step, ns, name, station):
    return step['station'] == station and step.get('netns', ns) == ns and \
        name in (None, step.get('ifname'))
