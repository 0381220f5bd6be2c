# SPDX-License-Identifier: MIT
"""The form of the gateway's answers: shared ones, ETag, gzip, TLS."""

import concurrent.futures
import gzip
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import warnings
from types import SimpleNamespace

import pytest

from lab import ApiError, Daemon, Suite, deploy_up, free_port, wait_for

pytestmark = pytest.mark.daemons('gateway')

# Any age will do: what browsers and programs send that say nothing.
SHARED = {'Cache-Control': 'max-age=60'}
FRESH = {'Cache-Control': 'no-cache'}


@pytest.fixture
def pair(lab):
    """A locator and a gateway that waits for it as long as it takes."""
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--request-timeout', '60s']}) as one:
        yield one


@pytest.fixture
def console(lab, tmp_path):
    """A gateway with a console of a few files."""
    root = tmp_path / 'dist'
    (root / 'assets').mkdir(parents=True)
    (root / 'index.html').write_text('<title>console</title>')
    (root / 'assets' / 'app-1a2b.js').write_text('let x = 1;\n' * 500)
    (root / 'assets' / 'noise-9z.png').write_bytes(os.urandom(5000))
    with Suite(lab, daemons=('gateway',),
               args={'gateway': ['--console', root]}) as one:
        one.root = root
        yield one


def ask(suite, path, headers=None, method='GET', body=None):
    """Status, headers and raw bytes; nothing is added or decoded."""
    conn = http.client.HTTPConnection('127.0.0.1', suite.port, timeout=60)
    head = {'Authorization': f'Bearer {suite.token()}', **(headers or {})}
    if not path.startswith('/'):
        path = '/api/v1/' + path
    try:
        conn.request(method, path, body, head)
        res = conn.getresponse()
        return SimpleNamespace(status=res.status, headers=res.headers,
                               body=res.read())
    finally:
        conn.close()


def metric(suite, name):
    """One of the gateway's own metrics."""
    text = suite.client.get('/metrics').decode()
    return float(re.search(
        rf'^packetscope_{name}\{{[^}}]*service="gateway"[^}}]*\}} (\S+)$',
        text, re.M)[1])


def questions(suite):
    """How many questions were put for answers that may be shared."""
    return metric(suite, 'gateway_shared_questions_total')


# ---- shared answers ----------------------------------------------------------

@pytest.mark.daemons('locator')
def test_an_answer_of_the_last_second_is_given_again(pair):
    def five_from_one():
        before = questions(pair)
        got = [ask(pair, 'paths', SHARED) for _ in range(5)]
        # On a machine that stands still for a second it may be two.
        if questions(pair) - before > 1:
            return None
        return got
    got = wait_for(five_from_one, 20)
    assert {one.status for one in got} == {200}
    assert len({one.headers['ETag'] for one in got}) == 1
    ages = [int(one.headers['Packetscope-Age-Ms']) for one in got]
    assert ages == sorted(ages)
    for one, age in zip(got, ages):
        assert 0 <= age < 1000
        assert int(one.headers['Age']) == age // 1000
        assert one.headers['Cache-Control'] == 'private, no-cache'


@pytest.mark.daemons('locator')
def test_who_wants_it_new_gets_it_new(pair):
    for value in ('no-cache', 'max-age=0', 'no-store'):
        before = questions(pair)
        for _ in range(3):
            got = ask(pair, 'paths', {'Cache-Control': value})
            assert got.status == 200
        assert questions(pair) - before == 3, value


@pytest.mark.daemons('locator')
def test_two_spellings_are_one_question(pair):
    targets = ('paths?limit=5&target=127.0.0.1',
               'paths?target=127.0.0.1&limit=5',
               'paths?target=127.0.0%2e1&limit=05')

    def one_question():
        before = questions(pair)
        tags = {ask(pair, t, SHARED).headers['ETag'] for t in targets}
        return questions(pair) - before == 1 and len(tags) == 1
    wait_for(one_question, 20)
    before = questions(pair)
    ask(pair, 'paths?limit=7', SHARED)
    assert questions(pair) - before == 1


