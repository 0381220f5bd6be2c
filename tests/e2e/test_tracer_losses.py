# SPDX-License-Identifier: MIT
"""What the tracer has no room for is counted under its name."""

import socket

import pytest

from lab import ApiError, wait_for
from lab.tracing import ALL, TIERS, linked, listen, no_functions, packets, \
    stations, trace

pytestmark = pytest.mark.daemons('tracer', 'gateway')


def lost(suite, name, ident=None):
    """How many, of the tracer or of a trace."""
    if ident:
        found = suite.client.get(f'traces/{ident}')['losses']
    else:
        (me,) = [s for s in suite.client.get('services')['services']
                 if s['name'] == 'tracer']
        found = me['losses']
    return sum(x['count'] for x in found if x['id'] == name)


def send(suite, count, port=9, version=4):
    """Datagrams to nobody's port, unless somebody listens there."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with suite.a.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for i in range(count):
            sock.sendto(b'%016d' % i, (suite.link.b.addr(version), port))


def ended(suite, ident):
    """The trace, once it has ended."""
    def done():
        state = suite.client.get(f'traces/{ident}')
        return state if state['state'] != 'running' else None
    return wait_for(done, 30)


def accounted(suite, ident):
    """The trace, once each hit of each probe is accounted for."""
    def done():
        state = suite.client.get(f'traces/{ident}')
        return state if all(
            p['hits'] == p['delivered'] + p['ring_full'] + p['throttled'] +
            p['map_full'] + p.get('recursion_missed', 0)
            for p in state['probes']) else None
    return wait_for(done, 20, what='each hit is accounted for')


@pytest.mark.parametrize('tier', TIERS)
@pytest.mark.parametrize('version', [4, 6])
def test_packets_are_left_out_above_the_budget(lab, tier, version):
    """More than 1 % of a core: it says so, follows one of many packets whole,
    and counts the others."""
    with linked(lab, args=('--cpu-budget', '1'), seconds=60) as suite:
        if tier == 'function' and no_functions(suite):
            pytest.skip(no_functions(suite))
        came = listen(suite.client, ['event'])
        ident = trace(suite, tier=tier, max_packets=10000,
                      duration_ns=120 * 10**9,
                      filter={'daddr': suite.link.b.addr(version),
                              'proto': 'udp', 'dport': 9})

        def left_out():
            send(suite, 500, version=version)
            state = suite.client.get(f'traces/{ident}')
            missed = {p['probe'] for p in state['probes'] if p['throttled']}
            want = {'net_dev_queue'} | (
                {'function'} if tier == 'function' else set())
            return want <= missed
        wait_for(left_out, 60, what='packets are left out')
        wait_for(lambda: 'tracer.throttled' in [
            e['data']['id'] for e in came], 5)
        state = accounted(suite, ident)
        assert state['throttle'] > 1
        assert state['hits'] == state['steps'] + sum(
            x['count'] for x in state['losses'] if x['unit'] == 'steps')
        assert lost(suite, 'throttled', ident) == sum(
            p['throttled'] for p in state['probes'])
        ways = packets(suite, ident)
        assert 0 < len(ways) < 10000
        if not lost(suite, 'ring_full', ident):
            for way in ways:
                assert {'net_dev_queue', 'kfree_skb'} <= set(stations(way))


def test_ways_that_are_not_told_live(lab):
    """More at once than are told: they are counted, and stored."""
    with linked(lab) as suite:
        came = listen(suite.client, ['packet'])
        ident = trace(suite, filter={'daddr': suite.link.b.v4,
                                     'proto': 'udp'}, max_packets=1000)
        send(suite, 1000)
        wait_for(lambda: sum(w['stored'] for w in packets(suite, ident)) ==
                 1000, 20)
        wait_for(lambda: lost(suite, 'live_left_out') > 0, 5)
        assert 0 < len({e['data']['id'] for e in came}) < 1000


def test_history_without_room(lab):
    """A trace that is larger than the whole history says what is not kept."""
    with linked(lab, args=[*ALL, '--history-max', '2M']) as suite:
        ident = trace(suite, filter={'daddr': suite.link.b.v4,
                                     'proto': 'udp'}, max_packets=10000,
                      duration_ns=8 * 10**9)
        send(suite, 10000)
        state = ended(suite, ident)
        kept = packets(suite, ident)
        assert state['state'] == 'done' and all(w['stored'] for w in kept)
        assert 0 < len(kept) < 10000
        assert lost(suite, 'history_full', ident) == \
            state['packets'] - len(kept)


def test_traces_that_wait_for_the_disk(lab):
    """The place of the one that waits longest is taken only for a trace that
    the disk takes; what waits on is stored whole once there is room."""
    with linked(lab, small_disk=1) as suite:
        api = suite.client
        ports = (9, 8)
        waiting = [trace(suite, filter={'daddr': suite.link.b.v4,
                                        'dport': port, 'proto': 'udp'},
                         max_packets=200, duration_ns=300 * 10**9)
                   for port in ports]
        for i in range(6):
            trace(suite, filter={'dport': 1000 + i, 'proto': 'tcp'},
                  duration_ns=300 * 10**9)
        for port in ports:
            send(suite, 20, port)
        suite['tracer'].fill()
        for ident, port in zip(waiting, ports):
            send(suite, 220, port)
            wait_for(lambda ident=ident:
                     api.get(f'traces/{ident}')['state'] == 'failed', 30,
                     what=f'{ident} waits')
            assert api.get(f'traces/{ident}')['packets'] == 200
        taken = 0
        with pytest.raises(ApiError) as full:
            for _ in range(20):
                trace(suite, filter={'dport': 7, 'proto': 'tcp'})
                taken += 1
        assert full.value.problem['id'] in (
            'audit.not_writable', 'trace.store', 'trace.too_many')
        assert lost(suite, 'history_given_up') == taken <= 1
        for ident in waiting[taken:]:
            assert len(packets(suite, ident)) == 200
        suite['tracer'].make_room()
        for ident in waiting[taken:]:
            # It has ended: nothing is followed for it any more.
            with pytest.raises(ApiError) as late:
                api.request('PUT', f'traces/{ident}/filter', {'dport': 10})
            assert late.value.problem['id'] == 'trace.ended'
        for ident in waiting[taken:]:
            wait_for(lambda ident=ident:
                     api.get(f'traces/{ident}')['state'] == 'done', 15)
            ways = packets(suite, ident)
            assert len(ways) == 200 and all(w['stored'] for w in ways)


def test_more_packets_at_a_time_than_are_followed(lab):
    """They lie in a socket that nobody reads: 65,536 have a place."""
    with linked(lab) as suite:
        with suite.b.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
            rx.setsockopt(socket.SOL_SOCKET, 33, 512 << 20)  # SO_RCVBUFFORCE
            rx.bind((suite.link.b.v4, 0))
            port = rx.getsockname()[1]
            ident = trace(suite, filter={'dport': port, 'proto': 'udp'},
                          max_packets=10)
            assert lost(suite, 'live_evicted') == 0
            send(suite, 90000, port)
            wait_for(lambda: lost(suite, 'live_evicted') > 0, 10)
            state = suite.client.get(f'traces/{ident}')
            assert state['hits'] == state['steps'] + sum(
                x['count'] for x in state['losses'] if x['unit'] == 'steps')
