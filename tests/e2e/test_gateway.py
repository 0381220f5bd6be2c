# SPDX-License-Identifier: MIT
"""The gateway's door: tokens, limits, bad requests, files, deadlines."""

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import threading
import time

import pytest

from lab import ApiError, Daemon, Suite, wait_for

pytestmark = pytest.mark.daemons('gateway')


@pytest.fixture
def door(lab, request):
    """A gateway alone; arguments by @pytest.mark.parametrize(indirect)."""
    args = getattr(request, 'param', ())
    with Suite(lab, daemons=('gateway',), args={'gateway': args}) as one:
        yield one


def with_args(*args):
    """A door with these arguments."""
    return pytest.mark.parametrize('door', [args], indirect=True,
                                   ids=[' '.join(args)])


def connect(suite, timeout=10):
    """A plain connection."""
    return socket.create_connection(('127.0.0.1', suite.port), timeout)


def read_all(sock):
    """All bytes until the other side closes."""
    data = b''
    while part := sock.recv(65536):
        data += part
    return data


def raw(suite, data, shut=False, timeout=10):
    """Sends bytes; (status, headers, JSON or bytes) of the one answer."""
    with connect(suite, timeout) as sock:
        sock.sendall(data)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        res = http.client.HTTPResponse(sock)
        res.begin()
        body = res.read()
    if res.headers.get_content_type().endswith('json'):
        body = json.loads(body)
    return res.status, res.headers, body


def head(suite, line, *fields):
    """The bytes of a head, with Host and token."""
    lines = [line, f'Host: 127.0.0.1:{suite.port}',
             f'Authorization: Bearer {suite.token()}', *fields]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


def problem(call, *args, **kwargs):
    """The problem of a request that must fail."""
    with pytest.raises(ApiError) as caught:
        call(*args, **kwargs)
    found = caught.value
    assert found.problem, found.body
    assert found.problem['status'] == found.status
    assert found.problem['type'] == '/problems/' + found.problem['id']
    assert found.problem['detail'] and found.problem['title']
    return found.problem


# ---- tokens and hosts --------------------------------------------------------

def test_token_is_private_and_stays(door):
    path = door.state_dir / 'admin.token'
    first = door.token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first) >= 43
    assert door.client.get('session')['role'] == 'admin'
    assert door['gateway'].stop() == 0
    door['gateway'].start()
    assert door.token() == first
    assert door.client.get('session')['role'] == 'admin'
    # Nothing but the hash is kept, and nothing is said.
    assert first not in door['gateway'].log()


def test_without_and_with_wrong_token(door):
    door.client.token = None
    with pytest.raises(ApiError) as none:
        door.client.get('services')
    assert none.value.status == 401
    assert none.value.problem['id'] == 'auth.no_token'
    door.client.token = 'x' * 43
    assert problem(door.client.get, 'flows')['id'] == 'auth.wrong_token'
    # An unknown path tells a stranger no more than a known one.
    assert problem(door.client.get, 'no-such')['status'] == 401
    status, fields, _ = raw(door, b'GET /api/v1/session HTTP/1.1\r\n'
                            b'Host: localhost\r\n\r\n')
    assert status == 401
    assert fields['WWW-Authenticate'].startswith('Bearer')
    door.client.token = None
    for path in ('/healthz', '/metrics', '/api/v1/openapi.json', '/'):
        assert door.client.get(path)


def test_guessing_is_slowed_and_stopped(door):
    good = door.client.token
    door.client.token = 'y' * 43
    began = time.monotonic()
    assert problem(door.client.get, 'session')['status'] == 401
    assert time.monotonic() - began >= 0.15

    def guess():
        return problem(door.client.get, 'session')['status']
    statuses = [guess() for _ in range(21)]
    assert statuses[-1] == 429
    assert statuses[0] == 401
    door.client.token = good
    assert door.client.get('session')['role'] == 'admin'


def test_other_hosts_pages_are_kept_out(door):
    for host, want in (('localhost', 200), ('127.0.0.1:1', 200),
                       ('[::1]', 200), ('evil.example', 421),
                       ('localhost.evil.example', 421)):
        status, _, body = raw(door, f'GET /healthz HTTP/1.1\r\nHost: {host}'
                              '\r\nConnection: close\r\n\r\n'.encode())
        assert status == want, host
    assert body['id'] == 'request.wrong_host'


