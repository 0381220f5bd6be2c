# SPDX-License-Identifier: MIT
"""The analyzer against counters that are not its own; difference 0."""

import json
import os
import socket
import time

import pytest

from lab import ApiError, Suite, packet, traffic, wait_for

pytestmark = pytest.mark.daemons('analyzer', 'gateway')
BOTH = pytest.mark.parametrize('version', [4, 6])
OFFLOAD = pytest.mark.parametrize('offload', [True, False])
PARTS = ('analyzer', 'gateway')
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
HEADERS = {4: 14 + 20, 6: 14 + 40}


def inode(ns):
    """The namespace's inode number."""
    if ns.name is None:
        return os.stat('/proc/self/ns/net').st_ino
    return os.stat(f'/run/netns/{ns.name}').st_ino


class World:
    """Two namespaces and a link; the suite looks on from a third."""

    def __init__(self, lab, *args):
        self.lab = lab
        self.a, self.b = lab.ns('a'), lab.ns('b')
        self.link = lab.veth(self.a, self.b)
        self.suite = Suite(lab, ns=lab.ns('node'), daemons=PARTS,
                           args={'analyzer': args})

    @property
    def api(self):
        """The client."""
        return self.suite.client

    def flows(self, ns=None, **query):
        """All flows, of one namespace."""
        ns = ns or self.b
        return list(self.api.pages('flows', 'flows', netns=inode(ns),
                                   limit=1000, **query))

    def flow(self, ns=None, **query):
        """The only flow."""
        (one,) = self.flows(ns, **query)
        return one

    def interface(self, end):
        """The totals of one end of the link, zeros before its first skb."""
        rows = self.api.get('interfaces', netns=inode(end.ns))['interfaces']
        zero = dict.fromkeys(('skbs', 'packets', 'bytes', 'wire_bytes'), 0)
        return next((r for r in rows if r['ifname'] == end.name),
                    {'rx': zero, 'tx': zero})

    def drops(self, ns=None, **query):
        """{(reason): packets}"""
        out = {}
        for row in self.api.get('drops', netns=inode(ns or self.b),
                                **query)['drops']:
            assert row['packets'] >= row['skbs'] > 0
            key = row.get('reason')
            out[key] = out.get(key, 0) + row['packets']
        return out

    def losses(self):
        """The analyzer's losses that are not zero."""
        (me,) = [s for s in self.api.get('services')['services']
                 if s['name'] == 'analyzer']
        return {row['id']: row['count'] for row in me.get('losses', [])
                if row['count'] and row['id'] != 'unparsed'}


@pytest.fixture
def world(lab):
    """The suite looks on two namespaces."""
    one = World(lab)
    with one.suite:
        yield one


@BOTH
def test_udp_flow_is_exact(world, version):
    """Asked at once, and still all of it."""
    addr = world.link.b.addr(version)
    sent = traffic.udp(world.a, world.b, addr, 2000, 64)
    size = HEADERS[version] + 8 + 64
    want = {'skbs': 2000, 'packets': 2000, 'bytes': 2000 * size,
            'wire_bytes': 2000 * size}
    none = dict.fromkeys(want, 0)
    here = world.flow(port=sent.dst_port, proto='udp')
    assert (here['rx'], here['tx']) == (want, none)
    assert (here['laddr'], here['lport']) == (addr, sent.dst_port)
    assert (here['raddr'], here['rport']) == (
        world.link.a.addr(version), sent.src_port)
    assert here['ifname'] == world.link.b.name
    assert here['netns_name'] == world.b.name
    assert here['ethertype'] == {4: 0x800, 6: 0x86dd}[version]
    there = world.flow(world.a, port=sent.dst_port, proto='udp')
    assert (there['tx'], there['rx']) == (want, none)
    assert there['lport'] == sent.src_port
    assert here['id'] != there['id']
    assert world.api.get('flows/' + here['id'])['rx'] == want
    assert world.losses() == {}


