# SPDX-License-Identifier: MIT
"""The OpenAPI document held against the running suite, both ways: what is
documented happens, and nothing happens that is not documented."""

import json
import random
import re
import signal
import string
import threading
import time

import pytest
from jsonschema import Draft202012Validator

from lab import Daemon, Suite, traffic, wait_for
from lab.openapi import Connection, Document

pytestmark = pytest.mark.daemons('tracer', 'analyzer', 'locator', 'guarder',
                                 'gateway')

FUZZ_SECONDS = 40
SEED = 20260131
# Documented errors that no test can make here without breaking the machine.
OUT_OF_REACH = frozenset((
    'gateway.ending', 'gateway.no_memory', 'service.no_memory',
    'service.bad_answer', 'service.failed', 'service.busy',
    'guarder.cannot_enforce', 'guarder.not_in_force', 'store.failed',
    'store.full', 'sockets.failed', 'sockets.unavailable', 'trace.start',
    'trace.store', 'trace.unavailable', 'trace.too_many', 'path.too_many',
    'trace.no_processes',
    'path.unavailable', 'locator.history_failed', 'trace.busy',
    # Known to other tests: whole rulesets, expired tokens, much traffic.
    'rule.too_many', 'ruleset.generation_conflict', 'auth.too_many',
    'token.too_many', 'gateway.store', 'audit.not_writable',
    'audit.not_recorded', 'request.answer_lost', 'request.outcome_unknown',
    'request.rate', 'stream.too_many',
    'stream.too_many_of_client',
))


@pytest.fixture
def api(lab):
    """A suite with traffic; (suite, document, connection)."""
    node, peer = lab.ns('node'), lab.ns('peer')
    with Suite(lab, ns=node) as suite:
        link = lab.veth(node, peer)
        for version in (4, 6):
            traffic.tcp(node, peer, link.b.addr(version), 100_000)
            traffic.udp(peer, node, link.a.addr(version), 20, size=64)
        wait_for(lambda: len(suite.client.get('flows')['flows']) >= 4, 5)
        document = Document(suite.client.get('openapi.json'))
        conn = Connection(node, suite.port, suite.token())
        yield suite, document, conn
        conn.close()


# ---- the document alone ------------------------------------------------------


@pytest.fixture(name='printed')
def _printed(lab):
    """The document that `ps-gateway --openapi` prints."""
    done = Daemon(lab, 'gateway').run_once('--openapi')
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Fixed fields of OpenAPI 3.1, by kind of object: (required, all).
FIELDS = {
    'document': ({'openapi', 'info', 'paths'},
                 {'openapi', 'info', 'servers', 'paths', 'components',
                  'security', 'tags'}),
    'info': ({'title', 'version'},
             {'title', 'version', 'summary', 'description', 'license'}),
    'operation': ({'operationId', 'responses', 'summary', 'tags', 'x-role'},
                  {'operationId', 'responses', 'summary', 'tags',
                   'description', 'parameters', 'requestBody', 'security'}),
    'parameter': ({'name', 'in', 'schema'},
                  {'name', 'in', 'schema', 'required', 'description',
                   'example', 'explode', 'style'}),
    'response': ({'description'}, {'description', 'headers', 'content'}),
    'header': ({'schema'}, {'schema', 'description', 'required'}),
    'media': ({'schema'}, {'schema', 'example'}),
    'body': ({'content'}, {'content', 'required', 'description'}),
}


def check_fields(kind, node, where):
    """Nothing is missing and nothing is misspelt."""
    required, known = FIELDS[kind]
    keys = set(node)
    assert required <= keys, (where, required - keys)
    extra = {k for k in keys - known if not k.startswith('x-')}
    assert not extra, (where, extra)


def check_media(content, where):
    """Each media type has a schema that is one, and no more."""
    for kind, media in content.items():
        check_fields('media', media, (where, kind))
        Draft202012Validator.check_schema(media['schema'])


