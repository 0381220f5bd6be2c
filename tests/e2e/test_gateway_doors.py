# SPDX-License-Identifier: MIT
"""Who may come in: roles, tokens, logins, other sites' pages, limits."""

import contextlib
import http.client
import json
import socket
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest

from lab import ApiError, Client, Daemon, Suite, wait_for
from lab.wait import SLOW, free_port

pytestmark = pytest.mark.daemons('gateway')

COOKIE = 'packetscope_session'
# How long a change may take to hold everywhere.
SOON = 1.0 * SLOW


@pytest.fixture
def door(lab, request):
    """A gateway alone; arguments by with_args()."""
    args = getattr(request, 'param', ())
    with Suite(lab, daemons=('gateway',), args={'gateway': args}) as one:
        yield one


def with_args(*args):
    """A door with these arguments."""
    return pytest.mark.parametrize('door', [args], indirect=True,
                                   ids=[' '.join(args)])


class Answer:
    """One answer, whatever its status."""

    def __init__(self, res, stream=False):
        self.status, self.headers = res.status, res.headers
        is_stream = res.headers.get_content_type() == 'text/event-stream'
        self.data = b'' if stream or is_stream else res.read()

    @property
    def json(self):
        """The body, parsed."""
        return json.loads(self.data)

    @property
    def id(self):
        """A problem's id."""
        return self.json['id'] if self.status >= 400 else None

    @property
    def cookie(self):
        """The value of the session cookie that it sets."""
        field = self.headers.get('Set-Cookie', '')
        assert field.startswith(COOKIE + '='), field
        return field.split(';')[0].split('=', 1)[1]


def ask(door, method, path, headers=None, body=None, source=None):
    """One request on a connection of its own; headers as pairs or a dict."""
    if not path.startswith('/'):
        path = '/api/v1/' + path
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    pairs = [('Host', f'127.0.0.1:{door.port}'), *(pairs or [])]
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        if not any(k.lower() == 'content-type' for k, _ in pairs):
            pairs.append(('Content-Type', 'application/json'))
    if body is not None:
        pairs.append(('Content-Length', str(len(body))))
    text = f'{method} {path} HTTP/1.1\r\n' + ''.join(
        f'{k}: {v}\r\n' for k, v in pairs) + '\r\n' + (body or '')
    with socket.create_connection(
            ('127.0.0.1', door.port), 10 * SLOW,
            source_address=(source, 0) if source else None) as sock:
        sock.sendall(text.encode('latin-1'))
        res = http.client.HTTPResponse(sock, method=method)
        res.begin()
        return Answer(res)


def bearer(token):
    """The header of a token."""
    return {'Authorization': f'Bearer {token}'}


def with_cookie(value, **more):
    """Headers as the console's own page sends them."""
    return {'Cookie': f'{COOKIE}={value}', 'Sec-Fetch-Site': 'same-origin',
            **more}


def make(door, name, *roles, **more):
    """A new token: (id, secret)."""
    made = door.client.post('tokens',
                            {'name': name, 'roles': list(roles), **more})
    return made['token']['id'], made['secret']


def log_in(door, token, headers=None, source=None):
    """The answer to a login."""
    return ask(door, 'POST', 'session', headers, {'token': token}, source)


def names(door):
    """Names of all tokens."""
    return {t['name'] for t in door.client.get('tokens')['tokens']}


def in_seconds(seconds):
    """That far from now, as the API writes times."""
    at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return at.isoformat().replace('+00:00', 'Z')


