# SPDX-License-Identifier: MIT
"""A tracer to ask, its traces and their ways."""

import contextlib
import os
import threading

from .api import ApiError
from .full import SmallDisk
from .suite import Suite
from .wait import SLOW, wait_for

# Sanitized, on a busy machine, the budget would leave packets out.
ALL = ('--cpu-budget', '100')


@contextlib.contextmanager
def linked(lab, daemons=('tracer', 'gateway'), args=ALL, seconds=15,
           small_disk=None):
    """A tracer and a gateway on the host that answer, and two linked
    namespaces: suite.a, suite.b, suite.link. args: of the tracer;
    small_disk: its disk has so many MiB."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    suite = Suite(lab, ns=lab.host, daemons=daemons,
                  args={'tracer': args})
    if small_disk:
        SmallDisk(suite, 'tracer', small_disk)
    with suite:
        wait_for(lambda: answers(suite), seconds, what='the tracer answers')
        suite.a, suite.b, suite.link = a, b, link
        yield suite


def answers(suite):
    """Does the tracer?"""
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


# Functions can be probed in the machines of tests/vm.
TIERS = ['core', 'function'] if os.environ.get('PACKETSCOPE_TEST_VM') \
    else ['core']


def no_functions(suite):
    """Why there are none, or not all from the first packet on; None: they
    are there."""
    (me,) = [s for s in suite.client.get('services')['services']
             if s['name'] == 'tracer']
    state = next(c for c in me['capabilities'] if c['id'] == 'tracer.functions')
    if not state['available']:
        return f'no functions: {state["reason"]}'
    if state['tier'] == 'kprobe':
        return 'each function has a probe of its own here: a thousand that ' \
            'come one by one (test_tracer_functions.py)'
    return None


def inum(ns):
    """Inode number of a namespace."""
    return ns.call(lambda: os.stat('/proc/thread-self/ns/net').st_ino)


def trace(suite, **fields):
    """Id of a new trace, of the core tier if none is named."""
    body = {'tier': 'core', 'filter': fields.pop('filter'),
            'duration_ns': 30 * 10**9, **fields}
    return suite.client.post('traces', body)['id']


def packets(suite, ident):
    """All ways of a trace."""
    return list(suite.client.pages(f'traces/{ident}/packets', 'packets',
                                   limit=1000))


# Between two looks at a trace; and how many at most, where it goes on.
PAUSE, LOOKS = 0.1, 10


def settled(suite, ident, want, seconds=5, drops=0):
    """The packets, once there are so many and so many of them dropped, and what
    a look before found on its way has come and was no step. What the looks
    themselves send may be on its way."""
    def done():
        state = suite.client.get(f'traces/{ident}')
        if state['packets'] < want or state['drops'] < drops:
            return False
        came = state['hits'] - sum(x['count'] for x in state['losses']
                                   if x['id'] == 'in_flight')
        looks.append((state['hits'], state['steps']))
        return len(looks) > 1 and came >= looks[-2][0] and \
            looks[-1][1] == looks[-2][1] or len(looks) == LOOKS
    looks = []
    wait_for(done, seconds, PAUSE,
             what=f'{want} packets of {ident}, {drops} dropped')
    return packets(suite, ident)


def listen(client, topics=None):
    """The events that come from now on: a list that grows."""
    came, opened = [], threading.Event()

    def read():
        try:
            for event in client.events(topics, timeout=120,
                                       opened=opened.set):
                came.append(event)
        except OSError:
            pass            # the suite ended
    threading.Thread(target=read, daemon=True).start()
    assert opened.wait(15 * SLOW), 'no stream of events'
    return came


def stations(way, ns=None):
    """Where a packet was; ns: only in that namespace."""
    return [s['station'] for s in way['steps']
            if ns is None or s.get('netns') == ns]


def check_way(way):
    """Times and deltas agree and do not go back."""
    times = [s['time'] for s in way['steps']]
    assert times == sorted(times)
    assert way['first'] == times[0] and way['last'] == times[-1]
    assert 'delta_ns' not in way['steps'][0]
    assert all(s['delta_ns'] >= 0 for s in way['steps'][1:])


def check_sums(suite, ident):
    """hits = steps + the named losses of steps; the trace."""
    state = suite.client.get(f'traces/{ident}')
    assert state['hits'] == state['steps'] + sum(
        x['count'] for x in state['losses'] if x['unit'] == 'steps')
    return state


def in_order(seen, wanted):
    """Each of wanted stands in seen, in this order."""
    rest = iter(seen)
    return all(name in rest for name in wanted)