def check_operation(doc, op, tags):
    """One operation by the specification's rules."""
    check_fields('operation', op.node, op)
    assert set(op.node['tags']) <= tags, op
    assert set(op.names('path')) == set(re.findall(r'{(\w+)}', op.path)), op
    seen = [(p['in'], p['name']) for p in op.parameters]
    assert len(seen) == len(set(seen)), op
    for param in op.parameters:
        check_fields('parameter', param, op)
        Draft202012Validator.check_schema(param['schema'])
        assert param.get('required') or param['in'] != 'path', op
    if 'requestBody' in op.node:
        check_fields('body', op.node['requestBody'], op)
        check_media(op.node['requestBody']['content'], op)
    for status, response in op.node['responses'].items():
        assert status == 'default' or re.fullmatch('[2-5][0-9][0-9]', status)
        response = doc.follow(response)
        check_fields('response', response, (op, status))
        check_media(response.get('content', {}), (op, status))
        for name, head in response.get('headers', {}).items():
            check_fields('header', head, (op, status, name))


def references(node):
    """All $ref of a tree."""
    if isinstance(node, dict):
        if isinstance(node.get('$ref'), str):
            yield node['$ref']
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_is_openapi_3_1(printed):
    """Its structure, its schemas, its references."""
    doc = Document(printed)
    assert printed['openapi'].startswith('3.1.')
    check_fields('document', printed, 'document')
    check_fields('info', printed['info'], 'info')
    for ref in set(references(printed)):
        doc.follow({'$ref': ref})
    ids = [op.id for op in doc.operations]
    assert len(ids) == len(set(ids)) > 25
    tags = {t['name'] for t in printed['tags'] if t['description']}
    for op in doc.operations:
        check_operation(doc, op, tags)
    schemes = printed['components']['securitySchemes']
    for need in printed['security']:
        assert set(need) <= set(schemes)
    for name, schema in printed['components']['schemas'].items():
        Draft202012Validator.check_schema(schema)
        # Else a field that nobody documented would pass.
        assert schema.get('additionalProperties') is False or \
            name == 'Json', name


def test_integers_and_comments(printed):
    """Numbers fit a double everywhere; the schemas' comments are there."""
    def walk(node):
        if isinstance(node, dict):
            if node.get('type') == 'integer' and 'maximum' in node:
                assert -2**53 < node['minimum'] <= node['maximum'] < 2**53
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(printed)
    schemas = printed['components']['schemas']
    assert 'At most 512 rules' in schemas['Rule']['description']
    assert schemas['Rule']['properties']['priority']['description'] == \
        'Lower is asked first; default 1000.'


def test_examples_fit(printed):
    """Each body and each answer in JSON has an example that fits."""
    doc = Document(printed)
    for op in doc.operations:
        contents = [op.body] if op.body else []
        if content := op.success[1].get('content'):
            contents += [m for kind, m in content.items()
                       if kind == 'application/json' and
                       op.id != 'getOpenapi']
        for media in contents:
            assert 'example' in media, \
                f'{op} has no example; add it to gateway/examples.json'
            assert not doc.errors(media['schema'], media['example']), op
        for param in op.parameters:
            if 'example' in param:
                assert not doc.errors(param['schema'], param['example']), op
            else:
                assert param['in'] == 'query', \
                    f'{op}: {param["name"]} has no example'


# ---- walking it --------------------------------------------------------------


class Walker:
    """Asks each operation what it is for, with what earlier ones made."""

    ORDER = {'POST': 0, 'GET': 1, 'PUT': 2, 'DELETE': 3}

    def __init__(self, doc, conn):
        self.doc, self.conn = doc, conn
        self.made = {}          # '/api/v1/rules' → id

    def operations(self):
        """Those that make come first, those that remove last."""
        return sorted(self.doc.operations,
                      key=lambda op: (self.ORDER[op.method] +
                                      4 * ('{' not in op.path), op.path)
                      if op.method in ('PUT', 'DELETE') else
                      (self.ORDER[op.method], op.path))

    def params(self, op):
        """Values of the path's parameters, of things that exist."""
        values = {}
        for name in op.names('path'):
            parent = op.path.split('/{' + name)[0]
            if name == 'id':
                values[name] = self.made.get(parent) or self.listed(parent)
            else:
                values[name] = next(p['example'] for p in op.parameters
                                    if p['name'] == name)
        return values

    def listed(self, parent):
        """The id of the first entry of a list."""
        entries = self.conn.ask('GET', parent).json
        (items,) = [v for v in entries.values() if isinstance(v, list) and
                    v and 'id' in v[0]]
        return items[0]['id']

    def body(self, op):
        """The example; a login has this suite's token."""
        if op.id == 'logIn':
            return {'token': self.conn.token}
        return op.body and op.body['example']

    def ask(self, op):
        """One request that must succeed; its answer."""
        answer = self.conn.ask(op.method, op.url(self.params(op)),
                               self.body(op))
        if op.method == 'POST' and answer.status in (201, 202):
            self.made[op.path] = answer.headers['Location'].rsplit('/')[-1]
        return answer


