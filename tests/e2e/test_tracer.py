# SPDX-License-Identifier: MIT
"""The tracer: ways of packets, drops, sockets; each with its IPv6 twin."""

import os
import re
import socket
import time

import pytest

from lab import ApiError, Daemon, packet, traffic, wait_for
from lab.tracing import (answers, check_sums, check_way, has, in_order, inum,
                         linked, packets, settled, stations, trace)

pytestmark = pytest.mark.daemons('tracer', 'gateway')

SENT = ['netfilter:output', 'netfilter:postrouting', 'cgroup_skb:egress',
        'net_dev_queue', 'net_dev_start_xmit', 'net_dev_xmit']
RECEIVED = ['netif_receive_skb', 'netfilter:prerouting', 'netfilter:input']
# What an older kernel may lack.
OPTIONAL = {'netfilter': 'tracer.netfilter', 'cgroup_skb': 'tracer.cgroup'}


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    with linked(lab) as suite:
        yield suite


def there(suite, wanted):
    """Those of the stations that the tracer says it has here."""
    return [name for name in wanted
            if (kind := name.partition(':')[0]) not in OPTIONAL or
            has(suite, OPTIONAL[kind])]


def freed_where():
    """Does this kernel's consume_skb say where? Yes, if that is not known."""
    try:
        with open('/sys/kernel/tracing/events/skb/consume_skb/format',
                  encoding='ascii') as file:
            return 'location' in file.read()
    except OSError:
        return True


def test_best_tier(api):
    """What the kernel's types have, the programs are loaded with: a program
    that its verifier refuses would only be missed."""
    if not has(api, 'tracer.netfilter') and 'bpf_nf_ctx' not in types():
        pytest.skip('this kernel has no netfilter links')
    assert has(api, 'tracer.netfilter') and has(api, 'tracer.cgroup')
    (me,) = [s for s in api.client.get('services')['services']
             if s['name'] == 'tracer']
    tier = {c['id']: c.get('tier') for c in me['capabilities']}
    assert tier['tracer.tracepoints'] == 'tp_btf'
    assert tier['tracer.owners'] == 'tracepoints'


def types():
    """The names in the kernel's types."""
    with open('/sys/kernel/btf/vmlinux', 'rb') as file:
        return file.read().decode('latin-1').split('\0')