@BOTH
@OFFLOAD
def test_equals_the_interfaces(world, version, offload):
    for end in world.link:
        end.offload(tso=offload, gso=offload, gro=offload)
    world.link.settle()
    old = [(end.counters(), world.interface(end)) for end in world.link]
    addr = world.link.b.addr(version)
    snmp = world.a.snmp()['Tcp']
    tcp = traffic.tcp(world.a, world.b, addr, 1_000_000, connections=2)
    segs = {k: int(v) - int(snmp[k])
            for k, v in world.a.snmp()['Tcp'].items()}
    traffic.udp(world.a, world.b, addr, 1000, 100)
    ping = traffic.icmp(world.a, addr, 200)
    assert ping.received == 200
    world.link.settle()
    ours = []
    for end, (theirs, mine) in zip(world.link, old):
        theirs = end.counters() - theirs
        now = world.interface(end)
        diff = {way: {unit: now[way][unit] - mine[way][unit]
                      for unit in now[way]} for way in ('rx', 'tx')}
        assert diff['tx']['skbs'] == theirs.tx_packets
        if not offload:
            # veth's NAPI, which GRO turns on, counts without Ethernet.
            assert diff['rx']['skbs'] == theirs.rx_packets
            assert diff['tx']['bytes'] == theirs.tx_bytes
            assert diff['rx']['bytes'] == theirs.rx_bytes
        ours.append(diff)
    assert ours[0]['tx']['packets'] == ours[1]['rx']['packets']
    assert ours[1]['tx']['packets'] == ours[0]['rx']['packets']
    assert ours[0]['tx']['wire_bytes'] == ours[1]['rx']['wire_bytes']
    flows = world.flows(world.a, port=tcp.dst_port, proto='tcp')
    assert len(flows) == 2
    assert sum(f['tx']['packets'] for f in flows) == \
        segs['OutSegs'] + segs['RetransSegs']
    assert sum(f['rx']['packets'] for f in flows) == segs['InSegs']


def test_flows_sum_up_to_the_interface(world):
    """ARP, LLC, tagged frames: nothing is in no flow."""
    a, b = world.link
    arp = packet.eth(b.mac, a.mac, bytes(46), kind=0x806)
    body = packet.ip(a.v4, b.v4, packet.udp(7, 8, b'x' * 40))
    traffic.frames(a, [arp] * 5 + [packet.eth(b.mac, a.mac, body,
                                              vlan=7)] * 3)
    traffic.icmp(world.a, b.v6, 10)
    world.link.settle()
    for ns, end in ((world.a, a), (world.b, b)):
        flows = world.flows(ns, ifname=end.name)
        total = world.interface(end)
        for way in ('rx', 'tx'):
            for unit in ('skbs', 'packets', 'bytes', 'wire_bytes'):
                assert sum(f[way][unit] for f in flows) == total[way][unit]
    (frames,) = [f for f in world.flows() if f['ethertype'] == 0x806]
    assert frames['rx']['skbs'] == 5
    assert 'laddr' not in frames and 'lport' not in frames
    tagged = world.flow(port=8, proto='udp')
    assert tagged['rx']['packets'] == 3
    page = world.api.get('flows', netns=inode(world.b), limit=1)
    assert page['total'] == len(world.flows()) > len(page['flows']) == 1
    assert page['rx']['skbs'] == world.interface(b)['rx']['skbs']


@BOTH
def test_loopback_counts_as_the_interface_does(world, version):
    addr = {4: '127.0.0.1', 6: '::1'}[version]
    old = world.b.ip('-s', '-j', 'link', 'show', 'dev', 'lo')[0]['stats64']
    assert old['rx']['packets'] == 0
    sent = traffic.udp(world.b, world.b, addr, 100, 50)
    new = world.b.ip('-s', '-j', 'link', 'show', 'dev', 'lo')[0]['stats64']
    flows = world.flows(port=sent.dst_port, proto='udp', ifname='lo')
    assert sum(f['rx']['bytes'] for f in flows) == new['rx']['bytes']
    assert sum(f['tx']['packets'] for f in flows) == new['tx']['packets'] \
        == 100


@BOTH
def test_forwarded_packets_are_on_both_interfaces(lab, version):
    one = World(lab)
    a, b = lab.ns('left'), lab.ns('right')
    router, links = lab.router(a, b)
    with one.suite:
        addr = links[1].a.addr(version)
        sent = traffic.udp(a, b, addr, 100, 50)
        flows = one.flows(router, port=sent.dst_port, proto='udp')
        assert len(flows) == 2
        by_name = {f['ifname']: f for f in flows}
        came, left = (by_name[links[i].b.name] for i in (0, 1))
        assert (came['rx']['packets'], came['tx']['packets']) == (100, 0)
        assert (left['rx']['packets'], left['tx']['packets']) == (0, 100)
        assert came['laddr'] == left['raddr'] == addr


# ---- drops ----------------------------------------------------------------

def reasons(world):
    """Skips where the daemon says that the kernel gives none."""
    (me,) = [s for s in world.api.get('services')['services']
             if s['name'] == 'analyzer']
    (one,) = [c for c in me['capabilities']
              if c['id'] == 'analyzer.drop_reasons']
    if not one['available']:
        pytest.skip(f'{one["id"]}: {one["reason"]}')


