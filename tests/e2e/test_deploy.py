# SPDX-License-Identifier: MIT
"""deploy/up and deploy/down, as a user runs them on this host."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lab import ROOT, Client, NsClient, free_port, wait_for

DAEMONS = ('gateway', 'analyzer', 'guarder', 'tracer', 'locator')
UP, DOWN = ROOT / 'deploy/up', ROOT / 'deploy/down'
# The first of them may have to build the release.
pytestmark = [pytest.mark.daemons(*DAEMONS), pytest.mark.timeout(600),
              pytest.mark.host_only('it builds')]


class Place:
    """Directories and a port for one suite, ended with the test."""

    def __init__(self, lab, base, port=None):
        self.lab = lab
        self.port = port or free_port()
        self.state, self.run = base / 'state', base / 'run'
        self.options = ['--http', f'127.0.0.1:{self.port}', '--state',
                        str(self.state), '--run', str(self.run)]
        lab.on_close(self.down)

    def up(self, *args, prefix=()):
        """deploy/up --detach; its CompletedProcess."""
        return subprocess.run(
            [*prefix, str(UP), '--detach', '--no-geo', *self.options, *args],
            check=False, capture_output=True, text=True, timeout=500,
            stdin=subprocess.DEVNULL)

    def down(self):
        """deploy/down."""
        return subprocess.run([str(DOWN), *self.options], check=False,
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def pids(self):
        """{name: pid} of what runs."""
        found = {}
        for name in DAEMONS:
            try:
                pid = int((self.run / f'{name}.pid').read_text())
                exe = os.readlink(f'/proc/{pid}/exe')
            except (OSError, ValueError):
                continue
            if f'/ps-{name}' in exe:
                found[name] = pid
        return found

    @property
    def client(self):
        """The API, as the first administrator."""
        token = (self.state / 'admin.token').read_text().strip()
        return Client(f'http://127.0.0.1:{self.port}', token)


@pytest.fixture
def place(lab):
    base = Path(f'/tmp/ps-deploy-{os.getpid()}-{time.monotonic_ns()}')
    base.mkdir(mode=0o755)
    lab.on_close(lambda: shutil.rmtree(base, ignore_errors=True))
    return Place(lab, base)


def _held(pids):
    """(kind, id) of the BPF objects that these processes have open."""
    held = set()
    for pid in pids:
        for fd in os.listdir(f'/proc/{pid}/fdinfo'):
            try:
                text = Path(f'/proc/{pid}/fdinfo/{fd}').read_text()
            except OSError:
                continue
            held |= set(re.findall(r'^(prog|link|map)_id:\s*(\d+)$', text,
                                   re.M))
    return held


def _bpf():
    found = set()
    for kind in ('prog', 'link', 'map'):
        res = subprocess.run(['bpftool', '-j', kind, 'list'], check=True,
                             capture_output=True, text=True)
        found |= {(kind, str(o['id'])) for o in json.loads(res.stdout)}
    return found


def _pins(place):
    """The guarder's pins of this suite; FNV-1a of the run directory."""
    tag = 0xcbf29ce484222325
    for byte in str(place.run).encode():
        tag = (tag ^ byte) * 0x100000001b3 % (1 << 64)
    folder = Path(f'/sys/fs/bpf/packetscope/{tag:016x}')
    return list(folder.glob('*')) if folder.exists() else []


def _command(proc):
    """What everybody can read of a process of /proc."""
    try:
        return (proc / 'cmdline').read_text(errors='replace')
    except OSError:
        return ''


def _gone(place, pids, held):
    """Nothing of a suite is left but its state."""
    assert not place.pids()
    assert not [p for p in pids if Path(f'/proc/{p}').exists()]
    wait_for(lambda: not held & _bpf(), 10, what='BPF objects freed')
    for proc in Path('/proc').glob('[0-9]*'):
        assert str(place.run) not in _command(proc)


# ---- up and down -----------------------------------------------------------