@with_args('--allowed-hosts', 'ps.example')
def test_allowed_host(door):
    status, _, _ = raw(door, b'GET /healthz HTTP/1.1\r\nHost: ps.example\r\n'
                       b'Connection: close\r\n\r\n')
    assert status == 200


# ---- bad requests ------------------------------------------------------------

@pytest.mark.parametrize('method, path, body, status, ident, field', [
    ('GET', 'flows?limit=x', None, 400, 'request.invalid', 'limit'),
    ('GET', 'flows?limt=1', None, 400, 'request.unknown_parameter', 'limt'),
    ('GET', 'flows?limit=1&limit=1', None, 400,
     'request.duplicate_parameter', 'limit'),
    ('GET', 'hosts/example.org', None, 400, 'request.invalid', 'ip'),
    ('GET', 'hosts/10.0.0.256', None, 400, 'request.invalid', 'ip'),
    ('GET', 'geo/1::2::3', None, 400, 'request.invalid', 'ip'),
    ('GET', 'no-such', None, 404, 'request.not_found', None),
    ('DELETE', 'flows', None, 405, 'request.method', None),
    ('PATCH', 'rules/a', b'{}', 405, 'request.method', None),
    ('POST', 'rules', b'{"action":"drop"', 400, 'request.invalid', None),
    ('POST', 'rules', b'[]', 400, 'request.invalid', None),
    ('POST', 'rules', b'{"acton":"drop"}', 400, 'request.invalid', 'acton'),
    ('POST', 'rules', b'{"action":"stop"}', 400, 'request.invalid', 'action'),
    ('POST', 'rules', b'{"priority":"9"}', 400, 'request.invalid',
     'priority'),
    ('POST', 'rules', b'{"src":"10.0.0.0/33"}', 400, 'request.invalid',
     'src'),
    ('POST', 'rules', b'\xff\xfe', 400, 'request.invalid', None),
    ('POST', 'traces', b'{"filter":{"sport":-1}}', 400, 'request.invalid',
     'filter.sport'),
    ('GET', 'events?topics=event,nope', None, 400, 'request.invalid',
     'topics'),
    ('GET', '../v1/session', None, 400, 'request.malformed', None),
    ('GET', 'rules/%2e%2e', None, 400, 'request.malformed', None),
    ('GET', 'rules/%', None, 400, 'request.malformed', None),
    ('GET', 'rules/a%00b', None, 400, 'request.malformed', None),
    ('GET', 'flows', None, 503, 'service.unavailable', None),
])
def test_bad_request(door, method, path, body, status, ident, field):
    found = problem(door.client.open, method, path, body)
    assert (found['status'], found['id']) == (status, ident)
    assert found.get('field') == field or field is None
    assert door.client.get('/healthz') == {'status': 'ok'}


def test_json_error_says_where(door):
    found = problem(door.client.open, 'POST', 'rules',
                    b'{"action": "drop",\n "src" 1}')
    assert 'line 2' in found['detail']


def test_content_type(door):
    found = problem(door.client.open, 'POST', 'rules', b'{}',
                    {'Content-Type': 'text/plain'})
    assert (found['status'], found['id']) == (415, 'request.content_type')


@pytest.mark.parametrize('data, status, ident', [
    (b'\x16\x03\x01\x02\x00\x01', 400, 'request.malformed'),
    (b'GET / HTTP/1.1\r\n\r\n', 400, 'request.malformed'),
    (b'GET /\r\n\r\n', 400, 'request.malformed'),
    (b'BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n', 501,
     'request.method_unknown'),
    (b'GET / HTTP/3.0\r\nHost: localhost\r\n\r\n', 505, 'request.version'),
    (b'POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\n'
     b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411,
     'request.length_needed'),
    (b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n'
     b'Content-Length: 4\r\n\r\nabcd', 400, 'request.malformed'),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'a' * 20000, 431,
     'request.head_too_large'),
    (b'GET /' + b'a' * 9000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n', 414,
     'request.target_too_long'),
])
def test_malformed_bytes(door, data, status, ident):
    got, fields, body = raw(door, data)
    assert (got, body['id']) == (status, ident)
    assert fields['Content-Type'] == 'application/problem+json'
    assert fields['Connection'] == 'close'