@pytest.mark.daemons('locator')
def test_a_slow_daemon_is_asked_once(pair):
    clients = 20
    pid = pair['locator'].proc.pid

    def ask_together(pool):
        before, shared = (questions(pair),
                          metric(pair, 'gateway_shared_answers_total'))
        os.kill(pid, signal.SIGSTOP)
        try:
            calls = [pool.submit(ask, pair, 'paths?limit=9', SHARED)
                     for _ in range(clients)]
            # All have been understood and wait.
            wait_for(lambda: metric(pair, 'gateway_shared_answers_total') -
                     shared + questions(pair) - before >= clients, 20)
            assert not any(call.done() for call in calls)
        finally:
            os.kill(pid, signal.SIGCONT)
        got = [call.result(60) for call in calls]
        assert {one.status for one in got} == {200}
        # Where starting them took over a second, there were two questions.
        if questions(pair) - before > 1:
            return None
        return got
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        got = wait_for(lambda: ask_together(pool), 60)
    assert len({one.body for one in got}) == 1


@pytest.mark.daemons('locator')
def test_an_error_is_not_given_again(lab):
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--request-timeout', '300ms']}) as suite:
        pid = suite['locator'].proc.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            assert ask(suite, 'paths', SHARED).status == 504
        finally:
            os.kill(pid, signal.SIGCONT)
        # The very next may be late too; but it is asked.
        before = questions(suite)
        wait_for(lambda: ask(suite, 'paths', SHARED).status == 200, 10)
        assert questions(suite) > before


@pytest.mark.daemons('guarder')
def test_who_writes_reads_what_he_wrote(lab):
    with Suite(lab, ns=lab.ns('node'), daemons=('guarder', 'gateway')) as one:
        def ids():
            with one.client.open('GET', 'rules', headers=SHARED) as res:
                return [rule['id'] for rule in json.load(res)['rules']]
        for i in range(20):
            before = ids()
            made = one.client.post('rules', {
                'action': 'drop', 'proto': 'udp', 'dport': str(i + 1)})['id']
            assert set(ids()) == {*before, made}
            if i % 2:
                one.client.delete(f'rules/{made}')
                assert set(ids()) == set(before)
        one.client.put('ruleset', {'rules': []})
        assert ids() == []


@pytest.mark.daemons('locator')
def test_what_a_daemon_tells_is_seen_at_once(pair):
    events = pair.client.events('path', timeout=30)
    made = pair.client.post('paths', {'target': '127.0.0.1'})['id']
    for event in events:
        state = event['data']['state']
        with pair.client.open('GET', 'paths', headers=SHARED) as res:
            (shown,) = [p for p in json.load(res)['paths'] if p['id'] == made]
        # What was told, or what came after it.
        assert shown['state'] == state or state not in ('done', 'failed')
        if state in ('done', 'failed'):
            break
    events.close()


@pytest.mark.daemons('locator')
def test_a_shared_answer_needs_its_role(pair):
    assert ask(pair, 'paths', SHARED).status == 200
    assert ask(pair, 'paths', {**SHARED, 'Authorization': ''}).status == 401
    assert ask(pair, 'paths', {**SHARED, 'Authorization':
                               'Bearer ' + 'x' * 43}).status == 401


@pytest.mark.daemons('locator')
def test_a_daemon_that_went_is_not_answered_for(pair):
    assert ask(pair, 'paths', SHARED).status == 200
    pair['locator'].kill()
    wait_for(lambda: ask(pair, 'paths', SHARED).status == 503, 3)


# ---- ETag --------------------------------------------------------------------

@pytest.mark.parametrize('path', ['/healthz', '/api/v1/openapi.json', '/',
                                  '/assets/app-1a2b.js'])
def test_etag(console, path):
    first = ask(console, path)
    tag = first.headers['ETag']
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for value in (tag, f'"x", W/{tag}', '*'):
        same = ask(console, path, {'If-None-Match': value})
        assert (same.status, same.body) == (304, b'')
        for name in ('ETag', 'Cache-Control', 'Vary'):
            assert same.headers[name] == first.headers[name]
        assert same.headers['Content-Length'] is None
    for value in ('"x"', tag.strip('"'), 'W/'):
        other = ask(console, path, {'If-None-Match': value})
        assert (other.status, other.body) == (200, first.body)
    head = ask(console, path, method='HEAD')
    assert (head.status, head.body) == (200, b'')
    assert head.headers['ETag'] == tag
    assert head.headers['Content-Length'] == str(len(first.body))