# ---- ways --------------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_udp_way(api, version):
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'daddr': addr, 'proto': 'udp'})
    sent = traffic.udp(api.a, api.b, addr, 20, size=64)
    ways = settled(api, ident, 20)
    assert len(ways) == sent.sent == sent.received == 20
    out = there(api, SENT)
    came = there(api, RECEIVED + ['cgroup_skb:ingress'])
    for way in ways:
        check_way(way)
        assert way['tuple'] == {
            'saddr': api.link.a.addr(version), 'daddr': addr,
            'sport': sent.src_port, 'dport': sent.dst_port, 'proto': 'udp'}
        assert in_order(stations(way, inum(api.a)), out)
        assert in_order(stations(way, inum(api.b)), came)
        assert not any(s['inferred'] for s in way['steps']
                       if s['layer'] != 'free')
        queue = way['steps'][stations(way).index('net_dev_queue')]
        assert queue['layer'] == 'qdisc' and queue['direction'] == 'out'
        assert queue['ifname'] == api.link.a.name
        assert queue['ifindex'] == api.link.a.index
        assert queue['packets'] == 1
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_tcp_both_directions(api, version):
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'saddr': addr, 'proto': 'tcp'})
    sent = traffic.tcp(api.a, api.b, addr, 50000)
    ways = settled(api, ident, 8)
    data = [w for w in ways if w['len'] > 200
            and w['tuple']['dport'] == sent.dst_port]
    assert data and sum(w['len'] for w in data) >= 50000
    whole = there(api, SENT[:5] + RECEIVED + [
        'cgroup_skb:ingress', 'skb_copy_datagram_iovec'])
    for way in data:
        check_way(way)
        assert in_order(stations(way), whole)
        assert way['fate'] == 'delivered'
        # The call that sent it may return when it has been read already.
        layers = [s['layer'] for s in way['steps']
                  if s['layer'] not in ('free', 'socket')]
        assert layers[-1] == 'application'
    back = [w for w in ways if w['tuple']['sport'] == sent.dst_port]
    assert back, 'the reverse direction is followed too'
    out = there(api, SENT)
    assert all(in_order(stations(w, inum(api.b)), out) for w in back)
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_icmp_way(api, version):
    addr = api.link.b.addr(version)
    proto = 'icmpv6' if version == 6 else 'icmp'
    ident = trace(api, filter={'daddr': addr, 'proto': proto})
    sent = traffic.icmp(api.a, addr, 5)
    assert sent.received == 5
    ways = settled(api, ident, 10)
    assert len(ways) == 10
    asked = [w for w in ways if w['tuple']['daddr'] == addr]
    assert len(asked) == 5
    whole = there(api, SENT[:5] + RECEIVED)
    for way in asked:
        check_way(way)
        assert in_order(stations(way), whole)
        last = way['steps'][-1]
        if freed_where():
            assert way['fate'] == 'delivered'
            assert last['function'] in ('icmp_rcv', 'icmpv6_rcv')
        else:
            # Handled, or dropped: such a kernel frees both alike.
            assert 'fate' not in way
            assert last.get('function') in (None, 'icmpv6_rcv')
    for way in ways:
        assert way not in asked or 'sport' not in way['tuple']
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_fragments_that_arrive_are_not_dropped(api, version):
    addr = api.link.b.addr(version)
    proto = 'icmpv6' if version == 6 else 'icmp'
    ident = trace(api, filter={'daddr': addr, 'proto': proto})
    assert traffic.icmp(api.a, addr, 5, size=5000).received == 5
    # The four fragments of each packet, and back.
    ways = settled(api, ident, 40)
    by = {drop.get('function') for drop, _ in drops(ways)}
    if by & {'kfree_skb_list', 'kfree_skb_list_reason'}:
        pytest.skip('this kernel does not say who freed a list')
    assert 'skb_release_data' not in by
    assert not [w for w in ways if w.get('fate') == 'dropped']
    check_sums(api, ident)


@pytest.mark.parametrize('version', [4, 6])
def test_router_forwards(api, lab, version):
    a, b = lab.ns('left'), lab.ns('right')
    router, links = lab.router(a, b)
    left, right = links
    ends = [i for link in (left, right) for i in link
            if i.ns.name in (a.name, b.name)]
    source, target = ends
    ident = trace(api, filter={'daddr': target.addr(version),
                               'proto': 'udp'})
    traffic.udp(a, b, target.addr(version), 3, size=32)
    ways = settled(api, ident, 3)
    assert len(ways) == 3
    through = there(api, [
        'netif_receive_skb', 'netfilter:prerouting', 'netfilter:forward',
        'netfilter:postrouting', 'net_dev_queue', 'net_dev_xmit'])
    for way in ways:
        check_way(way)
        assert way['tuple']['saddr'] == source.addr(version)
        assert in_order(stations(way, inum(router)), through)
        # One packet through three namespaces.
        assert [inum(n) for n in (a, router, b)] == list(dict.fromkeys(
            s['netns'] for s in way['steps'] if 'netns' in s))


def test_netns_filter(api):
    """What comes in is followed from there, what goes out further on."""
    ident = trace(api, filter={'netns': inum(api.b), 'proto': 'icmp'})
    sent = traffic.icmp(api.a, api.link.b.v4, 4)
    assert sent.received == 4
    ways = settled(api, ident, 8)
    assert len(ways) == 8     # requests and replies
    for way in ways:
        assert way['steps'][0]['netns'] == inum(api.b), way
        request = way['tuple']['daddr'] == api.link.b.v4
        assert request == (not stations(way, inum(api.a))), way
    state = check_sums(api, ident)
    assert state['losses'] == []


