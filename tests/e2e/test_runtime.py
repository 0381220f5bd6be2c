# SPDX-License-Identifier: MIT
"""What every daemon has from the runtime: options, place, privileges, end."""

import hashlib
import json
import os
import pwd
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from lab import Daemon, Suite, wait_for

NAMES = ('tracer', 'analyzer', 'locator', 'guarder', 'gateway')
SINGLE = ('tracer', 'analyzer', 'guarder')
each = pytest.mark.parametrize('name', NAMES)
pytestmark = pytest.mark.daemons(*NAMES)

# One option of each: YAML key, what is out of range, what is no such value.
OWN = {
    'tracer': ('history_max', '1K', 'much'),
    'analyzer': ('flows_max', '5', 'many'),
    'locator': ('rate', '0', 'fast'),
    'guarder': ('log_level', None, None),
    'gateway': ('log_level', None, None),
}


def _args(name):
    return ['--http', '127.0.0.1:0'] if name == 'gateway' else []


def _daemon(lab, name, *args, **kwargs):
    return Daemon(lab, name, *_args(name), *args, **kwargs)


def _bad(daemon, *args, env=None):
    """Runs it with wrong words: exit 2, nothing made; what it said."""
    res = subprocess.run([*daemon.argv, *map(str, args)], check=False,
                         capture_output=True, text=True, timeout=30,
                         env={**os.environ, **(env or {})})
    assert res.returncode == 2, res
    assert not daemon.run_dir.exists()
    assert not daemon.state_dir.exists()
    return res.stderr


# ---- options ---------------------------------------------------------------

@each
def test_wrong_option_is_named(lab, name):
    daemon = _daemon(lab, name)
    assert '--no-such' in _bad(daemon, '--no-such')
    assert '--no-such' in _bad(daemon, '--no-such=1')
    assert 'stray' in _bad(daemon, 'stray')
    assert 'log-level' in _bad(daemon, '--log-level')
    assert 'loud' in _bad(daemon, '--log-level', 'loud')


@each
def test_wrong_yaml_names_file_line_and_key(lab, name, tmp_path):
    daemon = _daemon(lab, name)
    path = tmp_path / 'x.yaml'

    def said(text):
        path.write_text(text, encoding='utf-8')
        return _bad(daemon, '--config', path)

    assert f'{path}:3: no_such' in said('# a\nlog_level: info\nno_such: 1\n')
    assert f'{path}:2: log_level' in said('# a\nlog_level: [a, b]\n')
    assert f'{path}:3' in said('log_level: info\nuser: "x\n')
    assert f'{path}:' in said('- a\n- b\n')
    key, out_of_range, no_value = OWN[name]
    if out_of_range:
        assert f'{path}:1: {key}' in said(f'{key}: {out_of_range}\n')
        assert f'{path}:1: {key}' in said(f'{key}: {no_value}\n')
    assert str(path) in said('\x00\xff')
    assert str(path) in said('user: ' + 'x' * 300_000)
    path.unlink()
    assert str(path) in _bad(daemon, '--config', path)