def shoot(ns, version, addr, port, count):
    """Datagrams that nobody waits for."""
    with ns.socket(FAMILY[version], socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            try:
                sock.sendto(b'x' * 20, (addr, port))
            except OSError:
                pass    # the filter's answer


@BOTH
def test_no_socket(world, version):
    reasons(world)
    shoot(world.a, version, world.link.b.addr(version), 9, 40)
    assert world.drops(port=9, proto='udp') == {'NO_SOCKET': 40}
    flow = world.flow(port=9, proto='udp')
    (drop,) = flow['drops']
    assert flow['dropped_packets'] == flow['rx']['packets'] == 40
    assert (drop['reason'], drop['packets']) == ('NO_SOCKET', 40)
    assert drop['function'].startswith('__udp')
    assert flow['ifname'] == world.link.b.name
    assert world.drops()['NO_SOCKET'] >= 40


@BOTH
def test_nft_input_and_output(world, version):
    reasons(world)
    world.b.nft('table inet t {\n'
                ' chain i { type filter hook input priority 0;'
                ' udp dport 77 drop\n }\n'
                ' chain o { type filter hook output priority 0;'
                ' udp dport 78 drop\n }\n}')
    shoot(world.a, version, world.link.b.addr(version), 77, 30)
    shoot(world.b, version, world.link.a.addr(version), 78, 20)
    assert world.drops(port=77) == {'NETFILTER_DROP': 30}
    came = world.flow(port=77)
    assert (came['lport'], came['rx']['packets']) == (77, 30)
    # Never on a device: a flow of drops alone, by the way it would have gone.
    left = world.flow(port=78)
    assert (left['rport'], left['tx']['packets']) == (78, 0)
    assert left['dropped_packets'] == 20
    assert left['raddr'] == world.link.a.addr(version)
    assert left['ifname'] == world.link.b.name


def test_rp_filter(world):
    reasons(world)
    for name in ('all', world.link.b.name):
        world.b.sysctl(f'net.ipv4.conf.{name}.rp_filter', 1)
    a, b = world.link
    body = packet.ip('198.51.100.7', b.v4, packet.udp(5, 6, b'x'))
    traffic.frames(a, [packet.eth(b.mac, a.mac, body)] * 12)
    wait_for(lambda: sum(world.drops(addr='198.51.100.7').values()) == 12, 2)
    assert set(world.drops(addr='198.51.100.7')) <= {'IP_RPFILTER',
                                                     'NOT_SPECIFIED'}


@BOTH
def test_parts_of_what_arrived_are_no_drops(world, version):
    reasons(world)
    ping = traffic.icmp(world.a, world.link.b.addr(version), 10, size=20000)
    assert ping.received == 10
    world.link.settle()
    assert not [row for row in world.api.get('drops', limit=1000)['drops']
                if row.get('reason') == 'NOT_SPECIFIED' and
                row.get('function') == 'skb_release_data']


def test_full_receive_buffer(world):
    reasons(world)
    with world.b.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((world.link.b.v4, 5353))
        old = int(world.b.snmp()['Udp']['RcvbufErrors'])
        shoot(world.a, 4, world.link.b.v4, 5353, 200)
        lost = int(world.b.snmp()['Udp']['RcvbufErrors']) - old
        assert lost > 0
        assert world.drops(port=5353) == {'SOCKET_RCVBUFF': lost}


# ---- requests -------------------------------------------------------------

@pytest.mark.host_only('it measures time')
def test_rates_come_and_go(world):
    addr = world.link.b.v4
    sent = traffic.udp(world.a, world.b, addr, 10, 64, port=6000,
                       src_port=6001)

    def rated():
        flow = world.flow(port=6000, proto='udp')
        assert flow['rx']['packets'] % 10 == 0
        return flow.get('rx_packets_per_s') is not None and flow

    assert sent.received == 10
    assert wait_for(rated, 10)['rx_bytes_per_s'] >= 0
    start = time.monotonic()
    traffic.udp(world.a, world.b, addr, 5000, 64, port=6000, src_port=6001)
    flow = wait_for(lambda: (f := rated()) and f['rx_packets_per_s'] > 0
                    and f, 10)
    assert flow['rx_packets_per_s'] <= 5000 / 0.9
    assert time.monotonic() - start < 10
    wait_for(lambda: rated()['rx_packets_per_s'] == 0, 10)


def test_sort_and_pages(world):
    for port, count in ((7001, 10), (7002, 30), (7003, 20)):
        traffic.udp(world.a, world.b, world.link.b.v4, count, 64, port=port)
    query = {'netns': inode(world.b), 'proto': 'udp',
             'addr': world.link.b.v4}

    def ports(sort):
        return [f['lport'] for f in world.api.get('flows', sort=sort,
                                                  **query)['flows']]

    assert ports('-packets') == ports('-bytes') == [7002, 7003, 7001]
    assert ports('bytes') == [7001, 7003, 7002]
    assert ports('first') == [7001, 7002, 7003]
    assert ports('-last') == [7003, 7002, 7001]
    paged = [f['lport'] for f in world.api.pages(
        'flows', 'flows', limit=1, sort='-packets', **query)]
    assert paged == [7002, 7003, 7001]


@pytest.mark.parametrize('query, field', [
    ({'sort': 'colour'}, 'sort'), ({'port': 70000}, 'port'),
    ({'addr': '1.2.3'}, 'addr'), ({'proto': 'nope'}, 'proto'),
    ({'ifname': 'x' * 16}, 'ifname'), ({'limit': 0}, 'limit'),
    ({'cursor': 'zz'}, 'cursor'), ({'lport': -1}, 'lport'),
])
def test_bad_queries(world, query, field):
    with pytest.raises(ApiError) as err:
        world.api.get('flows', **query)
    assert err.value.status == 400
    assert err.value.problem['field'] == field
    assert err.value.problem['detail']


@pytest.mark.parametrize('flow', ['zz', '00', 'a' * 300, '0' * 40])
def test_unknown_flow(world, flow):
    with pytest.raises(ApiError) as err:
        world.api.get('flows/' + flow)
    assert err.value.status == 404


# ---- bounds ---------------------------------------------------------------

def test_full_map_is_told(lab):
    """More flows than fit: what is missing is counted, packet by packet."""
    world = World(lab, '--flows-max', '16', '--flow-drops-max', '16')
    with world.suite:
        old = world.interface(world.link.b)['rx']['skbs']
        for port in range(20000, 20200):
            shoot(world.a, 4, world.link.b.v4, port, 1)
        seen = world.interface(world.link.b)['rx']['skbs'] - old
        assert seen == 200
        assert len(world.flows()) <= 32

        def lost(which):
            return world.losses().get(which, 0)

        wait_for(lambda: lost('flow_map_full_skbs') >= 200 - 16, 5)
        wait_for(lambda: lost('flow_drop_map_full') >= 200 - 16, 5)
        assert world.drops().get('NO_SOCKET', world.drops().get(None)) == 200


def test_idle_flows_are_removed_and_remembered(lab):
    world = World(lab, '--flow-timeout', '2s')
    with world.suite:
        sent = traffic.udp(world.a, world.b, world.link.b.v4, 50, 64)
        total = world.interface(world.link.b)
        assert world.flow(port=sent.dst_port)['rx']['packets'] == 50
        wait_for(lambda: not world.flows(port=sent.dst_port), 20)
        # The interface's total stays, and what was removed is in a total.
        assert world.interface(world.link.b)['rx']['packets'] >= \
            total['rx']['packets']
        text = wait_for(lambda: (t := world.api.get('/metrics').decode()) and
                        'evicted_packets_total' in t and t, 5)
        gone = sum(float(line.rpartition(' ')[2])
                   for line in text.splitlines()
                   if 'analyzer_evicted_packets_total{' in line)
        assert gone >= 100      # 50 at each end


def test_a_namespace_after_another(lab):
    """A new namespace may get the inode number of one that went: its
    interface starts from nothing."""
    world = World(lab)
    with world.suite:
        for turn in range(3):
            a, b = lab.ns(f'x{turn}'), lab.ns(f'y{turn}')
            link = lab.veth(a, b)
            old = world.interface(link.b)['rx']['packets']
            theirs = link.b.counters()
            assert old == theirs.rx_packets
            traffic.udp(a, b, link.b.v4, 100, 64)
            assert world.interface(link.b)['rx']['packets'] == old + 100
            for ns in (a, b):
                lab.host.ip('netns', 'del', ns.name)


def programs_of(pid):
    """Ids of the BPF programs that a process holds."""
    ids = set()
    for name in os.listdir(f'/proc/{pid}/fdinfo'):
        try:
            with open(f'/proc/{pid}/fdinfo/{name}', encoding='ascii') as file:
                ids |= {int(line.split()[1]) for line in file
                        if line.startswith('prog_id:')}
        except OSError:
            pass    # closed meanwhile
    return ids


def test_nothing_is_left_attached(world):
    analyzer = world.suite['analyzer']
    ours = programs_of(analyzer.proc.pid)
    assert len(ours) >= 3
    assert analyzer.stop() == 0

    def loaded():
        return {row['id'] for row in json.loads(world.lab.host.run(
            'bpftool', '-j', 'prog', 'show').stdout)}

    wait_for(lambda: not ours & loaded(), 5)
