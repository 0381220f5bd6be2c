# SPDX-License-Identifier: MIT
"""Lab: namespaces, links, bridges and routers that vanish after the test."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from .nsenter import call_in, child_setup
from .stale import clean_stale, make_name, remove_namespace
from .wait import SLOW

QUIET = {
    'net.ipv6.conf.all.disable_ipv6': 0,
    'net.ipv6.conf.all.accept_dad': 0,
    'net.ipv6.conf.default.accept_dad': 0,
    'net.ipv6.conf.default.accept_ra': 0,
    'net.ipv6.conf.default.router_solicitations': 0,
    'net.ipv6.conf.default.mldv1_unsolicited_report_interval': 1,
    'net.ipv6.conf.default.mldv2_unsolicited_report_interval': 1,
    'net.ipv4.ping_group_range': '0 2147483647',
}


@dataclass
class Counters:
    """An interface's own counters, in the units of DESIGN: skbs and bytes."""
    rx_packets: int
    rx_bytes: int
    rx_dropped: int
    tx_packets: int
    tx_bytes: int
    tx_dropped: int

    def __sub__(self, old):
        return Counters(**{k: v - getattr(old, k)
                           for k, v in vars(self).items()})


class Namespace:
    """A network namespace; name None is the host's own."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name

    def __repr__(self):
        return f'Namespace({self.name or "host"})'

    def popen(self, argv, **kwargs):
        """Starts a child in here; it dies with the lab or with the test.

        Call it from a thread that lives on: the child ends with the thread.
        """
        proc = subprocess.Popen([str(a) for a in argv],
                                preexec_fn=child_setup(self.name), **kwargs)
        self.lab.own(proc)
        return proc

    def run(self, *argv, check=True, timeout=60, **kwargs):
        """Runs a command to its end; returns its CompletedProcess (text)."""
        kwargs.setdefault('stdout', subprocess.PIPE)
        kwargs.setdefault('stderr', subprocess.PIPE)
        kwargs.setdefault('text', True)
        if 'input' not in kwargs:
            kwargs.setdefault('stdin', subprocess.DEVNULL)
        res = subprocess.run([str(a) for a in argv], check=False,
                             timeout=timeout * SLOW,
                             preexec_fn=child_setup(self.name), **kwargs)
        if check and res.returncode != 0:
            raise RuntimeError(f'{self}: {argv} exited {res.returncode}: '
                               f'{(res.stderr or "").strip()}')
        return res

    def call(self, func, *args, **kwargs):
        """Runs a Python function in a thread inside this namespace."""
        return call_in(self.name, func, *args, **kwargs)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM,
               proto=0):
        """A socket that belongs to this namespace, owned by the caller."""
        return self.call(socket.socket, family, kind, proto)

    def ip(self, *args):
        """ip ARGS in here; with -j first, the parsed JSON."""
        argv = ['ip', *([] if self.name is None else ['-n', self.name]),
                *[str(a) for a in args]]
        res = subprocess.run(argv, check=False, capture_output=True,
                             text=True)
        if res.returncode != 0:
            raise RuntimeError(f'{" ".join(argv)}: {res.stderr.strip()}')
        if '-j' in args:
            return json.loads(res.stdout or '[]')
        return res.stdout

    def sysctl(self, key, value=None):
        """Reads a sysctl of this namespace, or writes it."""
        path = '/proc/sys/' + key.replace('.', '/')

        def body():
            if value is not None:
                with open(path, 'w', encoding='ascii') as file:
                    file.write(str(value))
            with open(path, encoding='ascii') as file:
                return file.read().strip()

        return self.call(body)

    def nft(self, text):
        """Loads nft rules given as text."""
        self.run('nft', '-f', '-', input=text)

    def nft_json(self, *args):
        """nft -j ARGS, e.g. nft_json('list', 'counters')['nftables']."""
        return json.loads(self.run('nft', '-j', *args).stdout)

    def nft_counters(self):
        """Named counters: {name: (packets, bytes)}."""
        items = self.nft_json('list', 'counters')['nftables']
        return {i['counter']['name']: (i['counter']['packets'],
                                       i['counter']['bytes'])
                for i in items if 'counter' in i}

    def snmp(self):
        """The stack's own counters: {'Tcp': {'OutSegs': 1, …}, 'Udp6': …}."""
        return self.call(_read_snmp)


def _read_snmp():
    out = {}
    for name in ('snmp', 'netstat'):
        with open(f'/proc/thread-self/net/{name}', encoding='ascii') as file:
            lines = file.read().splitlines()
        for head, vals in zip(lines[::2], lines[1::2]):
            proto, keys = head.split(':')
            nums = [int(v) for v in vals.split(':')[1].split()]
            out[proto] = dict(zip(keys.split(), nums))
    with open('/proc/thread-self/net/snmp6', encoding='ascii') as file:
        for line in file:
            key, value = line.split()
            proto, _, rest = key.partition('6')
            out.setdefault(proto + '6', {})[rest] = int(value)
    return out