def test_netns_alone_takes_no_other(api):
    """The rest of the host takes no places, and costs no events: neither its
    packets nor its sockets' calls."""
    ident = trace(api, filter={'netns': inum(api.b)}, max_packets=60)
    other = traffic.udp(api.a, api.a, '127.0.0.1', 200)
    assert traffic.tcp(api.a, api.a, '127.0.0.1').received
    assert other.received == 200
    sent = traffic.tcp(api.b, api.b, '127.0.0.1', size=10)
    assert sent.received_bytes == 10
    assert traffic.icmp(api.a, api.link.b.v4, 4).received == 4
    ways = settled(api, ident, 8)
    assert all(w['steps'][0]['netns'] == inum(api.b) for w in ways)
    ends = {tuple(sorted((w['tuple']['saddr'], w['tuple']['daddr'])))
            for w in ways if w['tuple']['proto'] in ('icmp', 'tcp')}
    assert ends == {(api.link.a.v4, api.link.b.v4), ('127.0.0.1',) * 2}
    assert any(w['tuple']['proto'] == 'tcp' and w.get('fate') == 'delivered'
               and 'sock_recv_length' in stations(w, inum(api.b))
               for w in ways)
    state = check_sums(api, ident)
    assert state['losses'] == []
    assert state['hits'] < 1000


def test_netns_of_several_traces(api):
    """Each has the packets from where they enter its own namespace."""
    first = trace(api, filter={'netns': inum(api.a), 'proto': 'icmp'})
    second = trace(api, filter={'netns': inum(api.b), 'proto': 'icmp'})
    assert traffic.icmp(api.a, api.link.b.v4, 4).received == 4
    for ident, ns in ((first, api.a), (second, api.b)):
        ways = settled(api, ident, 8)
        assert len(ways) == 8
        assert {w['steps'][0]['netns'] for w in ways} == {inum(ns)}
        assert check_sums(api, ident)['losses'] == []


# ---- what comes and goes meanwhile -------------------------------------------

def whole(api, link, way):
    """Was it seen at the hooks of both ends?"""
    a, b = inum(link.a.ns), inum(link.b.ns)
    return in_order(stations(way, a), there(api, ['netfilter:output'])) and \
        in_order(stations(way, b), there(api, RECEIVED)) and \
        (not has(api, 'tracer.tcx') or
         ('tcx:egress' in stations(way, a) and
          'tcx:ingress' in stations(way, b)))


def test_namespaces_that_come_later(api, lab):
    """While a trace runs; and at once for another one."""
    first = trace(api, filter={'proto': 'udp', 'dport': 7001})
    link = lab.veth(lab.ns('c'), lab.ns('d'))
    second = trace(api, filter={'proto': 'udp', 'dport': 7002})
    traffic.udp(link.a.ns, link.b.ns, link.b.v4, 1, port=7002)
    (way,) = settled(api, second, 1)
    assert whole(api, link, way), way
    api.client.delete(f'traces/{second}')
    later = lab.veth(lab.ns('e'), link.b.ns)

    def seen():
        traffic.udp(later.a.ns, later.b.ns, later.b.v6, 1, port=7001)
        return whole(api, later, settled(api, first, 1)[-1])
    wait_for(seen, 15, what='netfilter and tcx in a new namespace')
    state = api.client.get(f'traces/{first}')
    assert not [s for s in state['stations'] if not s['available']
                and s['id'] in ('netfilter', 'tcx')
                and has(api, f'tracer.{s["id"]}')]
    check_sums(api, first)


def test_namespaces_that_go(api, lab):
    """What is attached keeps none alive."""
    gone = lab.ns('c')
    link = lab.veth(api.a, gone)
    trace(api, filter={'proto': 'udp'}, duration_ns=120 * 10**9)
    lab.host.ip('netns', 'del', gone.name)
    wait_for(lambda: link.a.name not in [
        x['ifname'] for x in api.a.ip('-j', 'link', 'show')], 20,
        what='the end of a namespace that was deleted')


# ---- drops -------------------------------------------------------------------

def drops(ways):
    return [(s['drop'], w) for w in ways for s in w['steps'] if 'drop' in s]