def check(doc, op, answer):
    """The answer is what the document says."""
    assert not doc.wrong(op, answer), (op, answer, doc.wrong(op, answer))


def test_every_operation_answers(api):
    """Each path and method, with the documents' own examples."""
    suite, doc, conn = api
    walker = Walker(doc, conn)
    before = suite.client.get('rules')['rules']
    walked = set()
    for op in walker.operations():
        answer = walker.ask(op)
        status, response = op.success
        assert answer.status == status, (op, answer)
        check(doc, op, answer)
        for name in response.get('headers', {}):
            # The age is there when the answer was another's.
            assert name in answer.headers or 'Age' in name, (op, name)
        walked.add(op.id)
        if 'ETag' in response.get('headers', {}):
            check_get(doc, op, conn, op.url(walker.params(op)))
    assert walked == {op.id for op in doc.operations}
    suite.client.put('ruleset', {'rules': before})


def check_get(doc, op, conn, url):
    """HEAD has the same head; a known ETag is not sent again."""
    head = conn.ask('HEAD', url)
    assert head.status == op.success[0] and head.body == b''
    check(doc, op, head)
    # What is asked may change in between; an answer twice the same is known.
    for _ in range(5):
        tag = conn.ask('GET', url).headers['ETag']
        again = conn.ask('GET', url, headers={'If-None-Match': tag})
        check(doc, op, again)
        if again.status == 304:
            return
    assert op.id not in ('getHealth', 'getOpenapi', 'getSession'), op


def test_shared_answers_tell_their_age(api):
    """Asked twice in a row, the second may be the first's."""
    _, doc, conn = api
    shared = [op for op in doc.operations
              if 'Age' in op.success[1].get('headers', {})]
    assert shared
    for op in shared:
        if op.names('path'):
            continue

        def aged(op=op):
            answer = conn.ask('GET', op.url())
            check(doc, op, answer)
            return answer.headers.get('Packetscope-Age-Ms')
        assert int(wait_for(aged, 5)) <= 1000


def test_streamed_events_fit(api):
    """The data of each event is what x-events says."""
    suite, doc, _ = api
    kinds = doc['streamEvents'].node['x-events']
    wanted = {'trace', 'path', 'ruleset', 'event', 'service'}
    came = []

    def read():
        try:
            for event in suite.client.events(timeout=60):
                came.append(event)
        except OSError:
            pass            # the suite ended

    threading.Thread(target=read, daemon=True).start()
    wait_for(lambda: suite.client.get('services'), 5)
    trace = suite.client.post('traces', doc['createTrace'].body['example'])
    suite.client.delete(f'traces/{trace["id"]}')
    suite.client.post('paths', {'target': '127.0.0.1', 'probes': 1,
                                'max_hops': 1})
    rule = suite.client.post('rules', doc['createRule'].body['example'])
    suite.client.delete(f'rules/{rule["id"]}')
    suite['locator'].kill()

    def seen():
        return {event['event'] for event in came}
    try:
        wait_for(lambda: wanted <= seen(), 15)
    except TimeoutError:
        pytest.fail(f'never came: {wanted - seen()}')
    for event in list(came):
        wrong = doc.errors(kinds[event['event']], event['data'])
        assert not wrong, (event, wrong)


# ---- its errors --------------------------------------------------------------


class Provoked:
    """Which documented errors came."""

    def __init__(self, doc, conn):
        self.doc, self.conn = doc, conn
        self.ids = set()
        op = doc['createToken']
        made = conn.ask('POST', op.path, {'name': 'contract-viewer',
                                          'roles': ['viewer']})
        self.viewer = made.json['secret']

    def expect(self, op, wanted, answer):
        """The answer is this documented error."""
        check(self.doc, op, answer)
        assert answer.problem_id == wanted, (op, wanted, answer)
        documented = {i for status, res in op.node['responses'].items()
                      if status == str(answer.status)
                      for i in ids_of(self.doc.follow(res))}
        assert wanted in documented, (op, wanted, documented)
        self.ids.add(wanted)


