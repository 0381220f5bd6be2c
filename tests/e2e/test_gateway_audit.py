# SPDX-License-Identifier: MIT
"""The audit log: who changed what, from where, before and after."""

import json
import sqlite3

import pytest

from lab import ApiError, NsClient, Suite, wait_for

pytestmark = pytest.mark.daemons('guarder', 'locator', 'gateway')

PARTS = ('guarder', 'locator', 'gateway')
RULE = {'action': 'drop', 'src': '198.51.100.0/24', 'proto': 'tcp'}


def answers(suite):
    """Whether both daemons take requests."""
    try:
        suite.client.get('rules')
        suite.client.get('paths')
    except ApiError:
        return False
    return True


@pytest.fixture(name='node')
def _node(lab):
    here, peer = lab.ns('node'), lab.ns('peer')
    lab.veth(here, peer)
    suite = Suite(lab, ns=here, daemons=PARTS)
    lab.on_close(suite.stop)
    suite.start()
    wait_for(lambda: answers(suite), 15)
    return suite


def absent(found):
    """Who should have answered and did not."""
    names = [m['service'] for m in found['missing']]
    # These two are not started here, and so never answer.
    return [n for n in names if n not in ('tracer', 'analyzer')]


def log(suite, **query):
    """The entries, newest first; all services answered."""
    found = suite.client.get('audit', **query)
    assert absent(found) == []
    return found['entries']


def status(suite):
    """What the guarder says of itself."""
    return next(s for s in suite.client.get('services')['services']
                if s['name'] == 'guarder')


def token(suite, name, role):
    """A client with a new token, and its secret."""
    made = suite.client.post('tokens', {'name': name, 'roles': [role]})
    return NsClient(suite.ns, suite.url, made['secret']), made


def refused(call, *args, **kwargs):
    """The problem that this is refused with."""
    with pytest.raises(ApiError) as info:
        call(*args, **kwargs)
    return info.value


def test_changes_with_states(node):
    rule = node.client.post('rules', RULE)['id']
    node.client.put(f'rules/{rule}', {**RULE, 'proto': 'udp'})
    node.client.delete(f'rules/{rule}')
    gone, put, made = log(node, service='guarder')
    assert [e['action'] for e in (made, put, gone)] == [
        'guarder.create_rule', 'guarder.update_rule', 'guarder.delete_rule']
    for entry in (made, put, gone):
        assert entry['actor'] == 'admin'
        assert entry['client'] == '127.0.0.1'
        assert entry['target'] == rule
        assert entry['outcome'] == 'done'
        assert entry['service'] == 'guarder' and entry['instance']
        assert 'status' not in entry and 'error' not in entry
    assert 'before' not in made
    assert made['after']['id'] == rule and made['after']['proto'] == 'tcp'
    assert put['before']['proto'] == 'tcp' and put['after']['proto'] == 'udp'
    assert gone['before']['proto'] == 'udp' and 'after' not in gone


def test_large_ruleset_is_cut(node):
    rules = [{'id': f'r{i}', 'action': 'drop', 'src': f'10.{i // 256}.'
              f'{i % 256}.0/24', 'comment': 'x' * 60} for i in range(512)]
    node.client.put('ruleset', {'rules': rules})
    rules[77]['action'] = 'pass'
    node.client.put('ruleset', {'rules': rules})
    second, first = log(node, action='guarder.put_ruleset')
    assert first['after_cut']['bytes'] > 16384
    assert len(first['after_cut']['sha256']) == 64
    assert 0 < len(first['after']['rules']) < 512
    # Of what was there, only what is another is kept.
    assert [r['id'] for r in second['before']['rules']] == ['r77']
    assert [r['action'] for r in second['after']['rules']] == ['pass']


def test_refusals(node):
    node.client.post('rules', {**RULE, 'id': 'one'})
    assert refused(node.client.post, 'rules',
                   {**RULE, 'id': 'one'}).status == 409
    viewer, _ = token(node, 'looker', 'viewer')
    assert refused(viewer.delete, 'rules/one').status == 403
    assert refused(viewer.get, 'audit').status == 403
    stranger = NsClient(node.ns, node.url, 'A' * 43)
    assert refused(stranger.delete, 'rules/one').status == 401
    wrong, role, _, exists, made = log(node)
    assert made['outcome'] == 'done'
    assert (exists['outcome'], exists['status'], exists['error'],
            exists['target']) == ('refused', 409, 'rule.exists', 'one')
    assert (role['actor'], role['action'], role['status'], role['error']) == (
        'looker', 'guarder.delete_rule', 403, 'auth.role')
    assert wrong['action'] == 'gateway.authenticate'
    assert 'actor' not in wrong and wrong['client'] == '127.0.0.1'
    assert [e['error'] for e in log(node, outcome='refused')] == [
        'auth.wrong_token', 'auth.role', 'rule.exists']


def test_replay_is_recorded_once(node):
    key = {'Idempotency-Key': 'once'}
    first = node.client.post('rules', RULE, headers=key)
    assert node.client.post('rules', RULE, headers=key) == first
    assert len(log(node, service='guarder')) == 1