def test_oversized_body(door):
    size = (1 << 20) + 1
    data = head(door, 'POST /api/v1/rules HTTP/1.1',
                'Content-Type: application/json', f'Content-Length: {size}')
    status, _, body = raw(door, data + b' ' * size)
    assert (status, body['id']) == (413, 'request.too_large')
    # A stranger is not even let to send one that would be small enough.
    status, _, body = raw(door, b'POST /api/v1/rules HTTP/1.1\r\n'
                          b'Host: localhost\r\nContent-Length: 1000\r\n\r\n')
    assert status == 401


def test_largest_body_is_taken(door):
    body = json.dumps({'comment': 'x'}).encode().ljust(1 << 20)
    assert problem(door.client.open, 'POST', 'rules', body)['id'] == \
        'service.unavailable'


@with_args('--header-timeout', '1s', '--body-timeout', '1s')
@pytest.mark.parametrize('part', ['head', 'body'])
@pytest.mark.host_only('it measures time')
def test_half_sent(door, part):
    data = b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX:'
    if part == 'body':
        data = head(door, 'POST /api/v1/rules HTTP/1.1',
                    'Content-Type: application/json',
                    'Content-Length: 10') + b'{'
    began = time.monotonic()
    status, _, body = raw(door, data)
    assert (status, body['id']) == (408, 'request.timeout')
    assert 0.9 <= time.monotonic() - began < 3
    # A client that ends its side gets its answer at once.
    status, _, body = raw(door, data, shut=True)
    assert (status, body['id']) == (400, 'request.malformed')


@with_args('--header-timeout', '1s')
@pytest.mark.host_only('it measures time')
def test_drip_does_not_help(door):
    with connect(door) as sock:
        began = time.monotonic()
        sock.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
        answer = b''
        sock.settimeout(0.2)
        while not answer and time.monotonic() - began < 5:
            try:
                sock.sendall(b'X: y\r\n')
                answer = sock.recv(4096)
            except socket.timeout:
                continue
    assert answer.startswith(b'HTTP/1.1 408 ')
    assert time.monotonic() - began < 3


# ---- connections -------------------------------------------------------------

def test_keep_alive_pipeline_and_head(door):
    one = b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
    last = (b'HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n'
            b'Connection: close\r\n\r\n')
    with connect(door) as sock:
        sock.sendall(one * 3 + last)
        data = read_all(sock)
    assert data.count(b'HTTP/1.1 200 OK') == 4
    assert data.count(b'{"status":"ok"}') == 3
    last = data[data.rindex(b'HTTP/1.1'):]
    assert b'Content-Length: 15\r\n' in last
    assert last.endswith(b'\r\n\r\n')


def test_security_fields(door):
    with door.client.open('GET', '/healthz') as res:
        fields = res.headers
    assert "default-src 'self'" in fields['Content-Security-Policy']
    assert fields['X-Content-Type-Options'] == 'nosniff'
    assert fields['X-Frame-Options'] == 'DENY'
    assert fields['Referrer-Policy'] == 'no-referrer'
    assert fields['Cache-Control'] == 'no-store'


@with_args('--max-connections', '8')
def test_full_house(door):
    # Idle ones make room; busy ones do not.
    idle = [connect(door) for _ in range(10)]
    assert door.client.get('/healthz')
    # A quarter is kept for others than streams.
    busy = [connect(door) for _ in range(8)]
    for sock in busy[:6]:
        sock.sendall(head(door, 'GET /api/v1/events HTTP/1.1'))
        assert sock.recv(100).startswith(b'HTTP/1.1 200')
    for sock in busy[6:]:
        sock.sendall(head(door, 'POST /api/v1/rules HTTP/1.1',
                          'Content-Type: application/json',
                          'Expect: 100-continue', 'Content-Length: 10'))
        assert sock.recv(100).startswith(b'HTTP/1.1 100')
    with connect(door) as sock:
        assert sock.recv(4096).startswith(b'HTTP/1.1 503 ')
    for sock in busy + idle:
        sock.close()

    def lives():
        try:
            return door.client.get('/healthz')
        except ApiError:
            return None
    wait_for(lives, 5)


@with_args('--max-connections', '8')
def test_half_requests_do_not_fill_the_house(door):
    # Whoever sends half a head to each connection ends only his own.
    halves = [connect(door) for _ in range(20)]
    for sock in halves:
        sock.sendall(b'GET /healthz HTTP/1.1\r\nHost: local')
    assert door.client.get('/healthz') == {'status': 'ok'}
    halves[-1].sendall(b'host\r\n\r\n')
    assert halves[-1].recv(4096).startswith(b'HTTP/1.1 200')
    for sock in halves:
        sock.close()


