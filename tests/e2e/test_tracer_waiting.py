# SPDX-License-Identifier: MIT
"""On a busy host a trace of which nothing comes costs little, and of what
comes then it says what is missing."""

import socket
import subprocess
import time

import pytest

from lab import ApiError, Lab, wait_for
from lab.tracing import check_sums, has, linked, packets, settled, \
    stations, trace

pytestmark = pytest.mark.daemons('tracer', 'gateway')

PORT = 7777


@pytest.fixture(scope='module')
def suite():
    """A tracer on the host, whose two namespaces can send."""
    with Lab('waiting') as lab, linked(lab, args=()) as both:
        yield both


@pytest.fixture
def busy(suite):
    """Other packets, as many as go."""
    with suite.a.popen(['ping', '-f', '-q', suite.link.b.v4],
                       stdout=subprocess.DEVNULL) as proc:
        yield
        proc.terminate()


def send(suite, text=b'x'):
    """One datagram to a port that nobody listens at."""
    with suite.a.socket(kind=socket.SOCK_DGRAM) as sock:
        sock.sendto(text, (suite.link.b.v4, PORT))


def state_of(suite, ident):
    """A busy machine with one emulated CPU may answer too late."""
    def asked():
        try:
            return suite.client.get(f'traces/{ident}')
        except ApiError as err:
            if err.status != 504:
                raise
            return None
    return wait_for(asked, 30, what='the tracer answers')


def wake(suite, ident):
    """Sends until the trace goes on: the budget may leave some out."""
    def woken():
        send(suite)
        return not state_of(suite, ident).get('waiting')
    wait_for(woken, 30, what='it goes on')


def whole(suite, ident, want):
    """Sends until a packet shows all of these; all ways."""
    def done():
        send(suite)
        ways = packets(suite, ident)
        return want <= set(stations(ways[-1])) and \
            not ways[-1].get('partial') and ways
    return wait_for(done, 60, what='a whole way')


def check_partial(suite, ident, ways):
    """What came first is marked, and counted."""
    assert ways[0].get('partial')
    assert {'net_dev_queue', 'netif_receive_skb'} & set(stations(ways[0]))
    marks = [bool(way.get('partial')) for way in ways]
    assert marks == sorted(marks, reverse=True)
    state = state_of(suite, ident)
    assert state['partial'] == sum(marks) and not state.get('waiting')


def test_entries_only_until_something_comes(suite, busy):
    ident = trace(suite, filter={'proto': 'udp', 'dport': PORT})
    wait_for(lambda: state_of(suite, ident).get('waiting'), 20,
             what='it waits')
    assert state_of(suite, ident)['packets'] == 0
    wake(suite, ident)
    ways = whole(suite, ident, {
        'netfilter:output', 'net_dev_queue', 'net_dev_start_xmit',
        'netif_receive_skb', 'netfilter:input'})
    check_partial(suite, ident, ways)
    # Nothing comes: but it came a moment ago.
    time.sleep(1.5)
    check_sums(suite, ident)
    check_partial(suite, ident, ways)
    suite.client.delete(f'traces/{ident}')


def test_a_new_trace_has_all_stations_at_once(suite, busy):
    first = trace(suite, filter={'proto': 'udp', 'dport': PORT})
    wait_for(lambda: state_of(suite, first).get('waiting'), 20, what='it waits')
    second = trace(suite, filter={'proto': 'icmp', 'saddr': suite.link.a.v4})
    wait_for(lambda: state_of(suite, second)['packets'], what='echoes')
    assert not state_of(suite, second).get('partial')
    assert not state_of(suite, first).get('waiting')
    for ident in (first, second):
        suite.client.delete(f'traces/{ident}')


def functions_of(state):
    """What a trace says of its functions."""
    return next(s for s in state['stations'] if s['id'] == 'functions')


def test_functions_once_something_came(suite, busy):
    """They have no probe while the trace waits, and all again after."""
    if not has(suite, 'tracer.functions'):
        pytest.skip('this kernel has no function tier')
    ident = trace(suite, filter={'proto': 'udp', 'dport': PORT},
                  tier='function', duration_ns=600 * 10**9)
    assert not state_of(suite, ident).get('waiting')
    wait_for(lambda: state_of(suite, ident).get('waiting'), 120,
             what='it waits')
    state = state_of(suite, ident)
    assert state['packets'] == 0
    assert 'waits at the entries' in functions_of(state)['reason']

    wake(suite, ident)
    wait_for(lambda: not functions_of(state_of(suite, ident)).get('reason'),
             120, what='all functions')
    check_partial(suite, ident, whole(suite, ident, {
        '__dev_queue_xmit', 'dev_hard_start_xmit', 'ip_rcv'}))
    suite.client.delete(f'traces/{ident}')


def test_no_waiting_where_it_is_quiet(suite):
    ident = trace(suite, filter={'proto': 'udp', 'dport': PORT})
    time.sleep(1.5)
    assert not state_of(suite, ident).get('waiting')
    send(suite)
    settled(suite, ident, 1)
    (way,) = packets(suite, ident)
    assert not way.get('partial')
    suite.client.delete(f'traces/{ident}')