@pytest.mark.parametrize('version', [4, 6])
def test_drop_no_socket(api, version):
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'daddr': addr, 'dport': 9, 'proto': 'udp'})
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.a.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(7):
            sock.sendto(b'nobody is there', (addr, 9))
    ways = settled(api, ident, 7, drops=7)
    found = drops(ways)
    assert len(found) == len(ways) == 7
    reasons = has(api, 'tracer.drop_reasons')
    for drop, way in found:
        assert drop.get('reason') == (
            'NO_SOCKET' if reasons else None)
        assert re.search(r'udp', drop['function'])
        assert drop['offset'] > 0
        assert way['fate'] == 'dropped'
        assert stations(way)[-1] == 'kfree_skb'
    assert check_sums(api, ident)['drops'] == 7


@pytest.mark.parametrize('version', [4, 6])
def test_drop_by_netfilter(api, version):
    api.b.nft('table inet t { chain c { type filter hook input priority 0;'
              ' udp dport 4444 drop; }; }')
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'daddr': addr, 'dport': 4444})
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with api.a.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(5):
            sock.sendto(b'x', (addr, 4444))
    found = drops(settled(api, ident, 5, drops=5))
    assert len(found) == 5
    reasons = has(api, 'tracer.drop_reasons')
    last = there(api, ['netfilter:input', 'kfree_skb'])
    for drop, way in found:
        assert drop.get('reason') == (
            'NETFILTER_DROP' if reasons else None)
        assert 'nf' in drop['function'] or 'nft' in drop['function']
        assert stations(way)[-len(last):] == last


@pytest.mark.parametrize('version', [4, 6])
def test_drop_of_old_packets(api, lab, version):
    """Their time to live ends in a router."""
    a, b = lab.ns('left'), lab.ns('right')
    router, links = lab.router(a, b)
    target = next(i for i in links[1] if i.ns.name == b.name)
    addr = target.addr(version)
    ident = trace(api, filter={'daddr': addr, 'dport': 33434})
    if version == 6:
        level, opt = socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS
        family = socket.AF_INET6
    else:
        level, opt = socket.IPPROTO_IP, socket.IP_TTL
        family = socket.AF_INET
    with a.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, opt, 1)
        for _ in range(4):
            sock.sendto(b'too far', (addr, 33434))
    ways = settled(api, ident, 4, drops=4)
    found = drops(ways)
    assert len(found) == 4
    for drop, way in found:
        assert drop['function'] in ('ip_forward', 'ip6_forward')
        assert way['fate'] == 'dropped'
        assert way['steps'][-1]['netns'] == inum(router)


# ---- what each probe says ----------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_stations_stacks_and_counts(api, version):
    """Eight stations out, stacks at tracepoints, each hit accounted for."""
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'daddr': addr, 'proto': 'tcp'}, stacks=True,
                  snaplen=60)
    traffic.tcp(api.a, api.b, addr, 20000)
    ways = settled(api, ident, 6)
    if has(api, 'tracer.netfilter') and has(api, 'tracer.tcx'):
        data = [w for w in ways if w['len'] > 200]
        for direction in ('out', 'in'):
            seen = {s['station'] for w in data for s in w['steps']
                    if s.get('direction') == direction}
            assert len(seen) >= 8, (direction, seen)
    queued = [s for w in ways for s in w['steps']
              if s['station'] == 'net_dev_queue']
    assert queued
    for step in queued:
        names = [f['function'] for f in step['stack']]
        assert names[0].startswith('__dev_queue_xmit'), names
    state = wait_for(lambda: (lambda s: s if all(
        p['hits'] == p['delivered'] + p['ring_full'] + p['throttled'] +
        p['map_full'] + p.get('recursion_missed', 0) for p in s['probes'])
        else None)(api.client.get(f'traces/{ident}')), 5,
        what='each hit is accounted for')
    assert sum(p['hits'] for p in state['probes']) == state['hits']


# ---- life of a trace ---------------------------------------------------------

