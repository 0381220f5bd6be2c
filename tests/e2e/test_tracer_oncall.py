# SPDX-License-Identifier: MIT
"""On call: another daemon's alert starts a trace of what it names."""

import socket
import threading
import time

import pytest

from lab import ApiError, Daemon, Suite, wait_for
from lab.tracing import ALL

pytestmark = pytest.mark.daemons('tracer', 'analyzer', 'gateway')


@pytest.fixture
def api(lab):
    """Tracer and analyzer on the host, with alerts on; events in .came."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    with Suite(lab, ns=lab.host, daemons=('tracer', 'analyzer', 'gateway'),
               args={'analyzer': ['--drop-alert', '20'],
                     'tracer': [*ALL, '--on-alert', 'guarder.rule_added,'
                                'analyzer.drop_spike:packets=10:'
                                'duration=20s']}) as suite:
        suite.a, suite.b, suite.link, suite.came = a, b, link, []

        def read():
            try:
                for event in suite.client.events(['event'], timeout=120):
                    suite.came.append(event['data'])
            except OSError:
                pass            # the suite ended

        threading.Thread(target=read, daemon=True).start()
        yield suite


def told(suite, kind):
    """The parameters of each event of this kind."""
    return [{p['name']: p['value'] for p in e['params']}
            for e in list(suite.came) if e['id'] == kind]


def flood(suite, version, until, seconds=30):
    """200 datagrams a second to nobody's port; what until() gives."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    end = time.monotonic() + seconds
    with suite.a.socket(family, socket.SOCK_DGRAM) as sock:
        while time.monotonic() < end:
            for _ in range(10):
                sock.sendto(b'x', (suite.link.b.addr(version), 4444))
            if found := until():
                return found
            time.sleep(0.05)
    raise TimeoutError(f'not within {seconds} s: {suite.came}')


@pytest.mark.parametrize('version', [4, 6])
def test_a_spike_of_drops_is_traced(api, version):
    """The alert names the flow; its trace names the alert, and is found."""
    traced = flood(api, version, lambda: told(api, 'tracer.trace_on_alert'))
    (alert,) = [p for p in told(api, 'analyzer.drop_spike')
                if p['alert'] == traced[0]['alert']]
    assert alert['dport'] == '4444' or alert['sport'] == '4444'
    assert {alert['saddr'], alert['daddr']} == {
        api.link.a.addr(version), api.link.b.addr(version)}
    assert int(alert['rate']) >= 20 and alert['bound'] == '20'
    listed = api.client.get('traces', alert=alert['alert'])
    assert listed['total'] == 1
    (state,) = listed['traces']
    assert state['id'] == traced[0]['trace']
    assert state['alert'] == alert['alert']
    assert api.client.get('traces', alert='another')['total'] == 0

    def full():
        got = api.client.get(f'traces/{state["id"]}')
        return got if got['packets'] == 10 else None
    flood(api, version, full)
    wait_for(lambda: api.client.get(f'traces/{state["id"]}')['state'] ==
             'done', 10)
    ways = api.client.get(f'traces/{state["id"]}/packets')['packets']
    assert len(ways) == 10
    assert all(w['tuple']['dport'] == 4444 for w in ways)
    # The flood goes on; the same alert starts nothing more.
    wait_for(lambda: api.client.get('traces')['total'] == len(
        told(api, 'tracer.trace_on_alert')), 5)
    kinds = {(p['saddr'], p['sport']) for p in told(
        api, 'analyzer.drop_spike')}
    assert len(told(api, 'analyzer.drop_spike')) == len(kinds)


def test_quiet_below_the_bound(api):
    """Some drops are no spike; more are, of the same flow, and then it is
    heard: it was listened for all the time."""
    # Events are heard: a trace by hand is told, too.
    def heard():
        try:
            api.client.post('traces', {'tier': 'core', 'filter': {'dport': 1},
                                       'duration_ns': 10**6})
        except ApiError as err:
            assert err.status == 503        # it is about to be there
        return told(api, 'tracer.trace_done')
    wait_for(heard, 20, interval=0.5, what='events are heard')
    with api.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(30):
            sock.sendto(b'x', (api.link.b.v4, 4444))
            time.sleep(0.2)
    assert not told(api, 'analyzer.drop_spike')
    assert not told(api, 'tracer.trace_on_alert')
    assert not [t for t in api.client.get('traces')['traces']
                if 'alert' in t]
    flood(api, 4, lambda: told(api, 'tracer.trace_on_alert'))


@pytest.mark.parametrize('text', ['drop', 'a.b:packets=0', 'a.b:colour=red',
                                  'a.b:duration=2h', 'A.B', ':packets=1'])
def test_a_rule_that_does_not_fit(lab, tmp_path, text):
    """It does not start, and says why."""
    res = Daemon(lab, 'tracer').run_once(
        '--run-dir', tmp_path, '--state-dir', tmp_path, '--on-alert', text)
    assert res.returncode != 0
    assert 'on_alert_invalid' in res.stderr