def ids_of(response):
    """The problem ids that a response names."""
    media = response.get('content', {}).get('application/problem+json')
    if not media:
        return []
    return media['schema']['allOf'][1]['properties']['id']['enum']


def general_errors(op, url, got, conn):
    """What any operation of its kind refuses."""
    def ask(url=url, body=op.body and op.body['example'], **more):
        return conn.ask(op.method, url, body, **more)

    if op.node.get('security') != []:
        got.expect(op, 'auth.no_token', ask(token=False))
        got.expect(op, 'auth.session_ended', ask(token=False, headers={
            'Cookie': 'packetscope_session=' + 'a' * 43}))
        got.expect(op, 'auth.foreign_page', ask(token=False, headers={
            'Cookie': 'packetscope_session=' + 'a' * 43,
            'Origin': 'https://elsewhere.example'}))
    if op.node['x-role'] in ('operator', 'admin'):
        got.expect(op, 'auth.role', ask(token=got.viewer))
    if 'payload' in op.names('query'):
        got.expect(op, 'auth.payload', ask(url + '?payload=true',
                                           token=got.viewer))
    got.expect(op, 'request.wrong_host',
               ask(headers={'Host': 'elsewhere.example'}))
    got.expect(op, 'request.unknown_parameter', ask(url + '?nobody=1'))
    got.expect(op, 'request.malformed', ask(url + '?a=%zz'))
    if op.body:
        body_errors(op, ask, got)
    else:
        got.expect(op, 'request.body_unexpected', ask(body={'a': 1}))
    for name in op.names('query'):
        if name in ('limit', 'cursor'):
            got.expect(op, f'request.{name}', ask(url + f'?{name}=0'))
        got.expect(op, 'request.duplicate_parameter',
                   ask(url + f'?{name}=1&{name}=1')
                   if name in ('limit', 'port') else
                   ask(url + '?limit=1&limit=1')) \
            if 'limit' in op.names('query') else None


def body_errors(op, ask, got):
    """What any body must be."""
    got.expect(op, 'request.body_missing', ask(body=None))
    got.expect(op, 'request.content_type',
               ask(headers={'Content-Type': 'text/plain'}))
    got.expect(op, 'request.too_large', ask(body=b'x' * (1 << 20 | 1)))
    for wrong in (b'[]', b'{', b'{"nobody":1}', b'\xff'):
        got.expect(op, 'request.invalid', ask(body=wrong))


OWN_ERRORS = (
    ('getFlow', 'flow.not_found', '/api/v1/flows/nothing', None),
    ('getPath', 'path.not_found', '/api/v1/paths/nothing', None),
    ('getRule', 'rule.not_found', '/api/v1/rules/nothing', None),
    ('updateRule', 'rule.not_found', '/api/v1/rules/nothing',
     {'action': 'drop'}),
    ('deleteRule', 'rule.not_found', '/api/v1/rules/nothing', None),
    ('getTrace', 'trace.not_found', '/api/v1/traces/nothing', None),
    ('deleteTrace', 'trace.not_found', '/api/v1/traces/nothing', None),
    ('listTracePackets', 'trace.not_found',
     '/api/v1/traces/nothing/packets', None),
    ('getTraceGraph', 'trace.not_found', '/api/v1/traces/nothing/graph', None),
    ('exportTrace', 'trace.not_found', '/api/v1/traces/nothing/export', None),
    ('exportTrace', 'trace.format', '/api/v1/traces/nothing/export?format=x',
     None),
    ('findPackets', 'packets.filter', '/api/v1/packets?sport=65536', None),
    ('listSockets', 'request.sort', '/api/v1/sockets?sort=colour', None),
    ('listTracePackets', 'request.sort',
     '/api/v1/traces/nothing/packets?sort=colour', None),
    ('listSockets', 'sockets.filter', '/api/v1/sockets?family=5', None),
    ('deleteToken', 'token.not_found', '/api/v1/tokens/nothing', None),
    ('deleteToken', 'token.file', '/api/v1/tokens/admin', None),
    ('createToken', 'token.name_taken', '/api/v1/tokens',
     {'name': 'contract-viewer', 'roles': ['viewer']}),
    ('logIn', 'auth.wrong_token', '/api/v1/session', {'token': 'x' * 43}),
    ('createTrace', 'trace.filter', '/api/v1/traces', {}),
    ('createTrace', 'trace.max_packets', '/api/v1/traces',
     {'filter': {'dport': 9}, 'max_packets': 0}),
    ('createTrace', 'trace.duration', '/api/v1/traces',
     {'filter': {'dport': 9}, 'duration_ns': 0}),
    ('createTrace', 'trace.snaplen', '/api/v1/traces',
     {'filter': {'dport': 9}, 'snaplen': 1025}),
    ('createTrace', 'trace.tier', '/api/v1/traces',
     {'filter': {'dport': 9}, 'tier': 'both'}),
    ('createTrace', 'trace.sockets', '/api/v1/traces',
     {'filter': {'dport': 9}, 'tier': 'core', 'sockets': True}),
    ('setTraceFilter', 'trace.not_found', '/api/v1/traces/nothing/filter',
     {'dport': 9}),
    ('createTrace', 'trace.comment', '/api/v1/traces',
     {'filter': {'dport': 9}, 'comment': 'x' * 257}),
    ('measurePath', 'path.target_missing', '/api/v1/paths', {}),
    ('measurePath', 'path.target_invalid', '/api/v1/paths',
     {'target': '0.0.0.0'}),
    ('measurePath', 'path.out_of_range', '/api/v1/paths',
     {'target': '127.0.0.1', 'max_hops': 65}),
)


