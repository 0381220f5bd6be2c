# SPDX-License-Identifier: MIT
"""kill -9 for each daemon of a suite under load, and what must hold then.

The suite runs as deploy/up starts it, in a namespace with a veth to a peer:
iperf3 and pings, datagrams that a rule of the guarder drops, a running trace,
path measurements, readers of each part of the API, event streams. A killed
daemon is started again with its own command line, as systemd would.
"""

import collections
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from .api import ApiError, Client
from .suite import ROOT
from .wait import SLOW, free_port, wait_for

DAEMONS = ('tracer', 'analyzer', 'locator', 'guarder', 'gateway')
READY = ('ready', 'degraded')
DOWN_S, READY_S = 2.0, 3.0
DROPPED_PORT = 9999
# Of each part of the API one read that needs its daemon.
READS = {'tracer': 'traces', 'analyzer': 'flows?limit=20',
         'locator': 'paths?limit=5', 'guarder': 'rules', 'gateway': 'services'}


class Reader:
    """Asks for one thing again and again; notes each failure with its time."""

    def __init__(self, ns, url, token, path):
        self.path = path
        self.client = Client(url, token, timeout=5)
        self.done, self.failed, self.slowest = 0, [], 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=ns.call, args=(self._run,),
                                       daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.wait(0.1):
            begin = time.monotonic()
            try:
                self.client.get(self.path)
                self.done += 1
            except (ApiError, OSError) as error:
                self.failed.append((begin, f'{self.path}: {error}'))
            self.slowest = max(self.slowest, time.monotonic() - begin)


class Stream:
    """An event stream that comes back, with Last-Event-ID, when it is cut."""

    def __init__(self, ns, url, token):
        self.client = Client(url, token, timeout=60)
        self.opened, self.cut = [], []
        self.seen = collections.Counter()
        self.last = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=ns.call, args=(self._run,),
                                       daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            try:
                self._read()
            except (ApiError, OSError):
                pass
            self.cut.append(time.monotonic())
            self.stop.wait(0.1)

    def _read(self):
        head = {'Last-Event-ID': self.last} if self.last else {}
        with self.client.open('GET', 'events', headers=head,
                              timeout=60) as answer:
            self.opened.append(time.monotonic())
            for line in answer:
                if line.startswith(b'id:'):
                    self.last = line[3:].strip().decode()
                elif line.startswith(b'event:'):
                    self.seen[line[6:].strip().decode()] += 1
                if self.stop.is_set():
                    return


def has_ended(pid):
    """It is gone, or a zombie without other threads."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text('utf-8')
        threads = os.listdir(f'/proc/{pid}/task')
    except OSError:
        return True
    return stat.rpartition(')')[2].split()[0] == 'Z' and len(threads) < 2


def held(pid):
    """(kind, id) of the BPF objects that a process has open."""
    found = set()
    try:
        for fd in os.listdir(f'/proc/{pid}/fdinfo'):
            text = Path(f'/proc/{pid}/fdinfo/{fd}').read_text('ascii')
            found |= set(re.findall(r'^(prog|link|map)_id:\s*(\d+)$', text,
                                    re.M))
    except OSError:
        pass    # a descriptor, or the process, has gone
    return found


def all_bpf():
    """(kind, id) of the BPF objects of this machine."""
    found = set()
    for kind in ('prog', 'link', 'map'):
        res = subprocess.run(['bpftool', '-j', kind, 'list'], check=True,
                             capture_output=True, text=True)
        found |= {(kind, str(one['id'])) for one in json.loads(res.stdout)}
    return found


def pins(run_dir):
    """The guarder's pins of a run directory; FNV-1a of its path."""
    tag = 0xcbf29ce484222325
    for byte in str(run_dir).encode():
        tag = (tag ^ byte) * 0x100000001b3 % (1 << 64)
    folder = Path(f'/sys/fs/bpf/packetscope/{tag:016x}')
    return sorted(folder.rglob('*')) if folder.exists() else []