@with_args('--max-connections', '8')
def test_half_logins_do_not_fill_the_house(door):
    halves = [connect(door) for _ in range(7)]
    for sock in halves:
        sock.sendall(b'POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n'
                     b'Content-Type: application/json\r\n'
                     b'Expect: 100-continue\r\nContent-Length: 2\r\n\r\n')
        assert sock.recv(100).startswith(b'HTTP/1.1 100')
        sock.sendall(b'{')
    # Who is known stays, however long it takes.
    known = connect(door)
    known.sendall(head(door, 'POST /api/v1/rules HTTP/1.1',
                       'Content-Type: application/json',
                       'Expect: 100-continue', 'Content-Length: 2'))
    assert known.recv(100).startswith(b'HTTP/1.1 100')
    for _ in range(10):
        assert door.client.get('session')['role'] == 'admin'
    # The oldest went, for the first who came; he left his place to the next.
    assert halves[0].recv(100) == b''
    for sock in (halves[-1], known):
        sock.sendall(b'}')
        assert sock.recv(4096).startswith((b'HTTP/1.1 4', b'HTTP/1.1 503'))
    for sock in (*halves, known):
        sock.close()


@with_args('--max-connections', '8')
def test_unread_answers_do_not_fill_the_house(door):
    one = b'GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'
    lazy = []
    for _ in range(8):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(('127.0.0.1', door.port))
        lazy.append(sock)
        sock.settimeout(0.3)
        # Until nothing moves: the answers wait, and so do the requests.
        with contextlib.suppress(TimeoutError):
            while True:
                sock.sendall(one * 1000)
    assert door.client.get('session')['role'] == 'admin'
    for sock in lazy:
        sock.close()


@pytest.mark.host_only('it measures time')
def test_requests_sent_ahead_make_nobody_wait(door):
    one = b'GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'

    def send(sock):
        with contextlib.suppress(OSError):    # it is cut off at the end
            sock.sendall(one * 2000)
    with connect(door, 60) as sock:
        sender = threading.Thread(target=send, args=(sock,))
        sender.start()
        assert sock.recv(100)
        began = time.monotonic()
        assert door.client.get('/healthz')
        assert time.monotonic() - began < 2
        sock.shutdown(socket.SHUT_RDWR)
        sender.join()


def test_busy_port(lab, door):
    second = Daemon(lab, 'gateway', '--http', f'127.0.0.1:{door.port}',
                    run_dir=door.run_dir, state_dir=door.state_dir)
    second.start(wait=False)
    assert second.proc.wait(20) == 1
    assert f'127.0.0.1:{door.port}' in second.log()
    assert '--http' in second.log()
    assert door.client.get('session')


@pytest.mark.parametrize('args, code', [
    (('--http', 'nowhere'), 1), (('--http', '127.0.0.1:99999'), 1),
    (('--http', '192.0.2.77:8080'), 1), (('--no-such',), 2),
    (('--max-body', '2G'), 2), (('--service-timeout', 'soon'), 2),
])
def test_wrong_options(lab, args, code):
    daemon = Daemon(lab, 'gateway', *args).start(wait=False)
    assert daemon.proc.wait(20) == code
    assert args[-1] in daemon.log() or args[0] in daemon.log()


@pytest.mark.host_only('it measures time')
def test_ends_soon_and_well(door):
    events = door.client.open('GET', 'events')
    idle = connect(door)
    began = time.monotonic()
    assert door['gateway'].stop() == 0
    assert time.monotonic() - began < 4
    assert idle.recv(10) == b''
    idle.close()
    events.close()


# ---- files -------------------------------------------------------------------

@pytest.fixture
def console(lab, tmp_path):
    """A gateway with a console of a few files."""
    root = tmp_path / 'dist'
    (root / 'assets').mkdir(parents=True)
    (root / 'index.html').write_text('<title>console</title>')
    (root / 'assets' / 'app-1a2b.js').write_text('1')
    (root / 'empty.css').write_text('')
    (tmp_path / 'secret.txt').write_text('secret')
    (root / 'link.txt').symlink_to(tmp_path / 'secret.txt')
    with Suite(lab, daemons=('gateway',),
               args={'gateway': ['--console', root]}) as one:
        one.client.token = None
        yield one


