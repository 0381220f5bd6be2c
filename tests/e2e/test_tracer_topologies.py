# SPDX-License-Identifier: MIT
"""One packet is one way, whatever it crosses and by whichever of its tuples
it is asked for."""

import pytest

from lab import ApiError, Lab, Suite, missing as not_built, wait_for
from lab.topology import (RARE, TOPOLOGIES, guard, loopback, missing,
                          unguard, vxlan)
from lab.tracing import TIERS, answers, has, inum, no_functions

pytestmark = pytest.mark.daemons('tracer', 'gateway')

COUNT = 12
PROTOS = {4: ('udp', 'tcp', 'icmp'), 6: ('udp', 'tcp', 'icmpv6')}
CASES = [(version, proto) for version in (4, 6) for proto in PROTOS[version]]


@pytest.fixture(scope='module')
def api():
    """A tracer and a gateway on the host; it may cost what it costs."""
    with Lab('ways') as lab, \
            Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                  args={'tracer': ['--cpu-budget', 100]}) as suite:
        wait_for(lambda: answers(suite), 15, what='the tracer answers')
        yield suite


@pytest.fixture(autouse=True)
def nothing_left(api):
    """What a test has not ended takes no place from the next one."""
    yield
    for one in api.client.get('traces')['traces']:
        if one['state'] == 'running':
            api.client.delete(f'traces/{one["id"]}')


def there(suite, path):
    """Those of the stations that the tracer says it has here."""
    netfilter = has(suite, 'tracer.netfilter')
    cgroup = has(suite, 'tracer.cgroup')
    return [at for at in path
            if (netfilter or not at[2].startswith('netfilter')) and
            (cgroup or not at[2].startswith('cgroup_skb'))]


def trace(suite, tier='core', **fields):
    return suite.client.post('traces', {
        'tier': tier, 'filter': fields, 'duration_ns': 600 * 10**9})['id']


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
    return there(api, top.path(short, reader=True))


def exchange(top, version, proto, count=COUNT):
    short = 'icmp' if proto == 'icmpv6' else proto
    sent = top.send(short, version, count)
    assert sent.received == count
    return sent


def check_ways(api, top, version, proto, ident, want=COUNT):
    """As many whole ways as packets were sent, under all of their names."""
    found = check_whole(api, top, version, proto, ways_of(api, ident, want),
                        want)
    check_sums(api, ident)
    return found


def check_whole(api, top, version, proto, ways, want):
    """The same of ways that were read already."""
    ways = forward_ways(top, version, proto, ways)
    path = path_of(api, top, proto)
    assert len(ways) == want, [w['tuple'] for w in ways]
    for way in ways:
        assert not way.get('partial'), show(way)
        assert not missing(way, path), show(way)
        if proto == 'tcp':
            assert way.get('fate') == 'delivered', show(way)
        assert 'dropped' != way.get('fate')
        names = {(t['saddr'], t['daddr'])
                 for t in (way['tuple'], *way['tuples'])}
        assert set(top.tuples(version)) <= names
    return ways


def show(way):
    """For a failure's text."""
    return ', '.join(f'{s.get("ifname")} {s["station"]}' +
                     (' inferred' if s['inferred'] else '')
                     for s in way['steps'])


# ---- each topology -----------------------------------------------------------

def make(name, lab, tier):
    """The topology; a skip where this kernel lacks its devices."""
    if name == 'loopback':      # functions are not filtered by namespace
        return loopback(lab, own=tier == 'function')
    if name in TOPOLOGIES:
        return TOPOLOGIES[name](lab)
    try:
        return RARE[name](lab)
    except RuntimeError as exc:
        if 'Unknown device type' not in str(exc) and \
                'not supported' not in str(exc):
            raise
        pytest.skip(f'this kernel has no devices for it: {exc}')


def kinds(names):
    """(topology, with the guarder, tier), one group of cases each."""
    return [pytest.param((name, guarded, tier),
                         id=name + ('-guarded' if guarded else '') +
                         ('' if tier == 'core' else '-functions'))
            for name in names for guarded in (False, True)
            for tier in TIERS]


class Crossed:
    """Everything that was sent through one topology: each protocol of each
    version in a trace of its own, all at the same time."""

    def __init__(self, suite, name, top, guarded, tier):
        self.suite, self.name, self.top = suite, name, top
        self.guarded, self.tier = guarded, tier
        self.ways, self.errors, self.lost = {}, {}, {}
        idents = {case: trace(suite, tier, **top.filter(case[0]),
                              proto=case[1])
                  for case in CASES}
        for case in CASES:
            self._try(case, exchange, top, *case)
        for case, ident in idents.items():
            self._try(case, self._collect, case, ident)
            suite.client.delete(f'traces/{ident}')

    def _try(self, case, func, *args):
        """What fails fails that case only."""
        try:
            func(*args)
        except (AssertionError, OSError) as exc:
            self.errors.setdefault(case, exc)

    def _collect(self, case, ident):
        self.ways[case] = ways_of(self.suite, ident, self.want(*case))
        self.lost[case] = check_sums(self.suite, ident)

    def want(self, _version, proto):
        """How many ways there are: by itself, the answer to a ping goes the
        same way."""
        answers_too = self.name == 'loopback' and proto.startswith('icmp')
        return COUNT * (2 if answers_too else 1)

    def check(self, version, proto):
        """The ways of one of them, each whole."""
        if (version, proto) in self.errors:
            raise self.errors[version, proto]
        print(self.lost[version, proto])    # beside a failure
        return check_whole(self.suite, self.top, version, proto,
                           self.ways[version, proto],
                           self.want(version, proto))


