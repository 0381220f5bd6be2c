# SPDX-License-Identifier: MIT
"""One packet is one way, whatever it crosses and by whichever of its tuples
it is asked for."""

import pytest

from lab import ApiError, Suite, wait_for
from lab.topology import TOPOLOGIES, guard, inum, missing, vxlan

pytestmark = pytest.mark.daemons('tracer', 'gateway')

COUNT = 12
PROTOS = {4: ('udp', 'tcp', 'icmp'), 6: ('udp', 'tcp', 'icmpv6')}


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host; it may cost what it costs."""
    with Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
               args={'tracer': ['--cpu-budget', 100]}) as suite:
        wait_for(lambda: answers(suite), 15, what='the tracer answers')
        yield suite


def answers(suite):
    try:
        return suite.client.get('traces') is not None
    except ApiError:
        return False


def has(suite, capability):
    """Does the tracer say that this kernel gives it?"""
    (me,) = [s for s in suite.client.get('services')['services']
             if s['name'] == 'tracer']
    return next((c['available'] for c in me['capabilities']
                 if c['id'] == capability), False)


def there(suite, path):
    """Those of the stations that the tracer says it has here."""
    netfilter = has(suite, 'tracer.netfilter')
    cgroup = has(suite, 'tracer.cgroup')
    return [at for at in path
            if (netfilter or not at[2].startswith('netfilter')) and
            (cgroup or not at[2].startswith('cgroup_skb'))]


def trace(suite, **fields):
    return suite.client.post('traces', {
        'filter': fields, 'duration_ns': 60 * 10**9})['id']


def ways_of(suite, ident, want):
    """Its packets, once nothing more comes."""
    def done():
        state = suite.client.get(f'traces/{ident}')
        ready = state['packets'] >= want and not any(
            x['id'] == 'in_flight' for x in state['losses'])
        return state if ready else None
    wait_for(done, 10, what=f'{want} packets of {ident}')
    return list(suite.client.pages(f'traces/{ident}/packets', 'packets',
                                   limit=500))


def check_sums(suite, ident):
    """hits = steps + the named losses."""
    state = suite.client.get(f'traces/{ident}')
    lost = sum(x['count'] for x in state['losses'] if x['unit'] == 'steps')
    assert state['hits'] == state['steps'] + lost
    return {x['id']: x['count'] for x in state['losses']}


def is_forward(top, version, way):
    """From the sender to the receiver, under any of its names."""
    mine = {(t['saddr'], t['daddr']) for t in (way['tuple'], *way['tuples'])}
    return any(form in mine for form in top.tuples(version))


def forward_ways(top, version, proto, ways):
    """The sender's packets: of ICMPv6 without neighbour discovery, of TCP
    those that carry something."""
    least = {'udp': 0, 'tcp': 200, 'icmp': 84, 'icmpv6': 104}[proto]
    return [w for w in ways
            if w['len'] >= least and is_forward(top, version, w)]


def path_of(api, top, proto):
    short = 'icmp' if proto == 'icmpv6' else proto
    return there(api, top.path(short))


def exchange(top, version, proto, count=COUNT):
    short = 'icmp' if proto == 'icmpv6' else proto
    sent = top.send(short, version, count)
    assert sent.received == count
    return sent


def check_ways(api, top, version, proto, ident, want=COUNT):
    """As many whole ways as packets were sent, under all of their names."""
    ways = forward_ways(top, version, proto, ways_of(api, ident, want))
    path = path_of(api, top, proto)
    assert len(ways) == want, [w['tuple'] for w in ways]
    for way in ways:
        assert not missing(way, path), show(way)
        assert 'dropped' != way.get('fate')
        names = {(t['saddr'], t['daddr'])
                 for t in (way['tuple'], *way['tuples'])}
        assert set(top.tuples(version)) <= names
    check_sums(api, ident)
    return ways


def show(way):
    """For a failure's text."""
    return [(s.get('netns'), s.get('ifname'), s['station'],
             s['tuple']['saddr'], s['inferred']) for s in way['steps']]


# ---- each topology -----------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
@pytest.mark.parametrize('name', sorted(TOPOLOGIES))
def test_whole_way(api, lab, name, version):
    """Asked by what the sender sends to."""
    top = TOPOLOGIES[name](lab)
    for proto in PROTOS[version]:
        ident = trace(api, **top.filter(version), proto=proto)
        exchange(top, version, proto)
        # By itself, the answer to a ping goes the same way.
        answers_too = name == 'loopback' and proto.startswith('icmp')
        ways = check_ways(api, top, version, proto, ident,
                          COUNT * (2 if answers_too else 1))
        if name in ('plain', 'loopback', 'bridge', 'router') and \
                proto != 'tcp':
            # The buffer stays the same all the way.
            assert not any(s['inferred'] for w in ways for s in w['steps']
                           if s['layer'] not in ('free', 'application',
                                                 'socket'))
        api.client.delete(f'traces/{ident}')