def test_documented_errors_come(api):
    """Each error that can be provoked is answered as documented."""
    suite, doc, conn = api
    got = Provoked(doc, conn)
    walker = Walker(doc, conn)
    for op in walker.operations():
        general_errors(op, op.url(walker.params(op)), got, conn)
        if op.method == 'POST':
            walker.ask(op)
    for op_id, wanted, url, body in OWN_ERRORS:
        op = doc[op_id]
        got.expect(op, wanted, conn.ask(op.method, url, body))
    got.expect(doc['listFlows'], 'auth.wrong_token',
               conn.ask('GET', '/api/v1/flows', token='wrong' * 8))
    conflicts(doc, got, conn)
    ended_trace(doc, got, conn)
    gone_services(suite, doc, got, conn)
    documented = {i for op in doc.operations
                  for res in op.node['responses'].values()
                  for i in ids_of(doc.follow(res)) if '$ref' not in res}
    missing = documented - got.ids - OUT_OF_REACH
    assert not missing, f'documented, and never seen: {sorted(missing)}'


def conflicts(doc, got, conn):
    """Ids and keys that are taken."""
    op = doc['createRule']
    rule = {**op.body['example'], 'id': 'contract-twice'}
    key = {'Idempotency-Key': 'contract'}
    assert conn.ask('POST', op.path, rule, key).status == 201
    got.expect(op, 'request.idempotency_conflict',
               conn.ask('POST', op.path, {**rule, 'comment': 'other'}, key))
    got.expect(op, 'rule.exists', conn.ask('POST', op.path, rule))
    got.expect(op, 'request.invalid',
               conn.ask('POST', op.path, rule, {'Idempotency-Key': 'a b'}))
    assert conn.ask('DELETE', op.path + '/contract-twice').status == 204


def ended_trace(doc, got, conn):
    """A filter for what runs no more; a tier that this kernel may not have."""
    op = doc['createTrace']
    ask = {'filter': {'dport': 9}, 'duration_ns': 1}
    answer = conn.ask('POST', op.path, {**ask, 'tier': 'core'})
    url = f'{op.path}/{answer.json["id"]}'
    wait_for(lambda: conn.ask('GET', url).json['state'] == 'done', 15)
    got.expect(doc['setTraceFilter'], 'trace.ended',
               conn.ask('PUT', url + '/filter', {'dport': 10}))
    answer = conn.ask('POST', op.path, {**ask, 'tier': 'function'})
    if answer.status == 201:
        got.ids.add('trace.no_functions')
    else:
        got.expect(op, 'trace.no_functions', answer)


def gone_services(suite, doc, got, conn):
    """A daemon that is stopped, and one that is not there."""
    op = doc['getStats']
    suite['guarder'].proc.send_signal(signal.SIGSTOP)
    got.expect(op, 'service.timeout',
               conn.ask('GET', op.path, headers={'Cache-Control': 'no-cache'}))
    suite['guarder'].proc.send_signal(signal.SIGCONT)
    suite['guarder'].kill()

    def gone():
        return conn.ask('GET', op.path).problem_id == 'service.unavailable'
    wait_for(gone, 5)
    answer = conn.ask('GET', op.path)
    got.expect(op, 'service.unavailable', answer)
    assert int(answer.headers['Retry-After']) >= 1


