# SPDX-License-Identifier: MIT
"""The function tier: which tier a trace gets, and where the kernel has
functions to be probed (the machines of tests/vm), a packet's call tree."""

from pathlib import Path

import pytest

from lab import ApiError, traffic, wait_for
from lab.tracing import inum, linked

pytestmark = pytest.mark.daemons('tracer', 'gateway')

EVENTS = Path('/sys/kernel/tracing/kprobe_events')
ARMED = Path('/sys/kernel/debug/kprobes/list')
EXPEDITED = Path('/sys/kernel/rcu_expedited')
FAMILIES = pytest.mark.parametrize('family', [4, 6])


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    with linked(lab, seconds=60) as suite:
        yield suite


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

    def is_timed(calls):
        # With single probes few functions say how long they took, or none; else
        # all do, some packets after the first one.
        return calls[0]['hook'] == 'kprobe' or \
            all('duration_ns' in s for s in calls if s['station'] in
                ('__dev_queue_xmit', 'dev_hard_start_xmit'))

    def seen():
        traffic.udp(api.a, api.b, addr, 1, size=64)
        ways = api.client.get(f'traces/{trace["id"]}/packets')['packets']
        for way in ways:
            calls = [s for s in way['steps'] if 'depth' in s]
            names = {s['station'] for s in calls}
            if {'__dev_queue_xmit', 'dev_hard_start_xmit', receive} <= names \
                    and is_timed(calls):
                return calls
        return None

    calls = wait_for(seen, 60, what='a whole way')
    names = [s['station'] for s in calls]
    assert names.index('__dev_queue_xmit') < \
        names.index('dev_hard_start_xmit') < names.index(receive)
    inner = calls[names.index('dev_hard_start_xmit')]
    outer = calls[names.index('__dev_queue_xmit')]
    assert inner['depth'] > outer['depth']
    if inner['hook'] != 'kprobe' or 'duration_ns' in outer:
        assert inner['duration_ns'] <= outer['duration_ns']
    api.client.delete(f'traces/{trace["id"]}')


def test_no_namespace(api):
    """Functions are not filtered by it: refused, and core by default."""
    asked = {'filter': {'netns': inum(api.b)}}
    if functions(api)['available']:
        assert refused(api, asked | {'tier': 'function'}).problem['id'] == \
            'trace.tier'
    assert api.client.post('traces', asked)['tier'] == 'core'


@FAMILIES
def test_callers(api, family):
    """With stacks, functions without a packet stand around those that have
    one: from the call that sends, and from the interrupt that receives."""
    if not functions(api)['available']:
        pytest.skip('this kernel has no function tier')
    addr = api.link.b.addr(family)
    trace = api.client.post('traces', {
        'tier': 'function', 'stacks': True,
        'filter': {'daddr': addr, 'proto': 'udp'}})
    wait_for(lambda: whole(api, trace['id']), 300, what='all probes')
    path = f'traces/{trace["id"]}/packets'
    send = 'udp_sendmsg' if family == 4 else 'udpv6_sendmsg'
    receive = 'ip_rcv' if family == 4 else 'ipv6_rcv'

    def seen():
        traffic.udp(api.a, api.b, addr, 1, size=64)
        ways = api.client.get(f'{path}?station={receive}')['packets']
        for way in ways:
            calls = [s for s in way['steps'] if 'depth' in s]
            if {send, receive} <= {s['station'] for s in calls}:
                return calls
        return None

    calls = wait_for(seen, 60, what='a way with its callers')
    outer = [s for s in calls if s.get('from_stack')]
    assert all('duration_ns' not in s and 'delta_ns' not in s and 'len' not in s
               for s in outer)
    assert 'from_stack' not in next(
        s for s in calls if s['station'] == receive)
    assert callers(calls, '__dev_queue_xmit') >= {send, 'do_syscall_64'}
    # A poll of the backlog, by whatever interrupt or task it came to be.
    assert callers(calls, receive) >= {'process_backlog', 'net_rx_action'}
    api.client.delete(f'traces/{trace["id"]}')


@FAMILIES
def test_sockets(api, family):
    """With sockets, functions that have no packet, but its socket, stand in the
    tree with their durations: those that sent it, and those by which it was
    received."""
    if not has_sockets(api):
        pytest.skip('this kernel tells of no function with a socket alone')
    addr = api.link.b.addr(family)
    trace = api.client.post('traces', {
        'tier': 'function', 'sockets': True, 'max_packets': 10000,
        'duration_ns': 600 * 10**9,
        'filter': {'daddr': addr, 'proto': 'tcp'}})
    assert trace['sockets'] is True
    path = f'traces/{trace["id"]}'
    version = 'v4' if family == 4 else 'v6'

    def called(way):
        return [s for s in way['steps'] if 'depth' in s]

    def stands(calls, name, within):
        """Calls of sockets in this one, or around it, that have returned."""
        at = [i for i, s in enumerate(calls) if s['station'] == name]
        if not at:
            return []
        if not within:
            names = callers(calls, name)
            found = [s for s in calls[:at[0]] if s['station'] in names]
        else:
            found = []
            for step in calls[at[0] + 1:]:
                if step['depth'] <= calls[at[0]]['depth']:
                    break
                found.append(step)
        return [s for s in found if s.get('by_socket') and 'duration_ns' in s]

    def seen():
        traffic.tcp(api.a, api.b, addr, 20000)
        ways = api.client.get(f'{path}/packets?sort=-first&limit=100')
        sent = received = None
        for way in ways['packets']:
            calls = called(way)
            out = stands(calls, '__dev_queue_xmit', False)
            if {'tcp_sendmsg', 'tcp_sendmsg_locked'} <= \
                    {s['station'] for s in out}:
                sent = calls
            if stands(calls, f'tcp_{version}_rcv', True):
                received = calls
        return (sent, received) if sent and received else None

    sent, received = wait_for(seen, 120, what='calls of sockets')
    socket = [s for s in sent + received if s.get('by_socket')]
    assert all('delta_ns' not in s and 'len' not in s and 'tuple' not in s
               for s in socket)
    outer = next(s for s in sent if s['station'] == 'tcp_sendmsg')
    inner = next(s for s in sent if s['station'] == 'tcp_sendmsg_locked')
    assert outer['depth'] < inner['depth']
    assert inner['duration_ns'] < outer['duration_ns']
    now = api.client.get(path)
    lost = {e['id']: e['count'] for e in now['losses'] if e['unit'] == 'steps'}
    assert lost['other_sockets'] > 0    # those that bind and listen, and more
    assert now['hits'] == now['steps'] + sum(lost.values())
    api.client.delete(path)