@pytest.mark.parametrize('version', [4, 6])
@pytest.mark.parametrize('name', ['snat', 'dnat'])
def test_asked_by_the_other_tuple(api, lab, name, version):
    """By what the receiver sees: before the translation it is another."""
    top = TOPOLOGIES[name](lab)
    if not has(api, 'tracer.nat'):
        pytest.skip('the tracer cannot read connections here')
    for proto in PROTOS[version]:
        ident = trace(api, saddr=top.seen_source(version),
                      daddr=top.server[version], proto=proto)
        exchange(top, version, proto)
        # A new connection's first packet is known from its translation on.
        # Of TCP that is the opening, which carries nothing.
        late = 0 if proto == 'tcp' else 1
        ways = forward_ways(top, version, proto,
                            ways_of(api, ident, COUNT))
        path = path_of(api, top, proto)
        assert len(ways) == COUNT
        whole = [w for w in ways if not missing(w, path)]
        assert len(whole) >= COUNT - late, show(ways[1])
        router = inum(top.middle[0][0])
        dst = inum(top.dst)
        for way in ways:
            seen = {s.get('netns') for s in way['steps']}
            assert {router, dst} <= seen
        check_sums(api, ident)
        api.client.delete(f'traces/{ident}')


@pytest.mark.parametrize('version', [4, 6])
def test_connections_older_than_the_trace(api, lab, version):
    """What the kernel's table knows is known from the first packet on."""
    top = TOPOLOGIES['snat'](lab)
    if not has(api, 'tracer.conntrack'):
        pytest.skip('the kernel does not show its table of connections')
    first = top.send('udp', version, 2)
    ident = trace(api, saddr=top.seen_source(version),
                  daddr=top.server[version], dport=first.dport)
    again = top.send_again(first, version, COUNT)
    assert again == COUNT
    check_ways(api, top, version, 'udp', ident)


@pytest.mark.parametrize('outer', [4, 6])
@pytest.mark.parametrize('version', [4, 6])
def test_asked_by_the_tunnel(api, lab, outer, version):
    """By the outer addresses; what it carries is followed from then on."""
    top = vxlan(lab, outer)
    saddr, daddr = top.tunnel
    ident = trace(api, saddr=saddr, daddr=daddr, proto='udp')
    exchange(top, version, 'udp')
    ways = forward_ways(top, version, 'udp', ways_of(api, ident, COUNT))
    path = path_of(api, top, 'udp')
    assert len(ways) == COUNT
    # The first one went into the tunnel before anything was known of it.
    whole = [w for w in ways if not missing(w, path)]
    assert len(whole) >= COUNT - 1, show(ways[1])
    for way in whole:
        inner = [s['inner'] for s in way['steps'] if 'inner' in s]
        assert inner and all(
            (t['saddr'], t['daddr']) == top.tuples(version)[0]
            for t in inner)
        assert {(s['tuple']['saddr'], s['tuple']['daddr'])
                for s in way['steps'] if 'inner' in s} == {(saddr, daddr)}
    check_sums(api, ident)


def test_the_tunnel_is_not_what_was_asked_for(api, lab):
    """Who asks for one flow inside does not get the others."""
    top = vxlan(lab)
    one = top.send('udp', 4, 2)
    ident = trace(api, daddr=top.server[4], dport=one.dport)
    top.send('udp', 6, 20)
    assert top.send_again(one, 4, COUNT) == COUNT
    ways = ways_of(api, ident, COUNT)
    assert len(ways) == COUNT
    check_sums(api, ident)


# ---- with the guarder's XDP --------------------------------------------------

@pytest.mark.daemons('tracer', 'gateway', 'guarder')
@pytest.mark.parametrize('version', [4, 6])
@pytest.mark.parametrize('name', ['plain', 'snat', 'vxlan'])
def test_with_the_guarders_xdp(api, lab, name, version):
    """Native XDP makes a new buffer of each packet."""
    top = TOPOLOGIES[name](lab)
    guard(lab, api, top.ends[-1])
    for proto in PROTOS[version]:
        ident = trace(api, **top.filter(version), proto=proto)
        exchange(top, version, proto)
        ways = check_ways(api, top, version, proto, ident)
        # The join is told: the receiver's first step, in another buffer.
        for way in ways:
            first = next(s for s in way['steps'] if s['layer'] != 'free' and
                         s.get('netns') == inum(top.dst))
            assert first['inferred']
        api.client.delete(f'traces/{ident}')


@pytest.mark.daemons('tracer', 'gateway', 'guarder')
@pytest.mark.parametrize('gro', [True, False])
@pytest.mark.parametrize('version', [4, 6])
def test_bulk_is_cut_and_merged(api, lab, version, gro):
    """TCP with segmentation at one end and merging at the other: each packet
    that was sent is a way to the reader."""
    top = TOPOLOGIES['plain'](lab)
    end = top.ends[-1]
    end.offload(gro=gro)
    guard(lab, api, end)
    ident = trace(api, **top.filter(version), proto='tcp')
    top.bulk(version, 200_000)
    ways = forward_ways(top, version, 'tcp', ways_of(api, ident, 5))
    path = path_of(api, top, 'tcp')
    assert sum(w['len'] for w in ways) >= 200_000
    lost = check_sums(api, ident)
    if 'ring_full' not in lost:
        whole = [w for w in ways if not missing(w, path)]
        assert len(whole) >= 0.99 * len(ways), (lost, show(ways[-1]))