def test_up_again_and_down(place):
    namespaces = set(os.listdir('/run/netns'))
    res = place.up()
    assert res.returncode == 0, res.stderr
    token = (place.state / 'admin.token')
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert f'http://127.0.0.1:{place.port}/#token={token.read_text().strip()}' \
        in res.stdout
    pids = place.pids()
    assert set(pids) == set(DAEMONS)
    ready = {s['name'] for s in place.client.get('services')['services']
             if s['state'] in ('ready', 'degraded')}
    assert ready == set(DAEMONS)

    again = place.up()
    assert again.returncode == 0, again.stderr
    assert place.pids() == pids
    assert again.stdout.count('already runs') == len(DAEMONS)

    os.kill(pids['tracer'], signal.SIGKILL)
    wait_for(lambda: 'tracer' not in place.pids(), 5)
    third = place.up()
    assert third.returncode == 0, third.stderr
    now = place.pids()
    assert now.pop('tracer') != pids.pop('tracer')
    assert now == pids

    running = place.pids().values()
    held = _held(running)
    assert {kind for kind, _ in held} == {'prog', 'link', 'map'}
    assert _pins(place)
    res = place.down()
    assert res.returncode == 0, res.stderr
    _gone(place, running, held)
    assert not _pins(place)
    mine = set(os.listdir('/run/netns')) - namespaces
    assert not {n for n in mine if n.startswith('psdemo')}
    assert token.exists()
    assert place.down().returncode == 0


def test_second_start_is_quick(place):
    assert place.up().returncode == 0
    assert place.down().returncode == 0
    best = 99.0
    for _ in range(3):
        begin = time.monotonic()
        assert place.up().returncode == 0
        best = min(best, time.monotonic() - begin)
        assert place.down().returncode == 0
        if best <= 3:
            return
    assert best <= 3


def test_two_side_by_side(lab, place):
    other = Place(lab, place.state.parent / 'other')
    other.state.parent.mkdir(mode=0o755)
    assert place.up().returncode == 0
    res = other.up()
    assert res.returncode == 0, res.stderr
    assert not set(place.pids().values()) & set(other.pids().values())
    for one in (place, other):
        assert len(one.client.get('services')['services']) == len(DAEMONS)
    assert other.down().returncode == 0
    assert set(place.pids()) == set(DAEMONS)
    assert place.client.get('services')


# ---- wrong words, wrong places ---------------------------------------------

@pytest.mark.parametrize('script', (UP, DOWN))
def test_unknown_option(script):
    for words in (['--no-such'], ['--state'], ['stray']):
        res = subprocess.run([script, *words], check=False, timeout=30,
                             capture_output=True, text=True)
        assert res.returncode == 2, res
        assert words[0] in res.stderr
    res = subprocess.run([script, '--help'], check=False, timeout=30,
                         capture_output=True, text=True)
    assert res.returncode == 0
    assert '--state DIR' in res.stdout


def test_wrong_address():
    for address in ('nonsense', '127.0.0.1', '127.0.0.1:x', ':70000'):
        res = subprocess.run([UP, '--http', address], check=False, timeout=30,
                             capture_output=True, text=True)
        assert res.returncode == 2, res
        assert address in res.stderr


def test_port_taken(place):
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', place.port))
        holder.listen()
        res = place.up()
    assert res.returncode == 1, res
    assert str(place.port) in res.stderr
    assert f'pid={os.getpid()}' in res.stderr
    assert not place.pids()


@pytest.mark.parametrize('script', (UP, DOWN))
def test_without_root(place, script):
    res = subprocess.run(
        ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups',
         'bash', script, *place.options], check=False, timeout=30,
        capture_output=True, text=True)
    assert res.returncode == 1, res
    assert 'needs root: to load eBPF' in res.stderr
    assert not place.run.exists()


def test_without_capabilities(place):
    """It says what is missing, and runs what can run."""
    missing = ','.join('-' + c for c in (
        'bpf', 'perfmon', 'sys_admin', 'net_admin', 'net_raw'))
    res = place.up(prefix=('setpriv', f'--bounding-set={missing}',
                           f'--inh-caps={missing}'))
    assert res.returncode == 0, res.stderr
    assert set(place.pids()) == set(DAEMONS)
    assert 'Not available on this host' in res.stdout
    for name in ('analyzer.', 'tracer.', 'guarder.', 'locator.'):
        assert f'    {name}' in res.stdout
    services = {s['name']: s
                for s in place.client.get('services')['services']}
    for name in ('analyzer', 'tracer', 'guarder', 'locator'):
        gone = [c for c in services[name]['capabilities']
                if not c['available']]
        assert gone, name
        assert all(c.get('reason') and c.get('without') for c in gone), gone
    assert place.client.get('rules')['rules'] == []
    assert place.down().returncode == 0