@pytest.fixture(scope='module', params=kinds((*TOPOLOGIES, *RARE)))
def crossed(request, api):
    """Of one topology, with or without the guarder's XDP at its end."""
    name, guarded, tier = request.param
    if guarded and not_built('guarder'):
        pytest.skip('not built: ps-guarder')
    if tier == 'function' and (why := no_functions(api)):
        pytest.skip(why)
    with Lab(f'way-{name}') as lab:
        top = make(name, lab, tier)
        guarder = guard(lab, api, top.ends[-1]) if guarded else None
        one = Crossed(api, name, top, guarded, tier)
        if guarder:
            unguard(guarder)
        yield one


def check_calls(top, version, ways):
    """The functions that every such packet passes, at both ends."""
    receive = 'ip_local_deliver' if version == 4 else 'ip6_input'
    for way in ways:
        calls = {(s['station'], s.get('netns')): s
                 for s in way['steps'] if 'depth' in s}
        sent = calls.get(('dev_hard_start_xmit', inum(top.src)))
        assert sent and sent['duration_ns'] > 0, show(way)
        assert sent['depth'] > 0, show(way)
        assert (receive, inum(top.dst)) in calls, show(way)
        # Of a buffer that was given back nothing is told.
        assert not any('tuple' in s for (name, _), s in calls.items()
                       if name == 'kfree_skbmem')


@pytest.mark.parametrize('version,proto', CASES)
def test_whole_way(crossed, version, proto):
    """Asked by what the sender sends to: from there to the receiver."""
    ways = crossed.check(version, proto)
    if crossed.tier == 'function':
        check_calls(crossed.top, version, ways)
        return
    if crossed.guarded and crossed.name != 'loopback':
        # Native XDP makes a new buffer of each packet, and the join is told:
        # the receiver's first step.
        dst = inum(crossed.top.dst)
        for way in ways:
            first = next(s for s in way['steps'] if s['layer'] != 'free' and
                         s.get('netns') == dst)
            assert first['inferred'], show(way)
    elif not crossed.guarded and proto != 'tcp' and \
            crossed.name in ('plain', 'loopback', 'bridge', 'router'):
        # The buffer stays the same all the way.
        assert not any(s['inferred'] for w in ways for s in w['steps']
                       if s['layer'] not in ('free', 'application', 'socket'))


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
        # Of the first packet, what comes from where the router sends it.
        sent = path.index((router, None, 'net_dev_queue'))
        for way in ways:
            assert not missing(way, path[sent:]), show(way)
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


# ---- streams -----------------------------------------------------------------

@pytest.mark.parametrize('fields', [
    {'sample': 3}, {'expr': 'tcp[13] & 8 != 0 and tcp[7] & 1 != 0'}])
@pytest.mark.parametrize('version', [4, 6])
def test_reads_of_some_packets(api, lab, version, fields):
    """Of a stream of which a trace has some packets, each has the read that
    gave its bytes to the application, and no other one has it."""
    top = TOPOLOGIES['plain'](lab)
    if 'expr' in fields and version == 6:   # pcap-filter's tcp[] is of IPv4
        fields = {'expr': 'ip6[53] & 8 != 0 and ip6[47] & 1 != 0'}
    try:
        ident = trace(api, **top.filter(version), proto='tcp', **fields)
    except ApiError as exc:
        pytest.skip(f'this kernel runs no expressions: {exc}')
    # Of 201 bytes, so that half of their numbers are odd.
    sent = top.send('tcp', version, 60, size=201)
    assert sent.received == 60
    ways = [w for w in forward_ways(top, version, 'tcp',
                                    ways_of(api, ident, 5))
            if w['steps'][0]['tuple']['dport'] == sent.dport]
    assert 5 <= len(ways) <= 55
    lost = check_sums(api, ident)
    # Of the others the application read the bytes, too.
    assert lost.get('other_bytes', 0) >= 60 - len(ways)
    assert 'join_no_packet' not in lost and 'join_ambiguous' not in lost
    for way in ways:
        assert way['fate'] == 'delivered', show(way)
        for station in ('sock_send_length', 'sock_recv_length'):
            found = [s for s in way['steps'] if s['station'] == station]
            assert len(found) <= 1, show(way)
            # It was given to the application after it came.
            assert not found or station == 'sock_send_length' or \
                found[0]['time'] > way['steps'][0]['time']
    api.client.delete(f'traces/{ident}')


# ---- large buffers -----------------------------------------------------------

@pytest.mark.parametrize('guarded', [False, True])
@pytest.mark.parametrize('gro', [True, False])
@pytest.mark.parametrize('version', [4, 6])
def test_bulk_is_cut_and_merged(api, lab, version, gro, guarded):
    """TCP with segmentation at one end and merging at the other: each packet
    that was sent is a way to the reader."""
    if guarded and not_built('guarder'):
        pytest.skip('not built: ps-guarder')
    top = TOPOLOGIES['plain'](lab)
    end = top.ends[-1]
    end.offload(gro=gro)
    guarder = guard(lab, api, end) if guarded else None
    ident = trace(api, **top.filter(version), proto='tcp')
    top.bulk(version, 200_000)
    ways = forward_ways(top, version, 'tcp', ways_of(api, ident, 5))
    path = path_of(api, top, 'tcp')
    assert sum(w['len'] for w in ways) >= 200_000
    lost = check_sums(api, ident)
    if 'ring_full' not in lost:
        whole = [w for w in ways if not missing(w, path)]
        assert len(whole) >= 0.99 * len(ways), (lost, show(ways[-1]))
    api.client.delete(f'traces/{ident}')
    if guarder:
        unguard(guarder)