def test_console_files(console):
    client = console.client
    with client.open('GET', '/') as res:
        assert res.headers.get_content_type() == 'text/html'
        assert res.headers['Cache-Control'] == 'no-cache'
        etag = res.headers['ETag']
        assert b'console' in res.read()
    # The console's own addresses.
    assert b'console' in client.get('/flows/abc')
    with client.open('GET', '/assets/app-1a2b.js') as res:
        assert res.headers.get_content_type() == 'text/javascript'
        assert 'immutable' in res.headers['Cache-Control']
        assert res.read() == b'1'
    assert client.get('/empty.css') is None
    with pytest.raises(ApiError) as same:
        client.open('GET', '/', headers={'If-None-Match': etag})
    assert same.value.status == 304


@pytest.mark.parametrize('path', [
    '/link.txt', '/assets/gone.js', '/assets/gone', '/..%2fsecret.txt',
    '/assets%2f..%2f..%2fsecret.txt', '/favicon.ico',
    '/%2fetc%2fpasswd.txt'])
def test_console_has_no_way_out(console, path):
    with pytest.raises(ApiError) as caught:
        console.client.open('GET', path)
    assert caught.value.status == 404
    assert b'secret' not in caught.value.body


def test_console_takes_no_changes(console):
    with pytest.raises(ApiError) as caught:
        console.client.open('POST', '/', b'x')
    assert caught.value.status == 405


def test_without_console(door):
    assert b'--console' in door.client.get('/')


# ---- daemons behind ----------------------------------------------------------

def state(suite, name):
    """What the gateway says of a daemon."""
    return next(s for s in suite.client.get('services')['services']
                if s['name'] == name)


def test_services_without_daemons(door):
    services = door.client.get('services')['services']
    assert [s['name'] for s in services] == [
        'tracer', 'analyzer', 'locator', 'guarder', 'gateway']
    for one in services[:4]:
        assert one['state'] == 'down'
        assert one['name'] in one['reason']
    assert services[4]['state'] == 'ready'
    with pytest.raises(ApiError) as caught:
        door.client.get('/readyz')
    assert caught.value.status == 503
    body = json.loads(caught.value.body)
    assert not body['ready']
    assert {s['name'] for s in body['services']} == {
        'tracer', 'analyzer', 'locator', 'guarder'}


@pytest.fixture
def pair(lab):
    """A locator and a gateway: requests and changes without the kernel."""
    with Suite(lab, daemons=('locator', 'gateway')) as one:
        wait_for(lambda: state(one, 'locator')['state'] != 'down', 10)
        yield one


SERVING = ('ready', 'degraded')


@pytest.mark.daemons('locator')
@pytest.mark.host_only('it measures time')
def test_killed_daemon_is_down_and_comes_back(pair):
    stream = pair.client.events('service', timeout=20)
    first = threading.Event()
    told = []

    def listen():
        first.set()
        for event in stream:
            told.append((event['data']['name'], event['data']['state']))
    threading.Thread(target=listen, daemon=True).start()
    first.wait(5)
    time.sleep(0.5)
    pair['locator'].kill()
    began = time.monotonic()
    assert problem(pair.client.get, 'paths')['params'] == [
        {'name': 'service', 'value': 'locator'}]
    wait_for(lambda: state(pair, 'locator')['state'] == 'down', 5)
    assert time.monotonic() - began < 3.5
    assert 'last_seen' in state(pair, 'locator')
    pair['locator'].start()
    began = time.monotonic()
    wait_for(lambda: state(pair, 'locator')['state'] in SERVING, 5)
    assert pair.client.get('paths')['total'] >= 0
    assert time.monotonic() - began < 3
    # It may be seen while it starts.
    wait_for(lambda: told and told[-1][1] in SERVING, 5)
    assert told[0] == ('locator', 'down')
    assert {state for _, state in told[1:-1]} <= {'starting'}


@pytest.mark.daemons('locator')
@pytest.mark.host_only('it measures time')
def test_stopped_daemon_is_named_in_time(pair):
    pid = pair['locator'].proc.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        report = pair.client.get('hosts/127.0.0.1')
        took = time.monotonic() - began
        missing = {m['service']: m['reason'] for m in report['missing']}
        assert 0.9 <= took < 1.6
        assert 'in time' in missing['locator']
        assert 'place' not in report
        began = time.monotonic()
        found = problem(pair.client.get, 'paths')
        assert (found['status'], found['id']) == (504, 'service.timeout')
        assert 'locator' in found['detail']
        assert 1.9 <= time.monotonic() - began < 3
        # Nothing else waits.
        began = time.monotonic()
        pair.client.get('/healthz')
        assert time.monotonic() - began < 0.5
        began = time.monotonic()
        assert b'packetscope_up{service="locator"' in \
            pair.client.get('/metrics')
        assert time.monotonic() - began < 1
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: state(pair, 'locator')['state'] != 'down', 5)
    report = pair.client.get('hosts/127.0.0.1')
    assert 'locator' not in {m['service'] for m in report['missing']}
    assert report['place']['special'] == 'loopback'