# ---- its bounds --------------------------------------------------------------


def beyond(schema):
    """(values that fit at the bound, values just beyond)."""
    if 'enum' in schema:
        return list(schema['enum']), ['nothing'] \
            if schema['type'] == 'string' else [max(schema['enum']) + 1]
    if schema.get('type') == 'integer' and 'maximum' in schema:
        low, high = schema['minimum'], schema['maximum']
        return [low, high], [low - 1, high + 1]
    if schema.get('type') == 'string' and 'pattern' not in schema:
        fit = [schema['maxLength'] * 'x'] if 'maxLength' in schema else []
        out = ['x' * (schema['maxLength'] + 1)] if fit else []
        if 'minLength' in schema:
            out.append('x' * (schema['minLength'] - 1))
        return fit, out
    return [], []


def fields_of(doc, schema, path=()):
    """(path, schema) of each field of a body, without lists."""
    schema = doc.follow(schema)
    for name, field in schema.get('properties', {}).items():
        if field.get('readOnly'):
            continue
        if '$ref' in field:
            yield from fields_of(doc, field, path + (name,))
        else:
            yield path + (name,), field


def put_at(body, path, value):
    """A copy of a body with one field replaced."""
    copy = json.loads(json.dumps(body))
    node = copy
    for name in path[:-1]:
        node = node.setdefault(name, {})
    node[path[-1]] = value
    return copy


def undo(doc, op, answer, conn):
    """Takes back a change that was accepted."""
    if op.method == 'POST' and answer.status in (201, 202):
        where = answer.headers['Location']
        if any(o.method == 'DELETE' and o.path == op.path + '/{id}'
               for o in doc.operations):
            assert conn.ask('DELETE', where).status in (204, 404)


def test_bounds_are_enforced(api):
    """What stands just beyond a bound is refused, and names the field."""
    _, doc, conn = api
    walker = Walker(doc, conn)
    tried = 0
    for op in walker.operations():
        if op.method == 'POST':
            walker.ask(op)
        if op.method == 'DELETE' or op.is_stream:
            continue
        url = op.url(walker.params(op))
        for path, schema in fields_of(doc, op.body['schema']) \
                if op.body else ():
            fit, out = beyond(schema)
            for value in out:
                answer = conn.ask(op.method, url,
                                  put_at(op.body['example'], path, value))
                check(doc, op, answer)
                assert answer.status == 400, (op, path, value, answer)
                assert path[-1] in answer.json['field'], (op, path, answer)
                tried += 1
        for param in op.parameters:
            if param['in'] != 'query':
                continue
            fit, out = beyond(param['schema'])
            for value in fit + out:
                answer = conn.ask(op.method, op.url(
                    walker.params(op), {param['name']: value}))
                check(doc, op, answer)
                assert answer.status == 400 or value not in out, \
                    (op, param['name'], value, answer)
                assert answer.status == 200 or value not in fit or \
                    param['name'] == 'cursor', (op, param['name'], answer)
                tried += 1
    assert tried > 60


# ---- nonsense ----------------------------------------------------------------

NUMBERS = (-1, 0, 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63, 2**64, 10**40,
           -2**63, 0.5, 1e300)
TEXTS = ('', ' ', '0', '-1', 'null', 'true', '[]', '{}', '..', '../../etc',
         '%00', "';--", '\u0000', 'a\u0000b', '\u202e', '\ufeff', '😀' * 100,
         'é' * 300, 'x' * 300, 'x' * 9000, '1' * 400, '192.0.2.1/33',
         '::ffff:1.2.3.4', '1-0', '65536', 'tcp,udp', '2026-13-01T00:00:00Z')