class Killing:
    """A suite under load, and rounds of killing. failures: what was wrong."""

    def __init__(self, lab, directory, binaries=None):
        self.lab = lab
        self.failures = []
        self.down_s = collections.defaultdict(list)
        self.ready_s = collections.defaultdict(list)
        self.rounds = collections.Counter()
        self.run, self.state = directory / 'run', directory / 'state'
        self.env = dict(os.environ)
        if binaries:
            self.env['PACKETSCOPE_BIN'] = str(binaries)
        self.ns, self.peer = lab.ns('node'), lab.ns('peer')
        self.link = lab.veth(self.ns, self.peer)
        self.url = f'http://127.0.0.1:{self.ns.call(free_port)}'
        self.options = ['--http', self.url[7:], '--state', self.state,
                        '--run', self.run]
        self.paths, self.traces = [], []
        self.sent = 0
        self.held = set()
        self.readers, self.streams = {}, []
        self.argv = {}
        self.qdiscs = self._qdiscs()
        self.namespaces = set(os.listdir('/run/netns'))
        self.client = None

    # ---- the suite and its load --------------------------------------------

    def __enter__(self):
        self.lab.on_close(self._down_quietly)
        self._deploy('up', '--detach', '--no-geo')
        for name in DAEMONS:
            words = Path(f'/proc/{self.pid(name)}/cmdline').read_text('utf-8')
            self.argv[name] = words.split('\0')[:-1]
        token = (self.state / 'admin.token').read_text('ascii').strip()
        self.client = Client(self.url, token)
        self._load(token)
        return self

    def __exit__(self, *exc):
        self._end_load()

    def _deploy(self, name, *more):
        self.ns.run(ROOT / 'deploy' / name, *self.options, *more,
                    env=self.env, timeout=300)

    def _down_quietly(self):
        self.ns.run(ROOT / 'deploy/down', *self.options, env=self.env,
                    check=False, timeout=60)

    def _load(self, token):
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL,
                 'stdin': subprocess.DEVNULL}
        self.api('POST', 'rules', {'id': 'drop-9999', 'action': 'drop',
                                   'proto': 'udp',
                                   'dport': str(DROPPED_PORT)})
        self.api('POST', 'rules', {'id': 'drop-9998', 'action': 'drop',
                                   'proto': 'tcp', 'dport': '9998'})
        self._new_trace()
        self._new_path()
        self.ns.popen(['iperf3', '-s'], **quiet)
        wait_for(lambda: self.ns.run('ss', '-Hltn', 'sport = :5201').stdout)
        self.jobs = [
            self.peer.popen(['iperf3', '-c', self.link.a.v4, '-t', '3600',
                             '-b', '50M'], **quiet),
            self.peer.popen(['ping', '-q', '-i', '0.01', self.link.a.v4],
                            **quiet),
        ]
        self.sink = self.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind((self.link.a.v4, DROPPED_PORT))
        self.sink.setblocking(False)
        self.source = self.peer.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.source.connect((self.link.a.v4, DROPPED_PORT))
        for name, path in READS.items():
            self.readers[name] = Reader(self.ns, self.url, token, path)
        self.streams = [Stream(self.ns, self.url, token) for _ in range(4)]
        wait_for(lambda: all(s.opened for s in self.streams), 10)
        self._look(set())

    def _end_load(self):
        for one in (*self.readers.values(), *self.streams):
            one.stop.set()

    # ---- asking ------------------------------------------------------------

    def api(self, method, path, body=None):
        """One request, from inside the namespace."""
        return self.ns.call(self.client.request, method, path, body)

    def services(self):
        """{name: status}, None while nobody answers."""
        try:
            return {s['name']: s for s in
                    self.api('GET', 'services')['services']}
        except (ApiError, OSError):
            return None

    def pid(self, name):
        """A daemon's process."""
        return int((self.run / f'{name}.pid').read_text())

    def hits(self):
        """Packets that the rule dropped."""
        return self.api('GET', 'rules/drop-9999')['hit_packets']

    def _new_trace(self):
        # Small: the tracer keeps a size, not a number.
        body = {'filter': {'proto': 'icmp'}, 'max_packets': 200,
                'duration_ns': 4 * 10**9}
        self.traces.append(self.api('POST', 'traces', body)['id'])

    def _new_path(self):
        self.paths.append(self.api('POST', 'paths', {
            'target': self.link.b.v4, 'probes': 2, 'max_hops': 2,
            'timeout_ns': 200_000_000})['id'])

    def send(self, count=200):
        """Datagrams that the rule must drop."""
        for _ in range(count):
            self.source.send(b'x' * 64)
        self.sent += count

    # ---- one round ---------------------------------------------------------

    def fail(self, name, what):
        """Notes it."""
        self.failures.append(f'{name} #{self.rounds[name]}: {what}')

    def _tail(self, name):
        """The last lines that a daemon said."""
        log = self.state / 'log' / f'{name}.log'
        return log.read_text('utf-8', errors='replace')[-600:]

    def _timed(self, name, what, check, bound):
        """Seconds until it is so; more than the bound is a failure."""
        begin = time.monotonic()
        try:
            wait_for(check, 15, interval=0.02)
        except TimeoutError:
            self.fail(name, f'not {what} in 15 s; its log ends with '
                      f'{self._tail(name)!r}')
            return time.monotonic() - begin
        seconds = time.monotonic() - begin
        if seconds > bound * SLOW:
            self.fail(name, f'{what} after {seconds:.2f} s')
        return seconds

    def _is_down(self, name):
        services = self.services()
        return services is not None and services[name]['state'] == 'down'

    def _is_ready(self, name, pid):
        services = self.services()
        return services is not None and services[name].get('pid') == pid and \
            all(services[n]['state'] in READY for n in DAEMONS)

    def _all_are_there(self):
        """Their status; one that ended meanwhile is a failure, and is started
        for the rounds to come."""
        for name in DAEMONS:
            if has_ended(self.pid(name)):
                self.fail(name, f'it ended by itself: {self._tail(name)!r}')
                pid = self._start(name)
                self._timed(name, 'ready again',
                            lambda n=name, p=pid: self._is_ready(n, p),
                            READY_S)
        return self.services()

    def _start(self, name):
        """As it ran, by nobody's child."""
        log = self.state / 'log' / f'{name}.log'
        line = (f'setsid {shlex.join(self.argv[name])} </dev/null >>{log} '
                f'2>&1 & echo $! >{self.run}/{name}.pid')
        self.ns.run('bash', '-c', line, env=self.env)
        return self.pid(name)

    def round(self, name):
        """Kills it once and checks all that must hold."""
        self.rounds[name] += 1
        before = self._all_are_there()
        pids = {n: self.pid(n) for n in DAEMONS}
        self._acknowledge(name)
        self.held |= set().union(*(held(pid) for pid in pids.values()))

        begin = time.monotonic()
        os.kill(pids[name], signal.SIGKILL)
        wait_for(lambda: has_ended(pids[name]), 10, interval=0.005)
        if name != 'gateway':
            self.down_s[name].append(self._timed(
                name, 'down', lambda: self._is_down(name), DOWN_S))
        self.send()
        pid = self._start(name)
        self.ready_s[name].append(self._timed(
            name, 'ready', lambda: self._is_ready(name, pid), READY_S))
        if name == 'gateway':
            self._streams_came_back(name, begin)
        end = time.monotonic()
        self._others_are_the_same(name, before, pids)
        self._nothing_is_lost(name)
        self._look({name} if name != 'gateway' else set(DAEMONS), begin, end)

    def _acknowledge(self, name):
        """Changes whose answer has come when the kill does."""
        for what in (self._new_path, self._new_trace):
            try:
                what()
            except (ApiError, OSError) as error:
                self.fail(name, f'a change before it: {error}')

    def _streams_came_back(self, name, begin):
        def back():
            return all(s.opened[-1] > begin for s in self.streams)
        seconds = self._timed(name, 'reconnected by the streams', back,
                              READY_S)
        self.down_s[name].append(seconds)

    def _others_are_the_same(self, name, before, pids):
        after = self.services() or {}
        for other in DAEMONS:
            if other == name:
                continue
            if has_ended(pids[other]):
                self.fail(name, f'{other} has ended')
            elif after.get(other, {}).get('started') != \
                    before[other]['started']:
                self.fail(name, f'{other} was started anew')

    def _nothing_is_lost(self, name):
        try:
            rules = {r['id'] for r in self.api('GET', 'rules')['rules']}
            if rules != {'drop-9999', 'drop-9998'}:
                self.fail(name, f'rules are {sorted(rules)}')
            hits = self.hits()
            if hits != self.sent:
                self.fail(name, f'{self.sent} were sent to be dropped, '
                          f'{hits} hits counted')
            for ident in self.paths[-3:]:
                self.api('GET', f'paths/{ident}')
            for ident in self.traces[-3:]:
                self.api('GET', f'traces/{ident}')
        except (ApiError, OSError, TimeoutError) as error:
            self.fail(name, f'after it: {error}')
        try:
            self.sink.recv(100)
            self.fail(name, 'a packet came through that a rule drops')
        except BlockingIOError:
            pass

    def _look(self, victims, begin=0.0, end=0.0):
        """What readers and streams met outside of the victim's absence."""
        for name, reader in self.readers.items():
            for when, what in reader.failed:
                excused = name in victims and begin - 5 <= when <= end
                if not excused:
                    self.fail(next(iter(victims), '-'),
                              f'while it was away: {what}')
            reader.failed.clear()
        if 'gateway' not in victims:
            for stream in self.streams:
                if [t for t in stream.cut if t >= begin]:
                    self.fail(next(iter(victims), '-'),
                              'an event stream was cut')
        for stream in self.streams:
            stream.cut.clear()

    # ---- the end -----------------------------------------------------------

    def _qdiscs(self):
        return {where: self._qdisc(where) for where in (self.ns, self.peer)}

    @staticmethod
    def _qdisc(where):
        """Kinds and places; the kernel's own handles differ."""
        return where.run('tc', 'qdisc', 'show').stdout

    def finish(self):
        """All that was acknowledged is there; deploy/down leaves nothing."""
        self.rounds['end'] = 1
        self._end_load()
        for kind, idents in (('paths', self.paths), ('traces', self.traces)):
            listed = {one['id'] for one in self.ns.call(
                lambda kind=kind: list(self.client.pages(kind, kind)))}
            for ident in set(idents) - listed:
                self.fail('end', f'{kind}/{ident} was acknowledged and is '
                          'not there')
        for job in self.jobs:
            if job.poll() is not None:
                self.fail('end', f'{job.args[0]} ended: traffic stopped')
        if not any(s.seen['event'] for s in self.streams):
            self.fail('end', 'the streams saw no event')
        for name in DAEMONS:
            self.held |= held(self.pid(name))
        self._deploy('down')
        self._nothing_is_left()

    def _nothing_is_left(self):
        try:
            wait_for(lambda: not self.held & all_bpf(), 10)
        except TimeoutError:
            self.fail('end', f'BPF objects: {sorted(self.held & all_bpf())}')
        if pins(self.run):
            self.fail('end', f'pins: {pins(self.run)}')
        for where, what in self.qdiscs.items():
            if self._qdisc(where) != what:
                self.fail('end', f'qdiscs of {where}: {self._qdisc(where)}')
        mine = {n for n in set(os.listdir('/run/netns')) - self.namespaces
                if str(os.getpid()) in n}
        if mine:
            self.fail('end', f'namespaces: {sorted(mine)}')
        for proc in Path('/proc').glob('[0-9]*/cmdline'):
            try:
                words = proc.read_text('utf-8', errors='replace')
            except OSError:
                continue
            if str(self.run) in words and '/ps-' in words:
                self.fail('end', f'it still runs: {words}')
