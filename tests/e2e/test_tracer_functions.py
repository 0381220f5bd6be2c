# SPDX-License-Identifier: MIT
"""The function tier: which tier a trace gets, and where the kernel has
functions to be probed (the machines of tests/vm), a packet's call tree."""

import pytest

from lab import ApiError, Suite, traffic, wait_for

pytestmark = pytest.mark.daemons('tracer', 'gateway')

FAMILIES = pytest.mark.parametrize('family', [4, 6])


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    with Suite(lab, ns=lab.host, daemons=('tracer', 'gateway')) as suite:
        wait_for(lambda: answers(suite), 60, what='the tracer answers')
        suite.a, suite.b, suite.link = a, b, link
        yield suite


def answers(suite):
    try:
        return suite.client.get('traces') is not None
    except ApiError:
        return False


def functions(suite):
    """What the tracer says of the function tier."""
    (me,) = [s for s in suite.client.get('services')['services']
             if s['name'] == 'tracer']
    return next(c for c in me['capabilities'] if c['id'] == 'tracer.functions')


def refused(suite, body):
    """The error that a request gets; the list stays as it was."""
    before = suite.client.get('traces')['total']
    with pytest.raises(ApiError) as error:
        suite.client.post('traces', body)
    assert suite.client.get('traces')['total'] == before
    return error.value


def test_unknown_tier(api):
    error = refused(api, {'filter': {'proto': 'udp'}, 'tier': 'kprobe'})
    assert error.status == 400
    assert error.problem['id'] == 'trace.tier'
    assert error.problem['field'] == 'tier'


def test_missing_tier_says_why(api):
    state = functions(api)
    if state['available']:
        pytest.skip('this kernel has the tier')
    assert state['reason']
    error = refused(api, {'filter': {'proto': 'udp'}, 'tier': 'function'})
    assert error.status == 501
    assert error.problem['id'] == 'trace.no_functions'
    assert state['reason'] in error.problem['detail']


def test_best_tier_by_default(api):
    best = 'function' if functions(api)['available'] else 'core'
    for tier, want in ((None, best), ('core', 'core')):
        body = {'filter': {'proto': 'udp'}} | ({'tier': tier} if tier else {})
        trace = api.client.post('traces', body)
        assert trace['tier'] == want
        assert ('functions' in {s['id'] for s in trace['stations']}) == \
            (want == 'function')
        api.client.delete(f'traces/{trace["id"]}')


def whole(api, trace_id):
    """The ways once every function has its probe and a packet came after."""
    trace = api.client.get(f'traces/{trace_id}')
    state = next(s for s in trace['stations'] if s['id'] == 'functions')
    return trace if not state.get('reason') else None


@FAMILIES
def test_call_tree(api, family):
    """A packet is followed from the sender's device to the receiver's stack,
    by functions that stand in each other as the kernel calls them."""
    if not functions(api)['available']:
        pytest.skip('this kernel has no function tier')
    addr = api.link.b.addr(family)
    trace = api.client.post('traces', {
        'tier': 'function', 'filter': {'daddr': addr, 'proto': 'udp'}})
    wait_for(lambda: whole(api, trace['id']), 300, what='all probes')
    receive = 'ip_rcv' if family == 4 else 'ipv6_rcv'

    def seen():
        traffic.udp(api.a, api.b, addr, 1, size=64)
        ways = api.client.get(f'traces/{trace["id"]}/packets')['packets']
        for way in ways:
            calls = [s for s in way['steps'] if 'depth' in s]
            names = [s['station'] for s in calls]
            if {'__dev_queue_xmit', 'dev_hard_start_xmit', receive} <= \
                    set(names):
                return calls
        return None

    calls = wait_for(seen, 60, what='a whole way')
    names = [s['station'] for s in calls]
    assert names.index('__dev_queue_xmit') < \
        names.index('dev_hard_start_xmit') < names.index(receive)
    inner = calls[names.index('dev_hard_start_xmit')]
    outer = calls[names.index('__dev_queue_xmit')]
    assert inner['depth'] > outer['depth']
    if inner['hook'] != 'kprobe':
        assert inner['duration_ns'] <= outer['duration_ns']
    api.client.delete(f'traces/{trace["id"]}')