def test_a_changed_file_has_another_tag(console):
    first = ask(console, '/')
    (console.root / 'index.html').write_text('<title>other</title>')
    second = ask(console, '/', {'If-None-Match': first.headers['ETag']})
    assert second.status == 200
    assert b'other' in second.body
    # Put in its place whole, as a build does it, with the same size.
    (console.root / 'new.html').write_text('<title>OTHER</title>')
    os.rename(console.root / 'new.html', console.root / 'index.html')
    assert b'OTHER' in ask(console, '/').body


# ---- gzip --------------------------------------------------------------------

@pytest.mark.parametrize('path', ['/api/v1/openapi.json',
                                  '/assets/app-1a2b.js'])
def test_gzip_is_the_same_in_less(console, path):
    plain = ask(console, path)
    assert plain.headers['Content-Encoding'] is None
    assert plain.headers['Vary'] == 'Accept-Encoding'
    for _ in range(2):    # made, and made before
        packed = ask(console, path, {'Accept-Encoding': 'br, gzip;q=0.5'})
        assert packed.headers['Content-Encoding'] == 'gzip'
        assert packed.headers['Vary'] == 'Accept-Encoding'
        assert packed.headers['Content-Length'] == str(len(packed.body))
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 2
        assert packed.headers['ETag'] != plain.headers['ETag']
    same = ask(console, path, {'Accept-Encoding': 'gzip',
                               'If-None-Match': packed.headers['ETag']})
    assert same.status == 304
    # It is a tag of these bytes, not of those.
    other = ask(console, path, {'If-None-Match': packed.headers['ETag']})
    assert other.status == 200
    for value in ('identity', 'br', 'gzip;q=0', 'identity;q=1, gzip;q=0.1',
                  'gzip;q=2', ''):
        got = ask(console, path, {'Accept-Encoding': value})
        assert got.headers['Content-Encoding'] is None, value
        assert got.body == plain.body


def test_what_is_not_compressed(console):
    want = {'Accept-Encoding': 'gzip'}
    tiny = ask(console, '/healthz', want)
    noise = ask(console, '/assets/noise-9z.png', want)
    error = ask(console, 'no-such?' + 'x' * 4000, want)
    assert (tiny.status, noise.status, error.status) == (200, 200, 404)
    for got in (tiny, noise, error):
        assert got.headers['Content-Encoding'] is None
    assert len(noise.body) == 5000
    with socket.create_connection(('127.0.0.1', console.port), 10) as sock:
        sock.sendall(f'GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n'
                     f'Authorization: Bearer {console.token()}\r\n'
                     'Accept-Encoding: gzip\r\n\r\n'.encode())
        stream = sock.recv(4096)
    assert stream.startswith(b'HTTP/1.1 200 ')
    assert b'Content-Encoding' not in stream


@pytest.mark.daemons('locator')
def test_a_shared_answer_has_all_forms(pair):
    for i in range(30):
        pair.client.post('paths', {'target': f'127.0.0.{i + 1}'})

    def both_forms():
        plain = ask(pair, 'paths', SHARED)
        packed = ask(pair, 'paths', {**SHARED, 'Accept-Encoding': 'gzip'})
        if packed.headers['ETag'] != plain.headers['ETag'][:-1] + '-gz"':
            return None    # another answer: it was dropped between the two
        return plain, packed
    plain, packed = wait_for(both_forms, 20)
    assert gzip.decompress(packed.body) == plain.body
    assert 'Age' in packed.headers


# ---- TLS ---------------------------------------------------------------------

def make_cert(folder, name='cert', days=2):
    """A certificate for localhost with its key; both as the daemon's user."""
    cert, key = folder / f'{name}.pem', folder / f'{name}.key'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
         '-days', str(days), '-subj', '/CN=localhost', '-addext',
         'subjectAltName=DNS:localhost,IP:127.0.0.1'],
        check=True, capture_output=True)
    key.chmod(0o640)
    folder.chmod(0o755)
    return cert, key