def test_without_console(lab, place):
    """No web/dist and no registry: all but the console."""
    copy = place.state.parent / 'tree'
    copy.mkdir()
    for name in ('deploy', 'web'):
        shutil.copytree(ROOT / name, copy / name, symlinks=True,
                        ignore=shutil.ignore_patterns('node_modules', 'dist'))
    env = {**os.environ, 'PACKETSCOPE_BIN': str(ROOT / 'build/release/bin'),
           'npm_config_registry': 'http://127.0.0.1:9/',
           'npm_config_cache': str(copy / 'cache')}
    res = subprocess.run(
        [copy / 'deploy/up', '--detach', '--no-geo', *place.options],
        check=False, capture_output=True, text=True, timeout=200, env=env)
    assert res.returncode == 0, res.stderr
    assert 'The console could not be built: there is only the API' \
        in res.stderr
    assert set(place.pids()) == set(DAEMONS)
    assert place.client.get('services')


# ---- in the foreground -----------------------------------------------------

def test_foreground_shows_events_and_ends_with_ctrl_c(place):
    log = place.state.parent / 'up.log'
    with open(log, 'wb') as out:
        proc = subprocess.Popen(
            [UP, '--no-geo', *place.options], stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: 'Ctrl-C ends it' in log.read_text(), 300,
                 what='deploy/up')
        running = list(place.pids().values())
        held = _held(running)
        assert len(running) == len(DAEMONS)

        def event():
            place.client.post('rules', {
                'action': 'drop', 'proto': 'udp', 'dport': '9',
                'interface': 'psnone0'})
            shown = log.read_text().split('Ctrl-C ends it.')[1]
            return re.search(r'^\d\d:\d\d:\d\d  guarder  \S.*$', shown, re.M)
        wait_for(event, 10, what='a line for the event')
        token = (place.state / 'admin.token').read_text().strip()
        assert not [p for p in Path('/proc').glob('[0-9]*')
                    if token in _command(p)]
        # A terminal's Ctrl-C goes to all of the foreground's group.
        os.killpg(proc.pid, signal.SIGINT)
        assert proc.wait(20) == 0, log.read_text()
        _gone(place, running, held)
        assert 'nothing is attached' in log.read_text()
    finally:
        if proc.poll() is None:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()


# ---- the demonstration -----------------------------------------------------

def test_demo_shows_each_part_at_work(lab, place):
    """In a namespace: its addresses may be in use by the host's own demo."""
    namespaces = set(os.listdir('/run/netns'))
    node = lab.ns('node')
    tag = hashlib.sha1(f'{place.run}\n'.encode()).hexdigest()[:5]

    def down():
        return node.run(DOWN, *place.options, check=False)
    lab.on_close(down)
    res = node.run(UP, '--detach', '--no-geo', '--demo', *place.options,
                   check=False, timeout=300)
    assert res.returncode == 0, res.stderr
    assert 'There is no demonstration' not in res.stderr
    assert f'psdemo-{tag}-web' in os.listdir('/run/netns')
    token = (place.state / 'admin.token').read_text().strip()
    client = NsClient(node, f'http://127.0.0.1:{place.port}', token)

    def web_flow():
        return [f for f in client.get('flows', limit=1000)['flows']
                if 80 in (f.get('lport'), f.get('rport'))]

    def packets():
        return [p for t in client.get('traces')['traces']
                for p in client.get(f'traces/{t["id"]}/packets')['packets']]

    def reached():
        return [p for p in client.get('paths')['paths'] if p.get('reached')]

    def hits():
        return [r for r in client.get('rules')['rules']
                if r.get('hit_packets')]
    for seen in (web_flow, packets, reached, hits):
        wait_for(seen, 40, interval=0.3, what=f'demo: {seen.__name__}')
    running = list(place.pids().values())
    held = _held(running)
    assert down().returncode == 0
    _gone(place, running, held)
    assert not _pins(place)
    assert not {n for n in set(os.listdir('/run/netns')) - namespaces
                if n.startswith(f'psdemo-{tag}')}
    assert f'psdemo-{tag}' not in node.run('ip', '-o', 'link').stdout
