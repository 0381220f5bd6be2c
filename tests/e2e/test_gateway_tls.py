# SPDX-License-Identifier: MIT
"""The gateway's TLS: what is agreed on, its certificate's renewal, limits."""

import gzip
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import warnings
from types import SimpleNamespace

import pytest

from lab import Daemon, Suite, deploy_up, free_port, wait_for

pytestmark = [pytest.mark.daemons('gateway'),
              pytest.mark.host_only('TLS is the same on every kernel')]

def make_cert(folder, name='cert', days=2):
    """A certificate for localhost with its key; both as the daemon's user."""
    cert, key = folder / f'{name}.pem', folder / f'{name}.key'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
         '-days', str(days), '-subj', '/CN=localhost', '-addext',
         'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'],
        check=True, capture_output=True)
    key.chmod(0o640)
    folder.chmod(0o755)
    return cert, key


class Secure:
    """A gateway alone that speaks TLS."""

    def __init__(self, lab, tmp_path, *args, own_key=True, host='127.0.0.1'):
        # pytest's own folders let nobody else in.
        self.dir = tmp_path
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        self.cert, self.key = make_cert(tmp_path)
        self.host, self.port = host, free_port()
        shown = f'[{host}]' if ':' in host else host
        self.daemon = Daemon(lab, 'gateway', '--http',
                             f'{shown}:{self.port}', '--http-tls-cert',
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
        sock = socket.create_connection((self.host, self.port), timeout)
        return (context or self.context()).wrap_socket(
            sock, server_hostname='localhost')

    def get(self, path, context=None, **headers):
        """One request; status, headers, body."""
        conn = http.client.HTTPSConnection(
            self.host, self.port, timeout=10,
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


def test_https_by_ipv6(lab, tmp_path):
    one = Secure(lab, tmp_path, host='::1')
    assert one.get('/healthz').status == 200
    with one.connect() as sock:
        assert sock.version() == 'TLSv1.3'


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
        with one.client.open('GET', '/healthz') as res:
            assert res.headers['Strict-Transport-Security'] is None