@dataclass
class Iface:
    """One end of a link."""
    ns: Namespace
    name: str
    mac: str
    v4: str = ''
    v6: str = ''

    @property
    def index(self):
        """The interface's index in its namespace."""
        return self.ns.call(socket.if_nametoindex, self.name)

    def addr(self, version):
        """The address for 4 or 6."""
        return self.v4 if version == 4 else self.v6

    def counters(self):
        """The interface's counters now."""
        link = self.ns.ip('-s', '-j', 'link', 'show', 'dev', self.name)[0]
        stat = link['stats64']
        rx, tx = stat['rx'], stat['tx']
        return Counters(rx['packets'], rx['bytes'], rx['dropped'],
                        tx['packets'], tx['bytes'], tx['dropped'])

    def offload(self, **features):
        """E.g. offload(gro=False, tso=False, gso=True)."""
        args = []
        for key, on in features.items():
            args += [key.replace('_', '-'), 'on' if on else 'off']
        self.ns.run('ethtool', '-K', self.name, *args)

    def set(self, *args):
        """ip link set dev NAME ARGS."""
        self.ns.ip('link', 'set', 'dev', self.name, *args)


@dataclass
class Link:
    """A veth pair."""
    a: Iface
    b: Iface

    def __iter__(self):
        return iter((self.a, self.b))

    def settle(self, quiet=0.15, timeout=3.0):
        """Waits until the ends' counters stand still (MLD, ND are over)."""
        end = time.monotonic() + timeout * SLOW
        old = (self.a.counters(), self.b.counters())
        since = time.monotonic()
        while time.monotonic() < end:
            time.sleep(0.03)
            new = (self.a.counters(), self.b.counters())
            if new != old:
                old, since = new, time.monotonic()
            elif time.monotonic() - since >= quiet:
                return
        raise TimeoutError('link does not become quiet')


