# SPDX-License-Identifier: MIT
"""Parts of different versions: the frozen schema of tests/skew on one side,
this tree's daemons on the other; and what a newer version might send."""

import os
import socket
import time

import pytest

from lab import ROOT, ApiError, Daemon, Suite, bus, wait_for
from lab.proto import Schema

ALL = ('tracer', 'analyzer', 'locator', 'guarder', 'gateway')
pytestmark = pytest.mark.daemons(*ALL)
OLD = Schema(ROOT / 'tests' / 'skew' / 'proto-0.1')
# Fields 500 (varint) and 501 (bytes): of no version yet.
UNKNOWN = bytes.fromhex('a01f2a') + bytes.fromhex('aa1f03') + b'new'
HOST = os.uname().nodename[:64]

# What the gateway asks for most, as the old schema has it.
READS = [
    ('tracer', 'tracer.list_sockets', 'ListSocketsRequest', {'limit': 5}),
    ('tracer', 'tracer.list_traces', 'ListTracesRequest', {'limit': 5}),
    ('analyzer', 'analyzer.list_flows', 'ListFlowsRequest', {'limit': 5}),
    ('analyzer', 'analyzer.list_drops', 'ListDropsRequest', {'limit': 5}),
    ('locator', 'locator.list_paths', 'ListPathsRequest', {'limit': 5}),
    ('locator', 'locator.get_geo', 'GeoRequest',
     {'ip': {'addr': b'\x7f\0\0\1'}}),
    ('guarder', 'guarder.list_rules', 'ListRulesRequest', {'limit': 5}),
    ('guarder', 'guarder.get_stats', 'Empty', {}),
    *((name, method, 'Empty', {}) for name in ALL
      for method in ('service.status', 'service.metrics')),
    *((name, 'bus.snapshot', 'SnapshotRequest', {}) for name in ALL),
]


# ---- an old part asks the daemons of today ---------------------------------

def complete(schema, kind, message):
    """Each required field, to the ground, is there."""
    for one in schema.messages[kind].fields.values():
        if one.label == 'required':
            assert one.name in message, (kind, one.name)
        if one.type in schema.messages and one.name in message:
            values = message[one.name]
            for value in values if one.label == 'repeated' else [values]:
                complete(schema, one.type, value)


@pytest.mark.parametrize('extra', [b'', UNKNOWN], ids=['old', 'newer'])
def test_another_version_asks(suite, extra):
    for name, method, kind, values in READS:
        with bus.Request(suite.run_dir / f'{name}.rep', OLD) as peer:
            got, answer = peer.call(method, f'ps.{kind}', values, extra)
            assert got != 'ps.Error', (method, answer)
            complete(OLD, got, answer)
            got, answer = peer.call(f'{name}.of_tomorrow', 'ps.Empty', {},
                                    extra)
            assert (got, answer['id'], answer['status']) == \
                ('ps.Error', 'request.unknown_method', 404)
    assert suite.client.get('rules')['rules'] == []


def test_another_version_changes(suite):
    """An old client's rule is enforced; a newer one's action is refused."""
    rule = {'id': 'old', 'action': 'drop', 'proto': {'number': 17}}
    with bus.Request(suite.run_dir / 'guarder.rep', OLD) as guarder:
        got, answer = guarder.call(
            'guarder.create_rule', 'ps.CreateRuleRequest', {'rule': rule},
            idempotency_key='k1')
        assert got == 'ps.Rule' and answer['id'] == 'old'
        got, answer = guarder.call(
            'guarder.create_rule', 'ps.CreateRuleRequest',
            {'rule': {**rule, 'id': 'new', 'action': 99}},
            idempotency_key='k2')
        assert got == 'ps.Error' and 400 <= answer['status'] < 500, answer
    assert [r['id'] for r in suite.client.get('rules')['rules']] == ['old']


def test_a_newer_envelope_is_refused_in_words(suite):
    schema = bus.current()
    for name in ALL:
        with bus.Request(suite.run_dir / f'{name}.rep') as peer:
            answer = schema.decode('ps.Envelope', peer.raw(schema.encode(
                'ps.Envelope', bus.envelope(method='service.status',
                                            type='ps.Empty', body=b'') |
                {'schema': 2})))
            assert answer['error']['id'] == 'request.malformed'
            assert 'newer' in answer['error']['detail']


def test_an_old_part_reads_heartbeats(suite):
    """The first heartbeat that each publishes, by the old schema."""
    for name in ALL:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(suite.run_dir / f'{name}.pub'))
            status = first(sock, OLD, 'heartbeat', 'ps.ServiceStatus')
        assert (status['name'], status['instance']) == (name, HOST)
        assert status['pid'] == suite[name].proc.pid
        complete(OLD, 'ps.ServiceStatus', status)


def first(sock, schema, topic, kind):
    """The first message of a topic from a publisher."""
    for data in bus.listen(sock):
        name, _, body = data.partition(b'\0')
        if name.decode() == topic:
            return schema.decode(kind,
                                 schema.decode('ps.Envelope', body)['body'])
    raise AssertionError(f'nothing of {topic}')


# ---- the gateway of today, a daemon of another version ---------------------

def some_path(number):
    """A path as an old locator gives it."""
    return {'id': f'old{number}', 'state': 'done',
            'target': {'addr': b'\x7f\0\0\1'},
            'started': {'unix_ns': 10**18 + number}}