def test_key_survives_kill(node):
    key = {'Idempotency-Key': 'over-a-kill'}
    first = node.client.post('rules', RULE, headers=key)
    node['guarder'].kill()
    node['guarder'].start()
    wait_for(lambda: answers(node), 15)
    assert node.client.post('rules', RULE, headers=key) == first
    assert node.client.get('rules')['total'] == 1
    # Killed between the change and its answer.
    node['guarder'].kill()
    with sqlite3.connect(node.state_dir / 'guarder.audit.db') as db:
        db.execute('UPDATE repeat SET done = 0')
    node['guarder'].start()
    wait_for(lambda: answers(node), 15)
    again = refused(node.client.post, 'rules', RULE, headers=key)
    assert (again.status, again.problem['id']) == (
        500, 'request.outcome_unknown')
    assert node.client.get('rules')['total'] == 1


def test_survives_kill(node):
    for i in range(5):
        rule = node.client.post('rules', RULE)['id']
        node['guarder'].kill()
        node['guarder'].start()
        wait_for(lambda: answers(node), 15)
        assert log(node, target=rule)[0]['outcome'] == 'done'
        assert len(log(node, service='guarder')) == i + 1


def test_pages_of_all_services(node):
    for _ in range(6):
        node.client.post('rules', RULE)
        node.client.post('paths', {'target': '127.0.0.1', 'probes': 1,
                                   'max_hops': 1})
    everything = log(node)
    assert {e['service'] for e in everything} == {'guarder', 'locator'}
    assert len(everything) == 12
    got, query = [], {'limit': 5}
    while True:
        page = node.client.get('audit', **query)
        got += page['entries']
        # What comes meanwhile shifts nothing.
        node.client.post('rules', RULE)
        if 'next_cursor' not in page:
            break
        query['cursor'] = page['next_cursor']
    assert got == everything
    assert refused(node.client.get, 'audit', cursor='o5').problem[
        'id'] == 'request.cursor'


def test_missing_is_named(node):
    node.client.post('rules', RULE)
    node['locator'].kill()
    wait_for(lambda: absent(node.client.get('audit')) == ['locator'], 10)
    found = node.client.get('audit')
    assert found['entries'][0]['service'] == 'guarder'


def test_without_a_log_nothing_changes(node):
    db = sqlite3.connect(node.state_dir / 'guarder.audit.db',
                         isolation_level=None)
    db.execute('BEGIN IMMEDIATE')
    problem = refused(node.client.post, 'rules', RULE)
    assert (problem.status, problem.problem['id']) == (
        503, 'audit.not_writable')
    assert node.client.get('rules')['total'] == 0
    db.execute('ROLLBACK')
    db.close()
    assert node.client.post('rules', RULE)['id']
    wait_for(lambda: [loss['count'] for loss in status(node)['losses']
                      if loss['id'] == 'audit_failed'] == [1], 5)


def test_broken_log(node):
    node['guarder'].stop()
    path = node.state_dir / 'guarder.audit.db'
    path.write_bytes(b'no database' * 100)
    node['guarder'].start()
    wait_for(lambda: answers(node), 15)
    assert refused(node.client.post, 'rules',
                   RULE).problem['id'] == 'audit.not_writable'
    found = node.client.get('audit')
    assert absent(found) == ['guarder']
    (have,) = wait_for(lambda: [c for c in status(node)['capabilities']
                                if c['id'] == 'audit'
                                and not c['available']], 5)
    assert 'guarder.audit.db' in have['reason']
    assert path.read_bytes() == b'no database' * 100


def test_tokens_and_events(node):
    with node.client.open('GET', 'events', query={'topics': 'audit'},
                          timeout=10) as stream:
        assert stream.readline() == b'retry: 1000\n'
        _, made = token(node, 'robot', 'operator')
        node.client.delete('tokens/' + made['token']['id'])
        node.client.post('rules', RULE)
        got = []
        while len(got) < 3:
            line = stream.readline().decode()
            if line.startswith('data: '):
                got.append(json.loads(line[6:]))
    assert [e['action'] for e in got] == [
        'gateway.create_token', 'gateway.delete_token', 'guarder.create_rule']
    assert all('after' not in e and 'before' not in e for e in got)
    removed, created = log(node, action='gateway.')
    assert created['target'] == removed['target'] == made['token']['id']
    assert created['after']['name'] == removed['before']['name'] == 'robot'
    assert made['secret'] not in json.dumps(log(node))
    for path in node.state_dir.glob('gateway.audit.db*'):
        assert made['secret'].encode() not in path.read_bytes()


def test_events_are_for_administrators(node):
    viewer, _ = token(node, 'looker', 'viewer')
    problem = refused(viewer.get, 'events', topics='event,audit')
    assert (problem.status, problem.problem['field']) == (403, 'topics')
    with viewer.open('GET', 'events', timeout=10) as stream:
        assert stream.readline() == b'retry: 1000\n'
        node.client.post('rules', RULE)
        names = []
        while 'event: ruleset' not in names:
            names.append(stream.readline().decode().strip())
        assert 'event: audit' not in names