@pytest.mark.daemons('locator')
@pytest.mark.parametrize('version', [4, 6])
def test_change_is_made_once(pair, version):
    ask = {'target': {4: '127.0.0.1', 6: '::1'}[version], 'probes': 1,
           'max_hops': 1}
    key = {'Idempotency-Key': f'key-{version}'}
    with pair.client.open('POST', 'paths', ask, key) as res:
        assert res.status == 202
        location = res.headers['Location']
        first = json.loads(res.read())
    assert location == '/api/v1/paths/' + first['id']
    again = pair.client.post('paths', ask, key)
    assert again['id'] == first['id']
    assert pair.client.get('paths')['total'] == 1
    other = problem(pair.client.post, 'paths', {**ask, 'probes': 2}, key)
    assert other['id'] == 'request.idempotency_conflict'
    assert pair.client.get(location)['target'] == ask['target']
    assert problem(pair.client.post, 'paths', ask,
                   {'Idempotency-Key': 'k' * 129})['field'] == \
        'Idempotency-Key'
    assert pair.client.get('paths')['total'] == 1


@pytest.mark.daemons('locator')
def test_unknown_id(pair):
    found = problem(pair.client.get, 'paths/no-such')
    assert found['status'] == 404


@pytest.mark.daemons('locator')
def test_metrics(pair):
    with pair.client.open('GET', '/metrics') as res:
        assert res.headers.get_content_type() == \
            'application/openmetrics-text'
        lines = res.read().decode().splitlines()
    assert lines[-1] == '# EOF'
    seen, families = set(), []
    for line in lines[:-1]:
        if line.startswith('# TYPE '):
            families.append(line.split()[2])
            continue
        if line.startswith('# HELP '):
            continue
        series = line.rpartition(' ')[0]
        assert series not in seen
        seen.add(series)
        assert series.startswith(families[-1])
        float(line.rpartition(' ')[2])
    assert len(families) == len(set(families))
    up = {line.split('"')[1]: line[-1] for line in lines
          if line.startswith('packetscope_up{')}
    assert up == {'tracer': '0', 'analyzer': '0', 'locator': '1',
                  'guarder': '0', 'gateway': '1'}


def test_openapi_is_the_door(door):
    door.client.token = None
    doc = door.client.get('openapi.json')
    assert doc['openapi'] == '3.1.0'
    door.client.token = door.token()
    for path, item in doc['paths'].items():
        for method, operation in item.items():
            if '{' in path or operation['operationId'] == 'streamEvents':
                continue
            body = b'{}' if 'requestBody' in operation else None
            try:
                status = door.client.open(method.upper(), path, body).status
            except ApiError as error:
                status = error.status
                if error.problem.get('id') == 'request.invalid':
                    status = 200
            # Found and understood: its daemon is missing, at worst.
            assert status in (200, 204, 503), (method, path)


@pytest.mark.daemons('tracer', 'analyzer', 'locator', 'guarder')
def test_all_answer(lab, suite):
    """Every GET without an id, of the whole suite."""
    del lab
    doc = suite.client.get('openapi.json')
    for path, item in doc['paths'].items():
        if '{' in path or 'get' not in item or path.endswith('/events'):
            continue
        answer = suite.client.get(path)
        ref = item['get']['responses']['200']['content'].get(
            'application/json', {}).get('schema', {}).get('$ref')
        if not ref:
            continue
        schema = doc['components']['schemas'][ref.rpartition('/')[2]]
        assert set(schema.get('required', [])) <= set(answer), path
        assert set(answer) <= set(schema['properties']), path
    assert suite.client.get('/readyz')['ready']
    for ip in ('127.0.0.1', '::1'):
        report = suite.client.get(f'hosts/{ip}')
        assert report['missing'] == []
        assert {'sockets', 'flows', 'place', 'paths', 'rules'} <= set(report)