class Secure:
    """A gateway alone that speaks TLS."""

    def __init__(self, lab, tmp_path, *args, own_key=True):
        # pytest's own folders let nobody else in.
        self.dir = tmp_path
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        self.cert, self.key = make_cert(tmp_path)
        self.port = free_port()
        self.daemon = Daemon(lab, 'gateway', '--http',
                             f'127.0.0.1:{self.port}', '--http-tls-cert',
                             self.cert, '--http-tls-key', self.key, *args)
        if own_key:
            self.own(self.key)
        self.daemon.start()

    def own(self, path):
        """Gives a key to the daemon's user, if there is one."""
        try:
            subprocess.run(['chown', 'packetscope', path], check=True,
                           capture_output=True)
        except subprocess.CalledProcessError:
            pass

    def context(self):
        """Trusts the certificate as it is in the file now."""
        context = ssl.create_default_context(cafile=self.cert)
        context.set_alpn_protocols(['h2', 'http/1.1'])
        return context

    def connect(self, context=None, timeout=10):
        """A connection whose certificate was checked."""
        sock = socket.create_connection(('127.0.0.1', self.port), timeout)
        return (context or self.context()).wrap_socket(
            sock, server_hostname='localhost')

    def get(self, path, context=None, **headers):
        """One request; status, headers, body."""
        conn = http.client.HTTPSConnection(
            'localhost', self.port, timeout=10,
            context=context or self.context())
        try:
            conn.request('GET', path, headers=headers)
            res = conn.getresponse()
            return SimpleNamespace(status=res.status, headers=res.headers,
                                   body=res.read())
        finally:
            conn.close()

    def token(self):
        """The first administrator's."""
        return (self.daemon.state_dir / 'admin.token').read_text().strip()

    def services(self):
        """What the gateway says of itself."""
        got = self.get('/api/v1/services',
                       Authorization=f'Bearer {self.token()}')
        return next(s for s in json.loads(got.body)['services']
                    if s['name'] == 'gateway')

    def serial(self):
        """The certificate that a new connection is given."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with self.connect(context) as sock:
            return sock.getpeercert(binary_form=True)

    def file_cert(self):
        """The same of the file."""
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())

    def hup(self):
        """Asks for a reload."""
        os.kill(self.daemon.proc.pid, signal.SIGHUP)


@pytest.fixture
def secure(lab, tmp_path, request):
    """A gateway with TLS; arguments by parametrize(indirect)."""
    return Secure(lab, tmp_path, *getattr(request, 'param', ()))


def test_https(secure):
    got = secure.get('/healthz')
    assert (got.status, json.loads(got.body)) == (200, {'status': 'ok'})
    assert got.headers['Strict-Transport-Security'] == 'max-age=31536000'
    with secure.connect() as sock:
        assert sock.version() == 'TLSv1.3'
        assert sock.selected_alpn_protocol() == 'http/1.1'
        assert sock.compression() is None
    packed = secure.get('/api/v1/openapi.json', **{'Accept-Encoding': 'gzip'})
    plain = secure.get('/api/v1/openapi.json')
    assert gzip.decompress(packed.body) == plain.body
    assert len(plain.body) > 50_000
    login = secure.get('/api/v1/session',
                       Authorization=f'Bearer {secure.token()}')
    assert json.loads(login.body)['role'] == 'admin'


def test_curl_likes_it(secure):
    out = subprocess.run(
        ['curl', '-sS', '--noproxy', '*', '--cacert', secure.cert, '-w',
         '%{http_version} %{ssl_verify_result}', '-o', '/dev/null',
         f'https://localhost:{secure.port}/healthz'],
        check=True, capture_output=True, text=True).stdout
    assert out == '1.1 0'


def test_old_tls_and_other_protocols_are_refused(secure):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers('ALL:@SECLEVEL=0')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.connect(old)
    weak = ssl.create_default_context(cafile=secure.cert)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    with secure.connect(weak) as sock:
        name, _, _ = sock.cipher()
        assert name.startswith('ECDHE-') and ('GCM' in name or
                                              'CHACHA' in name)
    weak.set_ciphers('AES128-SHA256:ECDHE-ECDSA-AES128-SHA')
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.connect(weak)
    two = secure.context()
    two.set_alpn_protocols(['h2'])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.connect(two)
    assert secure.get('/healthz').status == 200


def test_no_renegotiation(secure):
    out = subprocess.run(
        ['openssl', 's_client', '-connect', f'127.0.0.1:{secure.port}',
         '-tls1_2'], input='R\n', capture_output=True, text=True, timeout=20,
        check=False)
    assert 'RENEGOTIATING' in out.stdout + out.stderr
    assert 'no renegotiation' in out.stderr


def test_plain_http_is_told(secure):
    with socket.create_connection(('127.0.0.1', secure.port), 10) as sock:
        sock.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
        data = b''
        while part := sock.recv(4096):
            data += part
    assert data.startswith(b'HTTP/1.1 400 ')
    assert b'https://' in data
    # What is neither is closed, and nothing is said to it.
    with socket.create_connection(('127.0.0.1', secure.port), 10) as sock:
        sock.sendall(b'\x00' * 64)
        try:
            assert b'HTTP' not in sock.recv(4096)
        except ConnectionResetError:
            pass
    assert secure.get('/healthz').status == 200


def test_large_bodies_and_many_requests_in_one_connection(secure):
    body = json.dumps({'comment': 'x'}).encode().ljust(1 << 20)
    with secure.connect(timeout=30) as sock:
        sock.sendall(
            f'POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\n'
            f'Authorization: Bearer {secure.token()}\r\n'
            'Content-Type: application/json\r\n'
            f'Content-Length: {len(body)}\r\n\r\n'.encode() + body)
        res = http.client.HTTPResponse(sock)
        res.begin()
        assert json.loads(res.read())['id'] == 'service.unavailable'
    one = b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
    last = one.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')
    with secure.connect(timeout=30) as sock:
        sock.sendall(one * 999 + last)
        data = b''
        while part := sock.recv(65536):
            data += part
    assert data.count(b'HTTP/1.1 200 OK') == 1000
    assert data.count(b'{"status":"ok"}') == 1000


@pytest.mark.daemons('locator')
def test_events_over_tls(lab, secure):
    with secure.connect() as sock:
        sock.sendall(f'GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n'
                     f'Authorization: Bearer {secure.token()}\r\n\r\n'
                     .encode())
        data = sock.recv(65536)
        while b'retry:' not in data:
            data += sock.recv(65536)
        # The stream goes on while the certificate is read again.
        secure.hup()
        wait_for(lambda: 'tls_reloaded' in secure.daemon.log(), 10)
        Daemon(lab, 'locator').start(wait=False)
        while b'event: service' not in data:
            part = sock.recv(65536)
            assert part, data
            data += part


@pytest.mark.parametrize('secure', [['--header-timeout', '1s']],
                         indirect=True)
@pytest.mark.host_only('it measures time')
def test_slow_clients_over_tls(secure):
    # Neither a handshake that is not begun, nor one that stops half-way, nor
    # half a head, is waited for longer than a head may take.
    silent = socket.create_connection(('127.0.0.1', secure.port), 10)
    half = socket.create_connection(('127.0.0.1', secure.port), 10)
    half.sendall(b'\x16\x03\x01\x02\x00\x01\x00')
    late = secure.connect()
    late.sendall(b'GET /healthz HTTP/1.1\r\nHost: local')
    began = time.monotonic()
    assert silent.recv(100) == b''
    assert half.recv(100) == b''
    assert late.recv(4096).startswith(b'HTTP/1.1 408 ')
    assert 0.5 <= time.monotonic() - began < 4
    for sock in (silent, half, late):
        sock.close()


@pytest.mark.parametrize('secure', [['--max-connections', '8']],
                         indirect=True)
def test_handshakes_do_not_fill_the_house(secure):
    silent = [socket.create_connection(('127.0.0.1', secure.port), 10)
              for _ in range(20)]
    assert secure.get('/healthz').status == 200
    for sock in silent:
        sock.close()


def replace(secure, cert, key):
    """Puts both in place, as a renewal does."""
    secure.own(key)
    os.rename(key, secure.key)
    os.rename(cert, secure.cert)


def test_a_new_certificate_is_taken(secure):
    old = secure.serial()
    context = secure.context()
    kept = secure.connect(context)
    replace(secure, *make_cert(secure.dir, 'new'))
    secure.hup()
    wait_for(lambda: secure.serial() == secure.file_cert(), 5)
    assert secure.file_cert() != old
    # The connection that stood goes on with what it began with.
    kept.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    assert kept.recv(4096).startswith(b'HTTP/1.1 200 ')
    kept.close()
    assert secure.get('/healthz').status == 200


@pytest.mark.parametrize('broken', ['text', 'other key', 'missing', 'open'])
def test_a_broken_certificate_leaves_the_old_one(secure, broken):
    old = secure.serial()
    if broken == 'text':
        secure.cert.write_text('no certificate\n')
    elif broken == 'missing':
        secure.cert.unlink()
    elif broken == 'open':
        secure.key.chmod(0o644)
    else:
        cert, key = make_cert(secure.dir, 'other')
        os.rename(cert, secure.cert)
        key.unlink()
    secure.hup()
    wait_for(lambda: 'tls_refused' in secure.daemon.log(), 5)
    assert secure.serial() == old
    said = next(line for line in secure.daemon.log().splitlines()
                if 'tls_refused' in line)
    assert str(secure.key if broken == 'open' else secure.cert) in said
    # And is replaced once a good one is there.
    replace(secure, *make_cert(secure.dir, 'good'))
    secure.hup()
    wait_for(lambda: secure.serial() == secure.file_cert(), 5)


def test_a_key_of_root_alone(lab, tmp_path):
    one = Secure(lab, tmp_path, own_key=False)
    assert one.get('/healthz').status == 200
    own = one.services()
    (reload,) = [c for c in own['capabilities']
                 if c['id'] == 'gateway.tls_reload']
    if own['user'] == 'root':
        assert reload['available']
        return
    assert not reload['available']
    assert str(one.key) in reload['reason']
    old = one.serial()
    one.hup()
    wait_for(lambda: 'tls_refused' in one.daemon.log(), 5)
    assert one.serial() == old


@pytest.mark.parametrize('wrong', ['no key', 'no file', 'mismatch',
                                   'readable by all'])
def test_does_not_start_without_its_certificate(lab, tmp_path, wrong):
    cert, key = make_cert(tmp_path)
    args = ['--http-tls-cert', cert, '--http-tls-key', key]
    named = str(key)
    if wrong == 'no key':
        args, named = args[:2], '--http-tls-key'
    elif wrong == 'no file':
        key.unlink()
    elif wrong == 'readable by all':
        key.chmod(0o644)
    else:
        other, _ = make_cert(tmp_path, 'other')
        args[1] = other
    daemon = Daemon(lab, 'gateway', '--http', f'127.0.0.1:{free_port()}',
                    *args).start(wait=False)
    assert daemon.proc.wait(20) == 1
    assert named in daemon.log()


@pytest.mark.daemons('guarder', 'tracer', 'analyzer', 'locator')
@pytest.mark.host_only('it builds')
def test_deploy_up_with_tls(lab, tmp_path, monkeypatch):
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    cert, key = make_cert(tmp_path)
    monkeypatch.setenv('PACKETSCOPE_HTTP_TLS_CERT', str(cert))
    monkeypatch.setenv('PACKETSCOPE_HTTP_TLS_KEY', str(key))
    # It comes back once it has asked the gateway, whose key it checks.
    client, _, _ = deploy_up(lab, '--no-geo')
    url = client.base.replace('http://', 'https://')
    out = lab.host.run('curl', '-sS', '--noproxy', '*', '--cacert', cert,
                       f'{url}/healthz').stdout
    assert json.loads(out) == {'status': 'ok'}


def test_plain_gateway_says_no_tls(lab):
    with Suite(lab, daemons=('gateway',)) as one:
        with socket.create_connection(('127.0.0.1', one.port), 10) as sock:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ssl.create_default_context().wrap_socket(
                    sock, server_hostname='localhost')
        got = ask(one, '/healthz')
        assert got.headers['Strict-Transport-Security'] is None
        with pytest.raises(ApiError):
            one.client.get('no-such')