METHODS = {
    'locator.list_paths': (
        'ps.ListPathsRequest', 'ps.PathList',
        lambda req: {'paths': [some_path(2), some_path(1)], 'total': 2}),
    'locator.get_path': (
        'ps.PathId', 'ps.Path', lambda req: some_path(1)),
    'locator.get_geo': (
        'ps.GeoRequest', 'ps.Place',
        lambda req: {'ip': req['ip'], 'country': 'CN'}),
}


def gateway(lab):
    """A gateway alone in a namespace."""
    suite = Suite(lab, ns=lab.ns('node'), daemons=('gateway',))
    lab.on_close(suite.stop)
    return suite.start()


def locators(suite):
    """{instance: state} that the gateway shows."""
    return {s['instance']: s['state']
            for s in suite.client.get('services')['services']
            if s['name'] == 'locator'}


@pytest.mark.parametrize('extra', [b'', UNKNOWN], ids=['old', 'newer'])
def test_a_daemon_of_another_version_is_used(lab, extra):
    suite = gateway(lab)
    with bus.FakeDaemon(suite.run_dir, 'locator', OLD, METHODS,
                        extra=extra) as fake:
        wait_for(lambda: locators(suite) == {'fake': 'ready'}, 5)
        listed = suite.client.get('paths')
        assert [p['id'] for p in listed['paths']] == ['old2', 'old1']
        assert listed['total'] == 2
        assert suite.client.get('paths/old1')['state'] == 'done'
        assert suite.client.get('geo/127.0.0.1')['country'] == 'CN'
        # A method of today that it lacks is an error that says so.
        with pytest.raises(ApiError) as error:
            suite.client.post('paths', {'target': '127.0.0.1'})
        assert error.value.problem['id'] == 'request.unknown_method'
        assert 'locator.measure_path' in fake.asked
        assert suite.client.get('/metrics')
        assert suite.client.get('hosts/127.0.0.1')['place']['country'] == 'CN'


@pytest.mark.parametrize('version', ['old', 'newer'])
def test_old_and_new_locators_side_by_side(lab, version):
    """One of each: lists become one, and both are asked."""
    suite = Suite(lab, ns=lab.ns('node'), daemons=('gateway', 'locator'))
    lab.on_close(suite.stop)
    suite.start()
    mine = suite.client.post('paths', {'target': '127.0.0.1', 'probes': 1})
    schema = OLD if version == 'old' else bus.current()
    extra = b'' if version == 'old' else UNKNOWN
    with bus.FakeDaemon(suite.run_dir, 'locator', schema, METHODS,
                        place='locator-9', extra=extra) as fake, \
            bus.Request(suite.run_dir / 'gateway.rep') as door:
        def found():
            assert door.announce(
                name='locator', instance='fake', started=fake.epoch,
                rep=f'ipc://{fake.paths[0]}',
                pub=f'ipc://{fake.paths[1]}') is None
            return locators(suite) == {HOST: 'ready', 'fake': 'ready'}
        wait_for(found, 8, interval=0.5)
        listed = suite.client.get('paths')
        assert [p['id'] for p in listed['paths']] == [mine['id'], 'old2',
                                                      'old1']
        assert (listed['total'], listed['missing']) == (3, [])


def test_what_a_newer_daemon_may_say_is_no_harm(lab):
    """States, topics and types that nobody knows yet."""
    suite = gateway(lab)
    with bus.FakeDaemon(suite.run_dir, 'locator', bus.current(), METHODS,
                        status={'state': 99}, extra=UNKNOWN) as fake:
        wait_for(lambda: locators(suite) == {'fake': 'degraded'}, 5)
        for topic, kind, values in (
                ('of_tomorrow', 'ps.Empty', {}),
                ('event', 'ps.Path', some_path(1)),
                ('event', 'ps.Event', {
                    'id': 'locator.of_tomorrow', 'severity': 77,
                    'time': {'unix_ns': time.time_ns()},
                    'source': 'locator', 'text': 'New.'}),
                ('path', 'ps.Path', {**some_path(1), 'state': 88})):
            fake.publish(topic, kind, values)
        wait_for(lambda: any(
            loss['id'].startswith('bus_malformed.locator') and loss['count']
            for s in suite.client.get('services')['services']
            if s['name'] == 'gateway' for loss in s['losses']), 5)
        assert suite.client.get('paths/old1')['id'] == 'old1'
        assert suite.client.get('/metrics')
    assert suite['gateway'].proc.poll() is None


# ---- a gateway of another version ------------------------------------------

@pytest.mark.parametrize('name', ['tracer', 'analyzer', 'locator', 'guarder'])
def test_an_old_gateway_takes_no_announcement(lab, name):
    """It is told once, and goes on; the old gateway asks as ever."""
    daemon = Daemon(lab, name, ns=lab.ns('node'))
    daemon.run_dir.mkdir(mode=0o755)
    with bus.FakeDaemon(daemon.run_dir, 'gateway', OLD) as old:
        daemon.start()
        wait_for(lambda: old.asked.count('gateway.announce') >= 3, 8)
        assert daemon.log().count('announce_refused') == 1
        with bus.Request(daemon.run_dir / f'{name}.rep', OLD) as peer:
            assert peer.call('service.status', 'ps.Empty', {})[1]['state'] \
                in ('ready', 'degraded')
        assert daemon.stop() == 0
