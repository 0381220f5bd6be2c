# SPDX-License-Identifier: MIT
"""The OpenAPI document as a test holds it against a gateway."""

import http.client
import json
import re
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator, FormatChecker, RefResolver

METHODS = ('get', 'put', 'post', 'delete', 'options', 'head', 'patch')
# Of every answer, whatever it is for (RFC 9110 and the browser's safety).
COMMON_HEADERS = frozenset((
    'date', 'cache-control', 'content-type', 'content-length', 'connection',
    'content-encoding', 'vary', 'keep-alive', 'transfer-encoding',
    'content-security-policy', 'x-content-type-options', 'x-frame-options',
    'referrer-policy', 'cross-origin-resource-policy', 'x-accel-buffering',
    'strict-transport-security'))

_formats = FormatChecker(['ipv4', 'ipv6'])


@_formats.checks('date-time')
def _is_time(value):
    return not isinstance(value, str) or re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)',
        value) is not None


class Operation:
    """One method of one path."""

    def __init__(self, document, path, method, node):
        self.document = document
        self.path, self.method, self.node = path, method.upper(), node
        self.id = node['operationId']

    def __repr__(self):
        return f'{self.id} ({self.method} {self.path})'

    @property
    def parameters(self):
        """All of them: dicts as the document has them."""
        return [self.document.follow(p)
                for p in self.node.get('parameters', ())]

    def names(self, place):
        """Names of the parameters in 'path', 'query' or 'header'."""
        return [p['name'] for p in self.parameters if p['in'] == place]

    @property
    def body(self):
        """The media type of the request's JSON body, or None."""
        body = self.node.get('requestBody')
        return body and body['content']['application/json']

    @property
    def success(self):
        """(status, response) of success."""
        return next((int(code), res)
                    for code, res in self.node['responses'].items()
                    if code.startswith('2'))

    @property
    def is_stream(self):
        """Server-sent events: the answer has no end."""
        return 'text/event-stream' in self.success[1].get('content', {})

    def url(self, params=None, query=None):
        """The target of a request."""
        path = self.path
        for name in self.names('path'):
            path = path.replace('{' + name + '}',
                                quote(str(params[name]), safe=''))
        return path + ('?' + urlencode(query, doseq=True) if query else '')


class Document:
    """The document, with validators of its schemas."""

    def __init__(self, node):
        self.node = node
        self._resolver = RefResolver.from_schema(node)
        self.operations = [Operation(self, path, method, op)
                           for path, item in node['paths'].items()
                           for method, op in item.items()
                           if method in METHODS]

    def __getitem__(self, op_id):
        return next(op for op in self.operations if op.id == op_id)

    def follow(self, node):
        """A node that may be a reference."""
        while '$ref' in node:
            node = self._resolver.resolve(node['$ref'])[1]
        return node

    def errors(self, schema, value):
        """Why a value does not fit; an empty list: it does."""
        validator = Draft202012Validator(schema, resolver=self._resolver,
                                         format_checker=_formats)
        return [f'{"/".join(map(str, e.absolute_path))}: {e.message[:300]}'
                for e in validator.iter_errors(value)]

    def wrong(self, op, answer):
        """What of an answer the document does not say, as texts."""
        res = op.node['responses'].get(str(answer.status))
        if res is None and answer.status >= 400:
            res = op.node['responses'].get('default')
        if res is None:
            return [f'status {answer.status} is not documented']
        res = self.follow(res)
        return [*self._wrong_headers(res, answer),
                *self._wrong_body(res, answer)]

    def _wrong_headers(self, res, answer):
        said = {name.lower(): head
                for name, head in res.get('headers', {}).items()}
        for name, value in answer.headers.items():
            name = name.lower()
            if name in said:
                kind = said[name]['schema']['type']
                if kind == 'integer' and not value.isdigit():
                    yield f'header {name} is not a number: {value}'
            elif name not in COMMON_HEADERS:
                yield f'header {name} is not documented'

    def _wrong_body(self, res, answer):
        content = res.get('content')
        if not content:
            if answer.body:
                yield f'a body, and none is documented: {answer.body[:80]}'
            return
        kind = answer.headers.get_content_type()
        if kind not in content:
            yield f'content type {kind} is not documented'
        elif kind.endswith('json') and not answer.is_head:
            try:
                value = json.loads(answer.body)
            except ValueError as exc:
                yield f'the body is not JSON: {exc}'
                return
            yield from self.errors(content[kind]['schema'], value)
            if answer.status >= 400 and \
                    value.get('status', answer.status) != answer.status:
                yield 'the problem names another status'


class Answer:
    """One answer of the gateway, read to its end."""

    def __init__(self, res, is_head=False):
        self.status, self.headers = res.status, res.headers
        self.is_head = is_head
        self.is_stream = res.status == 200 and \
            res.headers.get_content_type() == 'text/event-stream'
        # A stream has no end.
        self.body = b'' if self.is_stream else res.read()

    @property
    def json(self):
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def problem_id(self):
        """The id of a problem, or None."""
        kind = self.headers.get_content_type()
        if kind != 'application/problem+json' or self.is_head:
            return None
        return self.json.get('id')

    def __repr__(self):
        return f'{self.status} {self.body[:200]!r}'


class Connection:
    """Requests one after another on one connection inside a namespace.

    Nothing is put right: targets, headers and bodies go as they are given.
    """

    def __init__(self, ns, port, token, timeout=10):
        self.ns, self.port, self.token = ns, port, token
        self.timeout = timeout
        self._conn = None

    def _open(self):
        conn = http.client.HTTPConnection('127.0.0.1', self.port)
        conn.sock = self.ns.socket()
        conn.sock.settimeout(self.timeout)
        conn.sock.connect(('127.0.0.1', self.port))
        return conn

    def close(self):
        """Hangs up."""
        if self._conn:
            self._conn.close()
            self._conn = None

    def send(self, method, target, body=None, headers=None, token=True):
        """One request; (HTTPResponse, its connection)."""
        head = {'Host': f'127.0.0.1:{self.port}', **(headers or {})}
        if token:
            head.setdefault('Authorization', 'Bearer ' + (
                token if isinstance(token, str) else self.token))
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            head.setdefault('Content-Type', 'application/json')
        for last in (False, True):
            self._conn = self._conn or self._open()
            conn = self._conn
            try:
                conn.putrequest(method, target, skip_host=True,
                                skip_accept_encoding=True)
                for name, value in head.items():
                    conn.putheader(name, value)
                if body is not None:
                    conn.putheader('Content-Length', str(len(body)))
                conn.endheaders()
                if body:
                    try:
                        conn.sock.sendall(body)
                    except OSError:
                        pass        # refused before it was read: answered
                return conn.getresponse()
            except (http.client.HTTPException, ConnectionError):
                # An idle connection may have been closed meanwhile.
                self.close()
                if last:
                    raise
        raise AssertionError('not reached')

    def ask(self, method, target, body=None, headers=None, token=True):
        """One request, its Answer."""
        res = self.send(method, target, body, headers, token)
        answer = Answer(res, method == 'HEAD')
        if res.will_close or answer.is_stream:
            self.close()
        return answer