def test_packet_limit_ends_it(api):
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'},
                  max_packets=10)
    traffic.udp(api.a, api.b, api.link.b.v4, 50, size=64)
    state = wait_for(lambda: (lambda s: s if s['state'] == 'done' else None)(
        api.client.get(f'traces/{ident}')), 5)
    assert state['end_reason'] == 'packets'
    assert state['packets'] == 10
    check_sums(api, ident)
    assert any(x['id'] == 'packet_limit' and x['count'] > 0
               for x in state['losses'])
    kept = packets(api, ident)
    assert [w['id'] for w in kept] == list(range(10))
    # By pages, the same.
    paged = list(api.client.pages(f'traces/{ident}/packets', 'packets',
                                  limit=3))
    assert paged == kept


@pytest.mark.parametrize('version', [4, 6])
def test_packets_beyond_the_limit_are_counted(api, version):
    """A trace that has its packets counts what else matches."""
    addr = api.link.b.addr(version)
    ident = trace(api, filter={'daddr': addr, 'proto': 'udp'},
                  max_packets=10)
    sent = sum(traffic.udp(api.a, api.b, addr, 300, size=64).sent
               for _ in range(3))
    state = wait_for(lambda: (lambda s: s if s['state'] == 'done' else None)(
        api.client.get(f'traces/{ident}')), 10)
    assert state['end_reason'] == 'packets' and state['packets'] == 10
    assert len(packets(api, ident)) == 10
    check_sums(api, ident)
    probes = {p['probe']: p for p in state['probes']}
    for name in ('net_dev_start_xmit', 'netif_receive_skb'):
        assert probes[name]['hits'] == sent == 900
    for probe in state['probes']:
        assert probe['hits'] == sum(
            count for key, count in probe.items()
            if key not in ('probe', 'hits')), probe


def test_duration_ends_it_and_nothing_is_left(api):
    before = programs(api)
    ident = trace(api, filter={'dport': 1}, duration_ns=200_000_000)
    assert programs(api) != before
    state = wait_for(lambda: (lambda s: s if s['state'] == 'done' else None)(
        api.client.get(f'traces/{ident}')), 5)
    assert state['end_reason'] == 'duration'
    assert state['packets'] == 0
    wait_for(lambda: programs(api) == before, 5, what='all links gone')


def programs(suite):
    """Number of BPF links that the tracer holds."""
    pid = suite['tracer'].proc.pid
    count = 0
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            count += os.readlink(f'/proc/{pid}/fd/{fd}') == \
                'anon_inode:bpf_link'
        except FileNotFoundError:
            pass
    return count


def test_restart_keeps_traces(api):
    done = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'icmp'},
                 max_packets=2)
    traffic.icmp(api.a, api.link.b.v4, 2)
    wait_for(lambda: api.client.get(f'traces/{done}')['state'] == 'done', 5)
    kept = packets(api, done)
    runs = trace(api, filter={'dport': 1})
    api['tracer'].kill()
    api['tracer'].start()
    wait_for(lambda: answers(api), 15)
    state = api.client.get(f'traces/{runs}')
    assert state['state'] == 'done' and state['end_reason'] == 'restart'
    assert packets(api, done) == kept and len(kept) == 2
    listed = api.client.get('traces')
    assert [t['id'] for t in listed['traces']] == [runs, done]
    api.client.delete(f'traces/{done}')
    with pytest.raises(ApiError) as err:
        api.client.get(f'traces/{done}')
    assert err.value.status == 404
    assert api.client.get('traces')['total'] == 1


def test_stop_keeps_what_it_has(api):
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'icmp'})
    traffic.icmp(api.a, api.link.b.v4, 2)
    assert api['tracer'].stop() == 0
    api['tracer'].start()
    wait_for(lambda: answers(api), 15)
    state = api.client.get(f'traces/{ident}')
    assert state['end_reason'] == 'shutdown'
    assert len(packets(api, ident)) == state['packets'] == 4


def test_eight_at_once(api):
    idents = [trace(api, filter={'dport': 7000 + i}) for i in range(8)]
    with pytest.raises(ApiError) as err:
        trace(api, filter={'dport': 7009})
    assert err.value.status == 409
    with api.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for i in range(8):
            sock.sendto(b'x', (api.link.b.v4, 7000 + i))
    for i, ident in enumerate(idents):
        (way,) = settled(api, ident, 1)
        assert way['tuple']['dport'] == 7000 + i
    for ident in idents:
        api.client.delete(f'traces/{ident}')
    assert api.client.get('traces')['total'] == 0
    wait_for(lambda: _creates(api), 5, what='a slot free again')