def has_sockets(api):
    state = functions(api)
    return state['available'] and state['tier'] != 'kprobe'


def test_sockets_refused(api):
    """Where there is no function tier, or none with sockets, and in core."""
    asked = {'filter': {'proto': 'tcp'}, 'sockets': True}
    error = refused(api, asked | {'tier': 'core'})
    assert (error.status, error.problem['id']) == (400, 'trace.sockets')
    assert error.problem['field'] == 'sockets'
    if has_sockets(api):
        trace = api.client.post('traces', asked)
        assert trace['tier'] == 'function'
        api.client.delete(f'traces/{trace["id"]}')
        return
    error = refused(api, asked)
    assert (error.status, error.problem['id']) == (501, 'trace.no_functions')
    assert error.problem['field'] == 'sockets'


def callers(calls, name):
    """Names of the functions that this call stands in."""
    at = next(i for i, s in enumerate(calls) if s['station'] == name)
    depth, out = calls[at]['depth'], set()
    for step in reversed(calls[:at]):
        if step['depth'] < depth:
            depth = step['depth']
            out.add(step['station'])
    assert depth == 0
    return out


@FAMILIES
def test_filter_changes_live(api, family):
    """Another tuple is followed without a probe being put again; what the tier
    cannot filter by is refused and changes nothing."""
    if not functions(api)['available']:
        pytest.skip('this kernel has no function tier')
    addr = api.link.b.addr(family)
    trace = api.client.post('traces', {
        'tier': 'function', 'duration_ns': 600 * 10**9,
        'filter': {'daddr': addr, 'proto': 'udp', 'dport': 9}})
    path = f'traces/{trace["id"]}'
    wait_for(lambda: whole(api, trace['id']), 300, what='all probes')

    def change(body):
        return api.client.request('PUT', f'{path}/filter', body)

    with pytest.raises(ApiError) as error:
        change({'daddr': addr, 'ifname': 'lo'})
    assert error.value.status == 409
    assert error.value.problem['id'] == 'trace.tier'
    assert api.client.get(path)['filter']['dport'] == 9
    traffic.udp(api.a, api.b, addr, 3, size=64)
    assert not api.client.get(f'{path}/packets')['packets']
    change({'daddr': addr, 'proto': 'udp'})

    def seen():
        traffic.udp(api.a, api.b, addr, 1, size=64)
        return any('depth' in step for way in
                   api.client.get(f'{path}/packets')['packets']
                   for step in way['steps'])

    wait_for(seen, 30, what='calls of the other tuple')
    api.client.delete(path)


def defined():
    """Probes that this tracer, or one before it, has defined."""
    return EVENTS.read_text(encoding='ascii').count('packetscope/')


def armed():
    """Probes of anybody that are switched on."""
    return [line for line in ARMED.read_text(encoding='ascii').splitlines()
            if 'DISABLED' not in line]


def single(api):
    """Skips where probes are not single, or were not defined together."""
    if functions(api).get('tier') != 'kprobe':
        pytest.skip('this kernel has all functions at once, or none')
    assert EVENTS.exists() and ARMED.exists()


def start(api):
    """A trace with all of its probes."""
    trace = api.client.post('traces', {
        'tier': 'function', 'filter': {'proto': 'udp', 'dport': 9},
        'duration_ns': 600 * 10**9})
    wait_for(lambda: whole(api, trace['id']), 300, what='all probes')
    return trace['id']


def test_nothing_stays_switched_on(api):
    """After the trace, and after the daemon's end nothing is defined."""
    single(api)
    assert not armed()
    ident = start(api)
    assert len(armed()) > 1000
    api.client.delete(f'traces/{ident}')
    wait_for(lambda: not armed(), 60, what='all are off')
    assert EXPEDITED.read_text(encoding='ascii') == '0\n'
    start(api)
    assert api['tracer'].stop() == 0
    assert not armed()
    assert not defined()
    assert EXPEDITED.read_text(encoding='ascii') == '0\n'


def test_kill_leaves_nothing_switched_on(api):
    """What is defined costs nothing, and goes at the next start."""
    single(api)
    start(api)
    api['tracer'].kill()
    assert not armed()
    assert EXPEDITED.read_text(encoding='ascii') == '0\n'
    many = defined()
    assert many > 1000
    api['tracer'].start(timeout=120)
    assert defined() < 100


def test_next_start_puts_setting_right(api):
    """Killed at the one moment at which a setting is changed."""
    single(api)
    assert api['tracer'].stop() == 0
    boot = Path('/proc/sys/kernel/random/boot_id')
    note = api.state_dir / 'tracer.expedited'
    note.write_text(boot.read_text(encoding='ascii'), encoding='ascii')
    EXPEDITED.write_text('1\n', encoding='ascii')
    api['tracer'].start(timeout=120)
    assert EXPEDITED.read_text(encoding='ascii') == '0\n'
    assert not note.exists()