def nonsense(rng, depth=0):
    """Any JSON value."""
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind in (1, 2):
        return rng.choice(TEXTS)
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return ''.join(rng.choices(string.printable, k=rng.randrange(40)))
    if kind == 5:
        return [nonsense(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(TEXTS): nonsense(rng, depth + 1)
            for _ in range(rng.randrange(3))}


def broken_body(rng, doc, op):
    """The example with something wrong in it, or no JSON at all."""
    body = op.body['example']
    kind = rng.randrange(10)
    if kind == 0:
        text = json.dumps(body).encode()
        return text[:rng.randrange(len(text))]
    if kind == 1:
        return b'[' * rng.choice((1, 30, 100, 100_000))
    if kind == 2:
        return rng.randbytes(rng.randrange(200))
    if kind == 3:
        return json.dumps(nonsense(rng)).encode()
    if kind == 4:
        text = json.dumps(body)
        return (text[:-1] + ',' + text[1:]).encode()    # each field twice
    fields = list(fields_of(doc, op.body['schema']))
    for _ in range(rng.randrange(1, 3)):
        path, _ = rng.choice(fields)
        if rng.randrange(8) == 0:
            path = path[:-1] + (rng.choice(TEXTS) or 'x',)
        body = put_at(body, path, nonsense(rng))
    return json.dumps(body).encode()


def broken_query(rng, op):
    """Parameters with nonsense, some twice, some that do not exist."""
    names = op.names('query') + ['nobody', 'Limit', '']
    return [(rng.choice(names), str(nonsense(rng)).encode(
        'utf-8', 'surrogatepass'))
        for _ in range(rng.choice((0, 1, 1, 2, 5, 70)))]


def broken_request(rng, doc, op, good):
    """(target, body, headers) of one request that is wrong somewhere."""
    params = dict(good)
    for name in params:
        # Only nothing may be removed.
        if op.method == 'DELETE' or rng.randrange(2):
            params[name] = str(nonsense(rng)) or 'x'
    headers = {}
    for name in op.names('header'):
        if rng.randrange(3) == 0:
            text = str(nonsense(rng))[:9000]
            headers[name] = re.sub(r'[\r\n]', '', text).encode()
    if rng.randrange(20) == 0:
        headers['Content-Type'] = rng.choice(
            ('text/plain', 'application/json; charset=x', ''))
    query = broken_query(rng, op) if rng.randrange(2) else None
    body = broken_body(rng, doc, op) if op.body and rng.randrange(10) else None
    return op.url(params, query), body, headers


def snapshot(suite):
    """What changes could have changed."""
    rules = suite.client.get('rules', limit=1000)['rules']
    return sorted((r['id'], r.get('comment')) for r in rules)


def ruleset_now(suite, doc):
    """The rules as PUT ruleset takes them."""
    fields = doc.node['components']['schemas']['Rule']['properties']
    return {'rules': [
        {k: v for k, v in rule.items() if not fields[k].get('readOnly')}
        for rule in suite.client.get('rules', limit=1000)['rules']]}


def test_nonsense_is_answered_as_documented(api):
    """Seeded, for a bounded time: never an error of ours, nobody dies."""
    suite, doc, conn = api
    rng = random.Random(SEED)
    walker = Walker(doc, conn)
    for op in walker.operations():
        if op.method == 'POST':
            walker.ask(op)
    good = {op.id: walker.params(op) for op in doc.operations}
    before, rules = snapshot(suite), ruleset_now(suite, doc)
    pids = {name: d.proc.pid for name, d in suite.daemons.items()}
    end = time.monotonic() + FUZZ_SECONDS
    asked = {op.id: 0 for op in doc.operations}
    while time.monotonic() < end:
        for op in doc.operations:
            target, body, headers = broken_request(rng, doc, op, good[op.id])
            answer = conn.ask(op.method, target, body, headers)
            what = (op, target[:300], body and body[:300], headers, answer)
            assert answer.status < 500 or answer.status in (503, 504), what
            assert not doc.wrong(op, answer), (doc.wrong(op, answer), what)
            asked[op.id] += 1
            if op.method == 'PUT' and answer.status == 200:
                suite.client.put('ruleset', rules)
            undo(doc, op, answer, conn)
    assert min(asked.values()) >= 10, asked
    assert snapshot(suite) == before
    for name, daemon in suite.daemons.items():
        assert daemon.proc.poll() is None and daemon.proc.pid == pids[name]
        assert 'Sanitizer' not in daemon.log(), daemon.log()[-3000:]
        assert 'runtime error' not in daemon.log(), daemon.log()[-3000:]
    ready = {s['name'] for s in suite.client.get('services')['services']}
    assert ready >= set(suite.daemons)