def _creates(suite):
    try:
        return trace(suite, filter={'dport': 7009})
    except ApiError:
        return None


def test_deleted_while_running(api):
    ident = trace(api, filter={'dport': 1})
    api.client.delete(f'traces/{ident}')
    for _ in range(3):
        with pytest.raises(ApiError) as err:
            api.client.get(f'traces/{ident}')
        assert err.value.status == 404
        time.sleep(0.05)


@pytest.mark.parametrize('body, field', [
    ({}, 'filter'),
    ({'filter': {}}, 'filter'),
    ({'filter': {'sport': 70000}}, 'filter.sport'),
    ({'filter': {'saddr': '192.0.2.1', 'daddr': '2001:db8::1'}},
     'filter.daddr'),
    ({'filter': {'saddr': 'nonsense'}}, 'filter.saddr'),
    ({'filter': {'netns': 0}}, 'filter.netns'),
    ({'filter': {'dport': 1}, 'max_packets': 0}, 'max_packets'),
    ({'filter': {'dport': 1}, 'max_packets': 10001}, 'max_packets'),
    ({'filter': {'dport': 1}, 'duration_ns': 0}, 'duration_ns'),
    ({'filter': {'dport': 1}, 'comment': 'x' * 300}, 'comment'),
    ({'filter': {'dport': 1}, 'other': 1}, 'other'),
])
def test_bad_trace(api, body, field):
    with pytest.raises(ApiError) as err:
        api.client.post('traces', body)
    assert err.value.status == 400
    assert err.value.problem['field'] == field
    assert err.value.problem['detail']
    assert api.client.get('traces')['total'] == 0


def test_unknown_trace(api):
    for call in (api.client.get, api.client.delete):
        with pytest.raises(ApiError) as err:
            call('traces/nonsense')
        assert err.value.status == 404
    with pytest.raises(ApiError) as err:
        api.client.get('traces/nonsense/packets')
    assert err.value.status == 404


# ---- the daemon --------------------------------------------------------------

def test_second_instance_leaves(api, lab):
    other = Daemon(lab, 'tracer', run_dir=api.run_dir,
                   state_dir=api.state_dir)
    res = other.run_once('--run-dir', api.run_dir, '--state-dir',
                         api.state_dir)
    assert res.returncode == 3


def test_selftest(lab, tmp_path):
    res = Daemon(lab, 'tracer').run_once(
        '--selftest', '--run-dir', tmp_path, '--state-dir', tmp_path)
    said = {line.split()[1]: line.split()[2]
            for line in res.stdout.splitlines()
            if line.startswith('capability')}
    for name in ('sockets', 'drops', 'tracepoints', 'netfilter', 'cgroup',
                 'drop_reasons'):
        assert f'tracer.{name}' in said
    assert said['tracer.sockets'] == said['tracer.tracepoints'] == 'ok'
    assert (res.returncode == 0) == all(v == 'ok' for v in said.values())


def test_corrupt_history(lab, tmp_path):
    (tmp_path / 'tracer.db').write_bytes(b'not a database' * 100)
    res = Daemon(lab, 'tracer').run_once('--run-dir', tmp_path,
                                         '--state-dir', tmp_path)
    assert res.returncode == 1
    assert 'tracer.db' in res.stderr
    assert (tmp_path / 'tracer.db').read_bytes().startswith(b'not a database')


def test_frames_with_vlan_tags(api):
    """The filter looks behind the tag."""
    ident = trace(api, filter={'dport': 5555, 'proto': 'udp'})
    link = api.link
    traffic.frames(link.a, [
        packet.eth(link.b.mac, link.a.mac,
                   packet.ip(link.a.v4, link.b.v4, packet.udp(1, 5555)),
                   vlan=7) for _ in range(3)])
    ways = settled(api, ident, 3)
    assert len(ways) == 3
    assert all('netif_receive_skb' in stations(w) for w in ways)