def test_flag_wins_over_environment_over_file(lab, tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('instance: from-file\nflow_timeout: 1m\n',
                    encoding='ascii')
    seen = []
    for env, flags in (({}, []),
                       ({'PACKETSCOPE_INSTANCE': 'from-env'}, []),
                       ({'PACKETSCOPE_INSTANCE': 'from-env'},
                        ['--instance', 'from-flag'])):
        daemon = _daemon(lab, 'analyzer', '--config', path, *flags, env=env)
        said = daemon.log().count(' ready ')
        daemon.start()
        wait_for(lambda d=daemon, n=said: d.log().count(' ready ') > n, 20)
        seen.append(re.findall(r'instance="([^"]*)"', daemon.log())[-1])
        assert daemon.stop() == 0
    assert seen == ['from-file', 'from-env', 'from-flag']
    daemon = _daemon(lab, 'analyzer', run_dir='/nonexistent/r',
                     state_dir='/nonexistent/s')
    text = _bad(daemon, env={'PACKETSCOPE_FLOWS_MAX': 'x'})
    assert 'PACKETSCOPE_FLOWS_MAX' in text


@each
def test_help_and_version(lab, name):
    daemon = _daemon(lab, name)
    res = daemon.run_once('--version')
    assert res.returncode == 0
    assert re.fullmatch(rf'ps-{name} \d+\.\d+\.\d+\n', res.stdout)
    res = daemon.run_once('--help')
    assert res.returncode == 0
    shown = set(re.findall(r'^  --([a-z0-9-]+)', res.stdout, re.M))
    assert {'config', 'run-dir', 'state-dir', 'log-level', 'instance', 'user',
            'rep', 'pub', 'peers', 'tls-ca', 'tls-cert', 'tls-key',
            'selftest', 'help', 'version'} <= shown
    # What is shown is known, and what is known in YAML is shown.
    for option in shown - {'help', 'version', 'selftest', 'standby',
                           'healthcheck', 'openapi', 'flush'}:
        res = daemon.run_once(f'--{option}')
        assert res.returncode == 2 and 'unknown' not in res.stderr, option


# ---- the place -------------------------------------------------------------

@pytest.mark.parametrize('name', SINGLE)
def test_second_instance_leaves(lab, name):
    first = _daemon(lab, name).start()
    res = subprocess.run(first.argv, check=False, capture_output=True,
                         text=True, timeout=30)
    assert res.returncode == 3
    assert f'pid={first.proc.pid}' in res.stderr
    assert first.proc.poll() is None
    assert first.stop() == 0


@pytest.mark.parametrize('name', SINGLE)
def test_killed_and_started_at_once(lab, name):
    daemon = _daemon(lab, name).start()
    for _ in range(3):
        killed = daemon.proc
        killed.kill()       # and no wait for its end
        daemon.start()
        assert killed.wait(10) == -signal.SIGKILL
    assert 'place_taken' not in daemon.log()
    assert daemon.stop() == 0


@each
def test_state_dir_that_is_a_file(lab, name, tmp_path):
    path = tmp_path / 'file'
    path.write_text('mine', encoding='ascii')
    daemon = _daemon(lab, name, state_dir=path)
    res = subprocess.run(daemon.argv, check=False, capture_output=True,
                         text=True, timeout=30)
    assert res.returncode == 1, res
    assert str(path) in res.stderr
    assert path.read_text(encoding='ascii') == 'mine'


@pytest.mark.parametrize('name', ('tracer', 'locator', 'guarder'))
def test_database_of_junk_stays_as_it_is(lab, name):
    daemon = _daemon(lab, name)
    daemon.state_dir.mkdir()
    path = daemon.state_dir / f'{name}.db'
    path.write_bytes(os.urandom(5000))
    before = hashlib.sha256(path.read_bytes()).digest()
    res = subprocess.run(daemon.argv, check=False, capture_output=True,
                         text=True, timeout=30)
    assert res.returncode == 1, res
    assert str(path) in res.stderr
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert sorted(p.name for p in daemon.state_dir.iterdir()) == [path.name]


# ---- privileges ------------------------------------------------------------

def _threads(pid):
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/status', encoding='ascii') as file:
            yield dict(re.findall(r'^(\w+):\s*(.*)$', file.read(), re.M))


def _mask(names):
    """Bits of capabilities, by their names."""
    bits = 0
    for name in names:
        bits |= 1 << CAPS.index(name.lower().removeprefix('cap_'))
    return bits


CAPS = ('chown dac_override dac_read_search fowner fsetid kill setgid setuid '
        'setpcap linux_immutable net_bind_service net_broadcast net_admin '
        'net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot '
        'sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource '
        'sys_time sys_tty_config mknod lease audit_write audit_control '
        'setfcap mac_override mac_admin syslog wake_alarm block_suspend '
        'audit_read perfmon bpf checkpoint_restore').split()


def _services(client):
    return {s['name']: s for s in client.get('services')['services']}


def test_every_thread_has_what_services_say(lab, suite):
    try:
        uid = pwd.getpwnam('packetscope').pw_uid
    except KeyError:
        uid = 0
    services = wait_for(lambda: (lambda s: s if set(NAMES) <= set(s) and all(
        s[n].get('pid') for n in NAMES) else None)(_services(suite.client)),
                        10)
    for name in NAMES:
        pid = suite[name].proc.pid
        assert services[name]['pid'] == pid
        want = _mask(services[name].get('privileges') or [])
        threads = list(_threads(pid))
        assert len(threads) > 1, name
        for status in threads:
            assert status['Uid'].split() == [str(uid)] * 4, name
            for which in ('CapEff', 'CapPrm'):
                assert int(status[which], 16) == want, (name, which)
            assert int(status['CapBnd'], 16) & ~want == 0, name
            assert int(status['CapInh'], 16) == 0
            assert int(status['CapAmb'], 16) == 0
            assert status['NoNewPrivs'] == '1', name
            assert status['Seccomp'] == '2', name


# ---- the end ---------------------------------------------------------------

@each
@pytest.mark.host_only('it measures time')
def test_sigterm_drains(lab, name):
    daemon = _daemon(lab, name).start()
    begin = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begin < 6
    assert not (daemon.run_dir / f'{name}.rep').exists()


def _held(pid):
    """BPF objects that a process has open: {'prog': ids, ...}."""
    held = {'prog': set(), 'link': set(), 'map': set()}
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        try:
            with open(f'/proc/{pid}/fdinfo/{fd}', encoding='ascii') as file:
                text = file.read()
        except FileNotFoundError:
            continue    # closed meanwhile
        for what, ident in re.findall(r'^(prog|link|map)_id:\s*(\d+)$',
                                      text, re.M):
            held[what].add(int(ident))
    return held


def _all_bpf(what):
    res = subprocess.run(['bpftool', '-j', what, 'list'], check=True,
                         capture_output=True, text=True)
    return {o['id'] for o in json.loads(res.stdout)}


NEVER = """
#include <unistd.h>
int nng_close(unsigned int socket) { (void)socket; for (;;) sleep(1); }
"""


@pytest.mark.parametrize('name', ['gateway', 'tracer', 'analyzer'])
def test_the_end_is_bounded(lab, name, tmp_path):
    """Where NNG does not close a socket the process ends all the same."""
    source, library = tmp_path / 'never.c', tmp_path / 'never.so'
    source.write_text(NEVER)
    subprocess.run(['clang-19', '-shared', '-fPIC', '-o', library, source],
                   check=True)
    sanitizer = os.environ.get('ASAN_OPTIONS', '')
    daemon = Daemon(lab, name, env={
        'LD_PRELOAD': library,
        'ASAN_OPTIONS': ':'.join(
            filter(None, [sanitizer, 'verify_asan_link_order=0',
                          'detect_leaks=0']))})
    daemon.start()
    assert daemon.stop() == 0
    assert 'end_forced' in daemon.log()



@pytest.mark.parametrize('name', ('analyzer', 'tracer'))
def test_kill_leaves_nothing_attached(lab, name):
    """Others use BPF too: what this process held is gone."""
    namespaces = set(os.listdir('/run/netns'))
    daemon = _daemon(lab, name).start()
    held = _held(daemon.proc.pid)
    assert held['prog'] and held['map']
    assert all(ids <= _all_bpf(what) for what, ids in held.items())
    assert daemon.kill() == -signal.SIGKILL

    def gone():
        return not any(ids & _all_bpf(what) for what, ids in held.items())
    wait_for(gone, 5, what='programs freed')
    mine = {n for n in set(os.listdir('/run/netns')) - namespaces
            if str(os.getpid()) in n}
    assert not mine


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('how', (signal.SIGTERM, signal.SIGKILL))
def test_each_restarts_alone(lab, suite, name, how):
    pids = {n: suite[n].proc.pid for n in NAMES}
    old = suite[name].proc.pid
    suite[name].stop(how)
    if name != 'gateway':
        def down():
            s = _services(suite.client).get(name)
            return s is None or s['state'] not in ('ready', 'degraded')
        wait_for(down, 10, what=f'{name} down')
    suite[name].start()

    def back():
        s = _services(suite.client).get(name)
        return s and s['state'] in ('ready', 'degraded') and \
            s.get('pid') == suite[name].proc.pid != old
    wait_for(back, 15, what=f'{name} back')
    wait_for(lambda: set(NAMES) - {'gateway'} <= set(suite.ready()), 15,
             what='all known')
    for other in NAMES:
        if other != name:
            assert suite[other].proc.poll() is None
            assert suite[other].proc.pid == pids[other]


# ---- what a hostile peer may send ------------------------------------------

REQ, SUB = 0x30, 0x21


def _connect(path, protocol=None):
    """A peer of the socket; with the greeting of this SP protocol."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(str(path))
    if protocol is not None:
        sock.sendall(struct.pack('!4sHH', b'\0SP\0', protocol, 0))
        assert sock.recv(8)[:4] == b'\0SP\0'
    return sock


def _frame(body):
    """A message as NNG frames it on ipc."""
    return b'\1' + struct.pack('!Q', len(body)) + body


def _read(sock, size):
    data = b''
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError('hung up')
        data += more
    return data


def _answer(sock):
    """One framed message."""
    return _read(sock, struct.unpack('!xQ', _read(sock, 9))[0])


def _say(path, protocol, junk):
    """Says it and listens until they hang up, which they may at any time."""
    try:
        with _connect(path, protocol) as sock:
            sock.sendall(junk)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
    except OSError:
        pass


@each
def test_malformed_messages_harm_nobody(lab, name):
    daemon = _daemon(lab, name).start()
    rep = daemon.run_dir / f'{name}.rep'
    pub = daemon.run_dir / f'{name}.pub'
    for path, protocol in ((rep, REQ), (pub, SUB)):
        for junk in (b'', b'\0', b'GET / HTTP/1.0\r\n\r\n', os.urandom(4096),
                     b'\0SP\0\0\x30\0', b'\0SP\0\xff\xff\0\0'):
            _say(path, None, junk)
        for junk in (b'\1' + b'\xff' * 8, b'\1' + struct.pack('!Q', 1 << 40),
                     _frame(b''), _frame(b'\x80\0\0\1'), os.urandom(999),
                     _frame(os.urandom(64)), _frame(b'x' * (5 << 20))):
            _say(path, protocol, junk)
    # More than it has workers, none of which waits for its answer.
    for i in range(70):
        _say(rep, REQ, _frame(struct.pack('!I', 0x80000000 | i) + b'junk'))

    def answers():
        try:
            with _connect(rep, REQ) as sock:
                sock.sendall(_frame(b'\x80\0\0\7' + b'\xff\xff'))
                got = _answer(sock)
        except OSError:
            return False
        assert got[:4] == b'\x80\0\0\7'
        assert b'request.malformed' in got
        return True
    wait_for(answers, 10, what='an answer that says what was wrong')
    assert daemon.proc.poll() is None
    assert daemon.stop() == 0


@each
def test_hanging_up_early_leaves_the_door_open(lab, name):
    """NNG alone never accepted again after one of these."""
    daemon = _daemon(lab, name).start()
    for kind in ('rep', 'pub'):
        for _ in range(30):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(daemon.run_dir / f'{name}.{kind}'))

    def answers():
        try:
            with _connect(daemon.run_dir / f'{name}.rep', REQ) as sock:
                sock.settimeout(1)
                sock.sendall(_frame(b'\x80\0\0\7junk'))
                return _answer(sock)[:4] == b'\x80\0\0\7'
        except OSError:
            return False
    wait_for(answers, 15, what='an answer')
    assert daemon.stop() == 0


def test_garbage_from_a_publisher_is_no_harm(lab):
    """The gateway subscribes to whoever holds a daemon's socket."""
    with Suite(lab, ns=lab.ns('node'), daemons=('gateway', 'locator')) as s:
        s['locator'].stop()
        path = s['locator'].run_dir / 'locator.pub'
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            os.chmod(path, 0o666)
            server.listen()
            server.settimeout(10)
            peer, _ = server.accept()
            with peer:
                peer.settimeout(5)
                peer.recv(8)
                peer.sendall(struct.pack('!4sHH', b'\0SP\0', 0x20, 0))
                for junk in (b'', b'heartbeat', b'heartbeat\0',
                             b'heartbeat\0' + os.urandom(500),
                             b'event\0\x0a\x01x', os.urandom(2000)):
                    peer.sendall(_frame(junk))
                time.sleep(0.5)
        path.unlink()
        assert s.client.get('services')
        s['locator'].start()
        wait_for(lambda: 'locator' in s.ready(), 15)
        assert s['gateway'].proc.poll() is None