@contextlib.contextmanager
def stream(door, headers):
    """An open event stream: a function that says whether it has ended."""
    with socket.create_connection(('127.0.0.1', door.port), 10) as sock:
        fields = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        sock.sendall((f'GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                      f'{fields}\r\n').encode())
        assert sock.recv(12) == b'HTTP/1.1 200'
        sock.setblocking(False)

        def ended():
            try:
                while sock.recv(65536):
                    pass
                return True
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
        yield ended


# ---- roles -------------------------------------------------------------------

RANKS = ['none', 'viewer', 'operator', 'admin']


@pytest.mark.parametrize('how', ['bearer', 'cookie'])
def test_each_role_on_each_route(door, how):
    """Every operation of the document, by nobody and by each role."""
    paths = door.client.get('openapi.json')['paths']
    callers = {'none': {}}
    for role in RANKS[1:]:
        _, secret = make(door, role + '-1', role)
        callers[role] = bearer(secret)
        if how == 'cookie':
            callers[role] = with_cookie(log_in(door, secret).cookie)
    checked = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            needed = operation['x-role']
            url = path.replace('{ip}', '192.0.2.1')
            while '{' in url:
                url = url[:url.index('{')] + 'x' + url[url.index('}') + 1:]
            for role, headers in callers.items():
                if operation['operationId'] == 'logOut' and role != 'none':
                    continue  # it would end the login of the test
                got = ask(door, method.upper(), url,
                          {**headers, 'Idempotency-Key': 'k'})
                where = (method, path, role, got.status, got.data)
                if RANKS.index(role) >= RANKS.index(needed):
                    assert got.status not in (401, 403), where
                elif role == 'none':
                    assert (got.status, got.id) == (401, 'auth.no_token'), where
                else:
                    assert (got.status, got.id) == (403, 'auth.role'), where
                checked += 1
    assert checked > 100
    # What is not in the document is not there, and strangers learn nothing.
    assert ask(door, 'GET', 'no-such').status == 401
    assert ask(door, 'GET', 'no-such', callers['viewer']).status == 404


def test_payload_stands_beside(door):
    _, secret = make(door, 'eye', 'viewer', 'payload')
    session = ask(door, 'GET', 'session', bearer(secret)).json
    assert session['role'] == 'viewer'
    assert session['roles'] == ['viewer', 'payload']
    assert session['name'] == 'eye'
    assert 'expires' not in session
    assert ask(door, 'GET', 'tokens', bearer(secret)).status == 403


# ---- tokens ------------------------------------------------------------------

def test_token_from_birth_to_end(door):
    made = ask(door, 'POST', 'tokens', bearer(door.token()), {
        'name': 'ci', 'roles': ['viewer', 'operator'],
        'expires': in_seconds(3600)})
    assert made.status == 201
    token, secret = made.json['token'], made.json['secret']
    assert made.headers['Location'] == f'/api/v1/tokens/{token["id"]}'
    assert made.headers['Cache-Control'] == 'no-store'
    assert token['roles'] == ['operator'] and token['created_by'] == 'admin'
    assert 'last_used' not in token
    assert len(secret) == 43
    assert ask(door, 'GET', 'session', bearer(secret)).json['role'] == \
        'operator'
    listed = {t['name']: t for t in door.client.get('tokens')['tokens']}
    assert set(listed) == {'admin', 'ci'}
    assert listed['ci']['expires'] == token['expires']
    assert listed['ci']['last_used'] > token['created']
    assert secret not in json.dumps(listed)
    door.client.delete('tokens/' + token['id'])
    assert ask(door, 'GET', 'session', bearer(secret)).id == 'auth.wrong_token'
    assert names(door) == {'admin'}
    with pytest.raises(ApiError) as again:
        door.client.delete('tokens/' + token['id'])
    assert again.value.problem['id'] == 'token.not_found'
    # Neither secret is in a file or the log, but the one in its own.
    assert door['gateway'].stop() == 0
    for path in door.state_dir.iterdir():
        data = path.read_bytes()
        assert secret.encode() not in data, path
        assert (door.token().encode() in data) == (path.name == 'admin.token')
    assert secret not in door['gateway'].log()


@pytest.mark.parametrize('body, field', [
    ({'name': '', 'roles': ['viewer']}, 'name'),
    ({'name': 'a b', 'roles': ['viewer']}, 'name'),
    ({'name': 'x' * 64, 'roles': ['viewer']}, 'name'),
    ({'name': 'a\nb', 'roles': ['viewer']}, 'name'),
    ({'name': 'a'}, 'roles'),
    ({'name': 'a', 'roles': []}, 'roles'),
    ({'name': 'a', 'roles': ['payload']}, 'roles'),
    ({'name': 'a', 'roles': ['root']}, 'roles[0]'),
    ({'name': 'a', 'roles': ['viewer'], 'expires': '2001-01-01T00:00:00Z'},
     'expires'),
    ({'name': 'a', 'roles': ['viewer'], 'expires': 'soon'}, 'expires'),
    ({'name': 'a', 'roles': ['viewer'], 'secret': 'mine'}, 'secret'),
    ({'name': 'a', 'roles': ['viewer'], 'id': 'mine'}, 'id'),
])
def test_token_that_cannot_be(door, body, field):
    with pytest.raises(ApiError) as caught:
        door.client.post('tokens', body)
    assert caught.value.status == 400
    assert caught.value.problem.get('field', '') == field
    assert names(door) == {'admin'}


def test_names_are_unique_and_tokens_bounded(door):
    make(door, 'one', 'viewer')
    for name in ('one', 'admin'):
        with pytest.raises(ApiError) as taken:
            make(door, name, 'viewer')
        assert taken.value.problem['id'] == 'token.name_taken'
    for i in range(62):
        make(door, f't{i}', 'viewer')
    make(door, 'last', 'viewer', expires=in_seconds(3600))
    with pytest.raises(ApiError) as full:
        make(door, 'more', 'viewer')
    assert full.value.status == 409
    assert full.value.problem['id'] == 'token.too_many'
    assert len(names(door)) == 65


def test_expired_token_ends_all_that_came_of_it(door):
    _, secret = make(door, 'brief', 'viewer', expires=in_seconds(3 * SLOW))
    login = log_in(door, secret)
    assert login.status == 200
    cookie = with_cookie(login.cookie)
    with stream(door, bearer(secret)) as one, stream(door, cookie) as two:
        assert not one() and not two()
        wait_for(lambda: ask(door, 'GET', 'session', bearer(secret)).status
                 == 401, 10, what='expiry')
        wait_for(lambda: one() and two(), SOON, what='ends of streams')
    assert ask(door, 'GET', 'session', cookie).id == 'auth.session_ended'
    # Its place is free again when it is needed, its name at once by revoking.
    assert 'brief' in names(door)


def test_revoked_while_streaming(door):
    ident, secret = make(door, 'bob', 'operator')
    cookie = with_cookie(log_in(door, secret).cookie)
    _, other = make(door, 'eve', 'viewer')
    with stream(door, bearer(secret)) as one, stream(door, cookie) as two, \
            stream(door, bearer(other)) as three:
        door.client.delete('tokens/' + ident)
        wait_for(lambda: one() and two(), SOON, what='ends of streams')
        assert not three()
    assert ask(door, 'GET', 'session', bearer(secret)).status == 401
    assert ask(door, 'GET', 'session', cookie).status == 401


def test_first_token_is_a_file(door):
    path = door.state_dir / 'admin.token'
    old = door.token()
    cookie = with_cookie(log_in(door, old).cookie)
    _, other = make(door, 'other', 'admin')
    with pytest.raises(ApiError) as caught:
        door.client.delete('tokens/admin')
    assert caught.value.problem['id'] == 'token.file'
    with stream(door, cookie) as ended:
        path.unlink()
        wait_for(path.exists, 5 * SLOW, what='a new file')
        wait_for(ended, SOON, what='end of the stream')
    new = wait_for(lambda: path.read_text(encoding='ascii').strip(), 2)
    assert new != old
    assert path.stat().st_mode & 0o777 == 0o600
    assert ask(door, 'GET', 'session', bearer(old)).status == 401
    assert ask(door, 'GET', 'session', cookie).status == 401
    assert ask(door, 'GET', 'session', bearer(new)).json['role'] == 'admin'
    assert ask(door, 'GET', 'session', bearer(other)).status == 200


# ---- logins ------------------------------------------------------------------

def test_login_gives_a_cookie_of_its_own(door):
    token = door.token()
    first = log_in(door, token)
    assert first.status == 200
    assert first.json['role'] == 'admin' and 'expires' in first.json
    parts = {p.strip() for p in first.headers['Set-Cookie'].split(';')[1:]}
    assert {'Path=/', 'HttpOnly', 'SameSite=Strict'} <= parts
    assert 'Secure' not in parts and token not in first.headers['Set-Cookie']
    # A page that came by TLS, through a proxy, gets one that stays there.
    tls = log_in(door, token, {'Origin': f'https://127.0.0.1:{door.port}'})
    assert tls.headers['Set-Cookie'].endswith('; Secure')
    second = log_in(door, token)
    assert second.cookie != first.cookie
    for login in (first, second):
        assert ask(door, 'GET', 'session',
                   with_cookie(login.cookie)).json['name'] == 'admin'
    # It names no path below; a cookie is no token.
    assert ask(door, 'GET', 'session', bearer(first.cookie)).status == 401
    assert ask(door, 'GET', 'session', with_cookie(token)).status == 401


def test_a_planted_cookie_is_not_taken_over(door):
    token = door.token()
    planted = 'A' * 43
    login = log_in(door, token, {'Cookie': f'{COOKIE}={planted}'})
    assert login.cookie != planted
    assert ask(door, 'GET', 'session', with_cookie(planted)).status == 401
    # Who logs in again leaves no session behind.
    again = log_in(door, token, with_cookie(login.cookie))
    assert again.status == 200
    assert ask(door, 'GET', 'session', with_cookie(login.cookie)).status == 401
    assert ask(door, 'GET', 'session', with_cookie(again.cookie)).status == 200


def test_logout(door):
    login = log_in(door, door.token())
    cookie = with_cookie(login.cookie)
    with stream(door, cookie) as ended:
        out = ask(door, 'DELETE', 'session', cookie)
        assert out.status == 204
        assert out.cookie == '' and 'Max-Age=0' in out.headers['Set-Cookie']
        wait_for(ended, SOON, what='end of the stream')
    assert ask(door, 'GET', 'session', cookie).id == 'auth.session_ended'
    assert ask(door, 'DELETE', 'session', cookie).status == 204
    assert ask(door, 'DELETE', 'session').status == 204
    # What ended nothing is no change.
    assert [(e['actor'], e['outcome']) for e in door.client.get(
        'audit', action='gateway.logout')['entries']] == [('admin', 'done')]


@with_args('--session-idle', '2s', '--session-max', '6s')
def test_sessions_end_by_themselves(door):
    idle = with_cookie(log_in(door, door.token()).cookie)
    used = with_cookie(log_in(door, door.token()).cookie)
    began = time.monotonic()

    def alive(cookie):
        return ask(door, 'GET', 'session', cookie).status == 200
    while time.monotonic() - began < 3:
        assert alive(used)
        time.sleep(0.2)
    assert not alive(idle)
    wait_for(lambda: not alive(used), 5, what='end of a used session')
    assert time.monotonic() - began < 8 * SLOW


def test_sessions_outlive_the_gateway(door):
    kept = with_cookie(log_in(door, door.token()).cookie)
    ended = with_cookie(log_in(door, door.token()).cookie)
    assert ask(door, 'DELETE', 'session', ended).status == 204
    for stop in (door['gateway'].stop, door['gateway'].kill):
        stop()
        door['gateway'].start()
        assert ask(door, 'GET', 'session', kept).status == 200
        assert ask(door, 'GET', 'session', ended).status == 401


def test_many_sessions(door):
    _, secret = make(door, 'busy', 'viewer')
    other = with_cookie(log_in(door, door.token()).cookie)
    cookies = [with_cookie(log_in(door, secret).cookie) for _ in range(70)]
    alive = [ask(door, 'GET', 'session', c).status == 200 for c in cookies]
    assert sum(alive) == 64
    assert alive[-1]
    assert ask(door, 'GET', 'session', other).status == 200


# ---- other sites' pages ------------------------------------------------------

FOREIGN = [
    {'Origin': 'http://evil.example'},
    {'Origin': 'null'},
    {'Origin': 'http://127.0.0.1:1'},
    {'Sec-Fetch-Site': 'cross-site'},
    {'Sec-Fetch-Site': 'same-site'},
    {'Sec-Fetch-Site': 'cross-site', 'Origin': 'http://127.0.0.1:{port}'},
]


def test_other_pages_cannot_use_the_cookie(door):
    cookie = {'Cookie': f'{COOKIE}={log_in(door, door.token()).cookie}'}
    body = {'name': 'planted', 'roles': ['admin']}
    for foreign in FOREIGN:
        foreign = {k: v.format(port=door.port) for k, v in foreign.items()}
        for method, path, sent in (('POST', 'tokens', body),
                                   ('GET', 'tokens', None),
                                   ('DELETE', 'session', None),
                                   ('POST', 'session',
                                    {'token': door.token()})):
            got = ask(door, method, path, {**cookie, **foreign}, sent)
            assert (got.status, got.id) == (403, 'auth.foreign_page'), \
                (method, path, foreign)
            assert 'Set-Cookie' not in got.headers
    # A form of an old browser, which names no origin.
    for kind in ('text/plain', 'application/x-www-form-urlencoded',
                 'multipart/form-data; boundary=x', None):
        fields = {**cookie, **({'Content-Type': kind} if kind else {})}
        got = ask(door, 'POST', 'tokens', fields, json.dumps(body))
        assert (got.status, got.id) == (403, 'auth.foreign_page'), kind
    assert names(door) == {'admin'}
    assert ask(door, 'GET', 'session', cookie).status == 200
    # A token is nobody's but the sender's: a program may say any origin.
    assert ask(door, 'GET', 'session', {**bearer(door.token()),
                                        **FOREIGN[0]}).status == 200
    own = {'Origin': f'http://127.0.0.1:{door.port}'}
    assert ask(door, 'POST', 'tokens', {**cookie, **own}, body).status == 201


def test_login_wants_json(door):
    for kind in ('text/plain', 'application/x-www-form-urlencoded'):
        got = ask(door, 'POST', 'session', {'Content-Type': kind},
                  json.dumps({'token': door.token()}))
        assert got.status == 415 and 'Set-Cookie' not in got.headers
    assert ask(door, 'POST', 'session', None, {}).status == 400
    assert ask(door, 'POST', 'session', None, {'token': 7}).status == 400
    long = ask(door, 'POST', 'session', None, {'token': 'x' * 5000})
    assert long.status == 413
    assert log_in(door, '').status == 401


@pytest.mark.parametrize('fields', [
    [('Authorization', 'Bearer {good}'), ('Authorization', 'Bearer {good}')],
    [('Authorization', 'Bearer {good}'), ('authorization', 'Bearer x')],
    [('Authorization', 'Basic {good}')],
    [('Authorization', '{good}')],
    [('Authorization', 'Bearer {good} x')],
    [('Authorization', 'Bearer {good},Bearer x')],
    [('Authorization', 'Bearer x'), ('Cookie', COOKIE + '={cookie}')],
    [('X-Authorization', 'Bearer {good}')],
    [('X-Forwarded-User', 'admin'), ('X-Original-URL', '/healthz')],
    [('Cookie', COOKIE + '={cookie}; ' + COOKIE + '=x')],
    [('Cookie', COOKIE + '={cookie}'), ('Cookie', COOKIE + '={cookie}')],
    [('Cookie', COOKIE + '="{cookie}"')],
    [('Cookie', COOKIE + '={cookie}%00')],
    [('Cookie', COOKIE + '={good}')],
    [('Cookie', COOKIE + '=' + 'a' * 8000)],
    [('Cookie', 'x' + COOKIE + '={cookie}')],
])
def test_smuggled(door, fields):
    """Neither twice nor half right counts."""
    values = {'good': door.token(),
              'cookie': log_in(door, door.token()).cookie}
    got = ask(door, 'GET', 'tokens',
              [(k, v.format(**values)) for k, v in fields])
    assert got.status == 401


@pytest.mark.parametrize('head', [
    'Authorization : Bearer {good}\r\n',
    'Authorization: Bearer\r\n {good}\r\n',
    'Authorization: Bearer {good}\nX: y\r\n',
    'Authorization: Bearer {good}\0\r\n',
    ' Authorization: Bearer {good}\r\n',
])
def test_malformed_fields(door, head):
    text = 'GET /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\n' + \
        head.format(good=door.token()) + '\r\n'
    with socket.create_connection(('127.0.0.1', door.port), 10) as sock:
        sock.sendall(text.encode())
        res = http.client.HTTPResponse(sock)
        res.begin()
        assert res.status == 400


# ---- CORS --------------------------------------------------------------------

PREFLIGHT = {'Origin': 'https://a.example',
             'Access-Control-Request-Method': 'DELETE',
             'Access-Control-Request-Headers': 'authorization'}


def test_cors_is_off(door):
    got = ask(door, 'OPTIONS', 'rules', PREFLIGHT)
    assert got.status == 401
    got = ask(door, 'GET', 'session', {**bearer(door.token()), **PREFLIGHT})
    assert got.status == 200
    assert not [k for k in got.headers if k.lower().startswith('access-')]


@with_args('--cors-origins', 'https://a.example,http://b.example:8080')
def test_cors_of_a_list(door):
    got = ask(door, 'OPTIONS', 'rules', PREFLIGHT)
    assert (got.status, got.data) == (204, b'')
    fields = got.headers
    assert fields['Access-Control-Allow-Origin'] == 'https://a.example'
    assert 'DELETE' in fields['Access-Control-Allow-Methods']
    assert 'Authorization' in fields['Access-Control-Allow-Headers']
    assert 'Access-Control-Allow-Credentials' not in fields
    assert 'Origin' in fields['Vary']
    for origin in ('https://a.example.evil', 'http://a.example', 'null',
                   'https://evil.example'):
        got = ask(door, 'OPTIONS', 'rules', {**PREFLIGHT, 'Origin': origin})
        assert got.status == 401
        assert 'Access-Control-Allow-Origin' not in got.headers
        assert 'Origin' in got.headers['Vary']
    # Errors are read by the page too; its cookie does not count.
    assert ask(door, 'GET', 'rules', {'Origin': 'http://b.example:8080'}) \
        .headers['Access-Control-Allow-Origin'] == 'http://b.example:8080'
    cookie = log_in(door, door.token()).cookie
    got = ask(door, 'GET', 'session', {'Cookie': f'{COOKIE}={cookie}',
                                       'Origin': 'https://a.example'})
    assert got.id == 'auth.foreign_page'
    assert ask(door, 'OPTIONS', 'no-such', PREFLIGHT).status == 401


@with_args('--cors-origins', '*')
def test_cors_of_all(door):
    got = ask(door, 'OPTIONS', 'rules', PREFLIGHT)
    assert got.status == 204
    assert got.headers['Access-Control-Allow-Origin'] == '*'
    assert 'Access-Control-Allow-Credentials' not in got.headers


@pytest.mark.parametrize('value', ['a.example', 'https://a.example/',
                                   'https://a.example,*', 'null'])
def test_cors_wrong_option(lab, value):
    daemon = Daemon(lab, 'gateway', '--http', '127.0.0.1:0',
                    '--cors-origins', value)
    daemon.start(wait=False)
    assert daemon.proc.wait(30 * SLOW) == 1
    assert 'cors_origins_wrong' in daemon.log()


# ---- limits ------------------------------------------------------------------

@pytest.mark.parametrize('way', ['bearer', 'login'])
def test_guessing_ends_for_the_guesser_alone(door, way):
    good = door.token()
    _, fresh = make(door, 'fresh', 'viewer')
    cookie = with_cookie(log_in(door, good).cookie)

    def guess(token, source='127.0.0.2'):
        if way == 'login':
            return log_in(door, token, source=source)
        return ask(door, 'GET', 'session', bearer(token), source=source)
    assert guess(good).status == 200
    answers = [guess(f'{i:043}') for i in range(21)]
    assert [a.status for a in answers] == 20 * [401] + [429]
    assert answers[-1].id == 'auth.too_many'
    assert 0 < int(answers[-1].headers['Retry-After']) <= 60
    # Who has a right one is let in, from behind the same proxy too.
    assert guess(fresh).status == 200
    assert guess(good).status == 200
    assert guess('0' * 43).status == 429
    assert ask(door, 'GET', 'session', cookie,
               source='127.0.0.2').status == 200
    assert guess(fresh, source='127.0.0.3').status == 200


@with_args('--request-rate', '1')
def test_requests_have_a_rate(door):
    """Here 100 a second and twice as many at once: it is this host."""
    with contextlib.closing(http.client.HTTPConnection(
            '127.0.0.1', door.port, source_address=('127.0.0.4', 0))) as conn:
        def get():
            conn.request('GET', '/healthz')
            res = conn.getresponse()
            return res, res.read()
        statuses = set()
        for _ in range(2000):
            res, data = get()
            statuses.add(res.status)
            if res.status == 429:
                break
        assert statuses == {200, 429}
        assert json.loads(data)['id'] == 'request.rate'
        assert int(res.headers['Retry-After']) == 1
        assert ask(door, 'GET', '/healthz', source='127.0.0.5').status == 200
        wait_for(lambda: get()[0].status == 200, 5, interval=0.1)
    lost = [s for s in door.client.get('services')['services']
            if s['name'] == 'gateway'][0]['losses']
    assert {'rate_refused': 'requests'}.items() <= \
        {x['id']: x['unit'] for x in lost if x['count']}.items()


@pytest.fixture
def far(lab):
    """A gateway, and another host beside it: (open, token)."""
    here, there = lab.ns('here'), lab.ns('there')
    link = lab.veth(here, there)
    port = here.call(free_port)
    there.ip('-6', 'addr', 'add', 'fd00:1::2/64', 'dev', link.b.name, 'nodad')
    there.ip('-6', 'addr', 'add', 'fd00:1::3/64', 'dev', link.b.name, 'nodad')
    there.ip('-6', 'addr', 'add', 'fd00:2::2/64', 'dev', link.b.name, 'nodad')
    here.ip('-6', 'addr', 'add', 'fd00:1::1/64', 'dev', link.a.name, 'nodad')
    here.ip('-6', 'addr', 'add', 'fd00:2::1/64', 'dev', link.a.name, 'nodad')
    daemon = Daemon(lab, 'gateway', '--http', f'[::]:{port}',
                    '--client-streams', '2', '--client-connections', '4',
                    ns=here)
    daemon.start()
    token = (daemon.state_dir / 'admin.token').read_text('ascii').strip()

    def open_conn(net, host=2):
        conn = http.client.HTTPConnection(
            f'fd00:{net}::1', port, timeout=10,
            source_address=(f'fd00:{net}::{host}', 0))
        there.call(conn.connect)
        return conn
    yield open_conn, token


def get(conn, path, token):
    """One GET on this connection; the response, unread."""
    conn.request('GET', '/api/v1/' + path, headers=bearer(token))
    return conn.getresponse()


def test_another_hosts_connections_and_streams(far):
    open_conn, token = far
    conns = [open_conn(1, 2 + i % 2) for i in range(4)]
    # A response of a stream holds its connection, which http.client forgets.
    streams = [get(c, 'events', token) for c in conns[:2]]
    assert [s.status for s in streams] == [200, 200]
    third = get(conns[2], 'events', token)
    assert third.status == 429
    assert json.loads(third.read())['id'] == 'stream.too_many_of_client'
    # All addresses of a /64 are one client; the next network is another.
    fifth = open_conn(1, 3)
    assert get(fifth, 'session', token).status == 503
    other = get(open_conn(2), 'events', token)
    assert other.status == 200
    # A place that is left is free.
    streams[0].close()

    def again():
        with contextlib.closing(open_conn(1)) as conn:
            return get(conn, 'session', token).status == 200
    wait_for(again, 5, what='a free place')
    for one in (*conns, streams[1], fifth, other):
        one.close()


def test_a_network_guesses_as_one(far):
    open_conn, token = far

    def guess(net, host, value):
        with contextlib.closing(open_conn(net, host)) as conn:
            return get(conn, 'session', value).status
    statuses = [guess(1, 2 + i % 2, f'{i:043}') for i in range(21)]
    assert statuses == 20 * [401] + [429]
    assert guess(1, 3, f'{21:043}') == 429
    assert guess(1, 3, token) == 200
    assert guess(2, 2, f'{22:043}') == 401


# ---- several gateways --------------------------------------------------------

def test_a_writer_that_stands_still_stops_nobody(door):
    """As a replica does that was stopped in the middle of a change."""
    _, token = make(door, 'first', 'viewer')
    with contextlib.closing(sqlite3.connect(
            door.state_dir / 'gateway.db', isolation_level=None)) as db:
        db.execute('BEGIN IMMEDIATE')
        # Its first use is to be noted, which has to wait.
        assert ask(door, 'GET', 'session', bearer(token)).status == 200
        slowest, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            begin = time.monotonic()
            assert ask(door, 'GET', 'session', bearer(token)).status == 200
            slowest = max(slowest, time.monotonic() - begin)
        assert slowest < 0.7 * SLOW
        db.execute('ROLLBACK')
    wait_for(lambda: any(t.get('last_used') for t in
                         door.client.get('tokens')['tokens']
                         if t['name'] == 'first'), 5)



def test_gateways_of_one_host_share(lab, door):
    """A change of one holds at the other within a second."""
    other = Daemon(lab, 'gateway', '--http',
                   f'127.0.0.1:{(port := free_port())}',
                   run_dir=door.run_dir.with_name('run-b'),
                   state_dir=door.state_dir)
    other.start()
    there = Client(f'http://127.0.0.1:{port}', door.token())
    ident, secret = make(door, 'shared', 'operator')

    def status(token):
        try:
            Client(there.base, token).get('session')
            return 200
        except ApiError as error:
            return error.status

    def status_of(cookie, at):
        try:
            Client(at).request('GET', 'session', headers=with_cookie(cookie))
            return 200
        except ApiError as error:
            return error.status
    wait_for(lambda: status(secret) == 200, SOON, what='the token there')
    cookie = log_in(door, secret).cookie
    wait_for(lambda: status_of(cookie, there.base) == 200, SOON,
             what='the login there')
    with contextlib.closing(there.events(timeout=5)):
        there.delete('tokens/' + ident)
    wait_for(lambda: ask(door, 'GET', 'session', bearer(secret)).status == 401,
             SOON, what='the end here')
    assert status_of(cookie, door.url) == 401
    # A file that was deleted is made once, and known to both.
    (door.state_dir / 'admin.token').unlink()
    wait_for((door.state_dir / 'admin.token').exists, 5 * SLOW)
    wait_for(lambda: status(door.token()) == 200, 2 * SOON)
    assert ask(door, 'GET', 'session', bearer(door.token())).status == 200
    assert other.stop() == 0


def test_gateways_start_at_once(lab):
    """Four, on a new state directory: one file, one token."""
    daemons = []
    for i in range(4):
        first = daemons[0] if daemons else None
        daemons.append(Daemon(
            lab, 'gateway', '--http', f'127.0.0.1:{free_port()}',
            run_dir=first and first.run_dir.with_name(f'run-{i}'),
            state_dir=first and first.state_dir))
    for daemon in daemons:
        daemon.start(wait=False)
    for daemon in daemons:
        wait_for(daemon._is_up, 30 * SLOW, what='ready')
    token = (daemons[0].state_dir / 'admin.token').read_text('ascii').strip()
    for daemon in daemons:
        at = daemon.args[1]
        assert Client(f'http://{at}', token).get('session')['role'] == 'admin'
    for daemon in daemons:
        assert daemon.stop() == 0


def test_damaged_file_is_not_overwritten(door):
    make(door, 'kept', 'viewer')
    assert door['gateway'].stop() == 0
    path = door.state_dir / 'gateway.db'
    path.write_bytes(b'not a database' * 100)
    door['gateway'].start(wait=False)
    assert door['gateway'].proc.wait(30 * SLOW) == 1
    assert 'store_failed' in door['gateway'].log()
    assert path.read_bytes() == b'not a database' * 100