class Lab:
    """Everything that one test makes; a context manager."""

    _live = set()
    _lock = threading.Lock()

    def __init__(self, test):
        if os.geteuid() != 0:
            raise PermissionError('the lab needs root (network namespaces)')
        self.test = test
        self.namespaces = []
        self.host = Namespace(self, None)
        self._host_links = []
        self._procs = []
        self._cleanups = []
        self.scratch = None     # made by suite.py when asked for
        self.last = None        # removes it, after the processes ended
        self.reports = []       # of sanitizers, in the daemons' logs
        self._subnets = 0
        self._ifaces = 0
        clean_stale()
        _install_handlers()
        Lab._live.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def own(self, proc):
        """Takes a Popen that is ended with the lab."""
        self._procs.append(proc)

    def on_close(self, func):
        """Calls func() when the lab closes, last first."""
        self._cleanups.append(func)

    def close(self):
        """Removes everything; may be called again."""
        while self._cleanups:
            _quietly(self._cleanups.pop())
        for proc in reversed(self._procs):
            if proc.poll() is None:
                proc.terminate()
        for proc in reversed(self._procs):
            _quietly(lambda p=proc: _reap(p))
        self._procs.clear()
        while self._host_links:
            name = self._host_links.pop()
            _quietly(lambda n=name: subprocess.run(
                ['ip', 'link', 'del', n], check=False,
                stderr=subprocess.DEVNULL))
        while self.namespaces:
            name = self.namespaces.pop().name
            _quietly(lambda n=name: remove_namespace(n))
        if self.last is not None:
            _quietly(self.last)
            self.last = None
        Lab._live.discard(self)
        reports, self.reports = self.reports, []
        assert not reports, 'a sanitizer reported:\n' + '\n'.join(reports)

    def ns(self, label):
        """A new namespace with lo up, both IP versions, no DAD, no RS."""
        name = make_name(self.test, label)
        ns = Namespace(self, name)
        self.namespaces.append(ns)
        self.host.ip('netns', 'add', name)
        for key, value in QUIET.items():
            ns.sysctl(key, value)
        ns.ip('link', 'set', 'lo', 'up')
        return ns

    def subnet(self):
        """A fresh ('10.x.y', 'fd00:…') pair: append '.1' and '::1'."""
        pid = os.getpid()
        self._subnets += 1
        net = 64 + pid % 128
        low = (pid // 128 * 16 + self._subnets) % 256
        return (f'10.{net}.{low}',
                f'fd00:{pid >> 16:x}:{pid & 0xffff:x}:{self._subnets:x}')

    def _iface_name(self):
        self._ifaces += 1
        return f'ps{os.getpid():x}v{self._ifaces:x}'[-15:]

    def _pair(self, a, b, names):
        name_a, name_b = names
        args = ['link', 'add', name_a, *([] if a.name is None
                                         else ['netns', a.name]),
                'type', 'veth', 'peer', 'name', name_b]
        if b.name is not None:
            args += ['netns', b.name]
        elif a.name is not None:
            args += ['netns', str(os.getpid())]
        self.host.ip(*args)
        ends = []
        for ns, name in ((a, name_a), (b, name_b)):
            if ns.name is None:
                self._host_links.append(name)
                for key in ('accept_dad', 'accept_ra'):
                    ns.sysctl(f'net.ipv6.conf.{name}.{key}', 0)
            mac = ns.ip('-j', 'link', 'show', 'dev', name)[0]['address']
            ends.append(Iface(ns, name, mac))
        return Link(*ends)

    def veth(self, a, b, *, names=None, addresses=True, neigh=True,
             settle=True):
        """A veth pair with .1 at a and .2 at b, up, on both IP versions.

        neigh: permanent neighbours, so that no ARP or ND packet is seen.
        names: the interfaces' names; made up by default.
        """
        names = names or (self._iface_name(), self._iface_name())
        link = self._pair(a, b, names)
        if addresses:
            v4, v6 = self.subnet()
            for num, end in enumerate(link, 1):
                end.v4, end.v6 = f'{v4}.{num}', f'{v6}::{num}'
                end.ns.ip('addr', 'add', f'{end.v4}/24', 'dev', end.name)
                end.ns.ip('addr', 'add', f'{end.v6}/64', 'dev', end.name,
                          'nodad')
        for end in link:
            end.set('up')
        if addresses and neigh:
            for end, peer in ((link.a, link.b), (link.b, link.a)):
                for addr in (peer.v4, peer.v6):
                    end.ns.ip('neigh', 'replace', addr, 'lladdr', peer.mac,
                              'dev', end.name, 'nud', 'permanent')
        if settle:
            link.settle()
        return link

    def bridge(self, members, label='br'):
        """Namespaces joined by a bridge in one more; returns their ends.

        The answer is (bridge namespace, [Iface of each member]).
        """
        hub = self.ns(label)
        hub.ip('link', 'add', 'br0', 'type', 'bridge')
        hub.ip('link', 'set', 'br0', 'up')
        v4, v6 = self.subnet()
        ends, ports = [], []
        for num, ns in enumerate(members, 1):
            link = self.veth(ns, hub, addresses=False, settle=False)
            link.b.set('master', 'br0')
            end = link.a
            end.v4, end.v6 = f'{v4}.{num}', f'{v6}::{num}'
            end.ns.ip('addr', 'add', f'{end.v4}/24', 'dev', end.name)
            end.ns.ip('addr', 'add', f'{end.v6}/64', 'dev', end.name,
                      'nodad')
            ends.append(end)
            ports.append(link)
        for link in ports:
            link.settle()
        return hub, ends

    def router(self, *edges, label='router'):
        """Edges joined by one router: (router namespace, [Link…]).

        Each link's a is the edge's end, b the router's; default routes on
        both IP versions are set in the edges.
        """
        hub = self.ns(label)
        hub.sysctl('net.ipv4.ip_forward', 1)
        hub.sysctl('net.ipv6.conf.all.forwarding', 1)
        links = []
        for ns in edges:
            link = self.veth(ns, hub)
            ns.ip('route', 'add', 'default', 'via', link.b.v4)
            ns.ip('-6', 'route', 'add', 'default', 'via', link.b.v6)
            links.append(link)
        return hub, links

    def chain(self, first, last, hops, label='hop'):
        """first - hop1 - … - last, routed both ways; returns (hops, links).

        For path measurements: `last` is `hops` routers away from `first`.
        """
        routers = [self.ns(f'{label}{i}') for i in range(1, hops + 1)]
        nodes = [first, *routers, last]
        links = [self.veth(x, y) for x, y in zip(nodes, nodes[1:])]
        for ns in routers:
            ns.sysctl('net.ipv4.ip_forward', 1)
            ns.sysctl('net.ipv6.conf.all.forwarding', 1)
            ns.sysctl('net.ipv4.icmp_ratelimit', 0)
            ns.sysctl('net.ipv6.icmp.ratelimit', 0)
        for i, ns in enumerate(nodes):
            for j, link in enumerate(links):
                if j in (i - 1, i):
                    continue
                via = links[i].b if j > i else links[i - 1].a
                for addr, gate, bits in ((link.a.v4, via.v4, 24),
                                         (link.a.v6, via.v6, 64)):
                    net = (addr.rsplit('.', 1)[0] + '.0' if bits == 24
                           else addr.rsplit('::', 1)[0] + '::')
                    ns.ip('route', 'add', f'{net}/{bits}', 'via', gate)
        return routers, links


def _reap(proc):
    try:
        proc.wait(5)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait(5)


def _quietly(func):
    try:
        func()
    except Exception as exc:  # removal goes on whatever happens
        print(f'lab: {exc}', file=sys.stderr)


def _close_all():
    for lab in list(Lab._live):
        lab.close()


def _on_signal(signum, _frame):
    _close_all()
    sys.exit(128 + signum)


_installed = False


def _install_handlers():
    global _installed
    if _installed:
        return
    _installed = True
    atexit.register(_close_all)
    if threading.current_thread() is threading.main_thread():
        for sig in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(sig) == signal.SIG_DFL:
                signal.signal(sig, _on_signal)
