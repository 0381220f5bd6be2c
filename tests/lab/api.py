# SPDX-License-Identifier: MIT
"""A client of the gateway's HTTP interface, with nothing but urllib."""

import json
import urllib.error
import urllib.parse
import urllib.request

from .wait import SLOW


class ApiError(Exception):
    """An answer that is not 2xx; problem is the problem+json, if any."""

    def __init__(self, status, problem, body=b''):
        self.status = status
        self.problem = problem
        self.body = body
        super().__init__(f'{status} {problem or body[:200]!r}')


class Client:
    """client.get('flows', limit=5) asks GET /api/v1/flows?limit=5.

    A path that starts with / is taken as it is. Answers are parsed JSON when
    they say so, else bytes. A proxy of the environment is not used.
    """

    def __init__(self, base, token=None, timeout=10):
        self.base = base.rstrip('/')
        self.token = token
        self.timeout = timeout * SLOW
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}))

    def open(self, method, path, body=None, headers=None, query=None,
             timeout=None):
        """The raw answer (a file-like object); ApiError unless 2xx."""
        if not path.startswith('/'):
            path = '/api/v1/' + path
        query = {k: v for k, v in (query or {}).items() if v is not None}
        if query:
            path += '?' + urllib.parse.urlencode(query, doseq=True)
        # Else an answer may be up to a second old.
        head = {'Cache-Control': 'no-cache', **(headers or {})}
        if self.token and 'Authorization' not in head:
            head['Authorization'] = 'Bearer ' + self.token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            head.setdefault('Content-Type', 'application/json')
        req = urllib.request.Request(self.base + path, data=body,
                                     headers=head, method=method)
        try:
            return self._opener.open(req, timeout=timeout or self.timeout)
        except urllib.error.HTTPError as exc:
            with exc:
                data = exc.read()
            try:
                problem = json.loads(data)
            except ValueError:
                problem = None
            raise ApiError(exc.code, problem, data) from None

    def request(self, method, path, body=None, headers=None, **query):
        """One request; returns JSON, bytes, or None when empty."""
        with self.open(method, path, body, headers, query) as res:
            data = res.read()
            kind = res.headers.get_content_type()
        if not data:
            return None
        return json.loads(data) if kind.endswith('json') else data

    def get(self, path, **query):
        """GET."""
        return self.request('GET', path, **query)

    def post(self, path, body=None, headers=None, **query):
        """POST."""
        return self.request('POST', path, {} if body is None else body,
                            headers, **query)

    def put(self, path, body=None, headers=None, **query):
        """PUT."""
        return self.request('PUT', path, {} if body is None else body,
                            headers, **query)

    def delete(self, path, headers=None, **query):
        """DELETE."""
        return self.request('DELETE', path, None, headers, **query)

    def pages(self, path, key, **query):
        """All entries of a list, over its cursors."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page.get(key) or []
            cursor = page.get('next_cursor')
            if not cursor:
                return

    def events(self, topics=None, last_id=None, timeout=15, opened=None):
        """Server-sent events: yields {'id', 'event', 'data'} (data parsed).

        Ends when the server ends; TimeoutError after a silence of timeout.
        Close the generator (or leave the loop) to hang up. opened is called
        once the server has the stream: what comes then is told.
        """
        head = {'Accept': 'text/event-stream'}
        if last_id is not None:
            head['Last-Event-ID'] = str(last_id)
        if topics is not None and not isinstance(topics, str):
            topics = ','.join(topics)
        with self.open('GET', 'events', headers=head, timeout=timeout,
                       query={'topics': topics}) as res:
            if opened:
                opened()
            yield from _parse_events(res)


def _parse_events(lines):
    event, data = {}, []
    for raw in lines:
        line = raw.decode().rstrip('\r\n')
        if not line:
            if data:
                text = '\n'.join(data)
                try:
                    event['data'] = json.loads(text)
                except ValueError:
                    event['data'] = text
                yield {'id': None, 'event': 'message', **event}
            event, data = {}, []
            continue
        key, _, value = line.partition(':')
        value = value[1:] if value.startswith(' ') else value
        if key == 'data':
            data.append(value)
        elif key in ('id', 'event'):
            event[key] = value
