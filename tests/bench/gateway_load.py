#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many requests the gateway answers beside nginx, and how late.

    tests/bench/gateway_load.py [--full]

`GET flows?limit=100` with a token while the analyzer holds 10,000 flows and
more (real packets over a veth), by wrk with 2 threads; beside it nginx gives
a file of the same bytes, one worker for each processor, without its access
log, by sendfile(). Both are on loopback and are measured one after the other,
pair by pair, since the machine's speed drifts.

The gateway may give an answer up to a second old again, and says so (Age);
what a client waits who does not want that is shown beside.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from deployed import Deployed, cpu_s  # noqa: E402  (after the path)
from figures import Figure, bootstrap_ratio, table  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

FLOWS = 10_000
CONNECTIONS = 16
PATH = '/api/v1/flows?limit=100'
SETUP = HERE.parents[1] / 'deploy' / 'setup'

NGINX_CONF = '''
daemon off;
master_process on;
worker_processes auto;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/json;
    client_body_temp_path {dir}/t1;
    proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    server {{ listen 127.0.0.1:{port}; root {dir}/www; }}
}}
'''


def _free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def _send(addr, count):
    """A UDP packet to each of so many ports, slowly enough to be counted."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for i in range(count):
            sock.sendto(b'x' * 32, (addr, 20_000 + i))
            if i % 200 == 0:
                time.sleep(0.002)


class Nginx:
    """An nginx of one's own, with a file."""

    def __init__(self, directory, body):
        self.dir = directory / 'nginx'
        (self.dir / 'www').mkdir(parents=True)
        (self.dir / 'www' / 'flows.json').write_bytes(body)
        port = _free_port()
        self.url = f'http://127.0.0.1:{port}/flows.json'
        conf = self.dir / 'nginx.conf'
        conf.write_text(NGINX_CONF.format(dir=self.dir, port=port))
        binary = subprocess.run([SETUP, '--nginx-path'], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        self.proc = subprocess.Popen(
            [binary, '-p', self.dir, '-c', conf, '-e',
             self.dir / 'error.log'], stdin=subprocess.DEVNULL)

    def wait(self, size):
        """Until it gives the file."""
        def gives():
            if self.proc.poll() is not None:
                raise RuntimeError((self.dir / 'error.log').read_text())
            try:
                with urllib.request.urlopen(self.url, timeout=5) as res:
                    return len(res.read()) == size
            except OSError:
                return False
        wait_for(gives, 10)
        return self

    def workers(self):
        """Its workers' processes."""
        path = Path(f'/proc/{self.proc.pid}/task/{self.proc.pid}/children')
        return [int(pid) for pid in path.read_text().split()]

    def stop(self):
        """Ends it."""
        self.proc.terminate()
        self.proc.wait(10)


def _milliseconds(text):
    value, unit = re.fullmatch(r'([\d.]+)(us|ms|s|m)', text).groups()
    return float(value) * {'us': 1e-3, 'ms': 1, 's': 1e3, 'm': 6e4}[unit]


def wrk(url, seconds, token=None, connections=CONNECTIONS, headers=()):
    """{'rps', 'p50', 'p99'}; an answer that is not 2xx is an error."""
    argv = ['wrk', '-t2', f'-c{connections}', f'-d{seconds}s', '--latency',
            '--timeout', '10s']
    if token:
        argv += ['-H', f'Authorization: Bearer {token}']
    for line in headers:
        argv += ['-H', line]
    out = subprocess.run([*argv, url], check=True, text=True,
                         stdout=subprocess.PIPE, timeout=seconds + 60).stdout
    if 'Non-2xx' in out or 'Socket errors' in out:
        raise RuntimeError(f'wrk {url}:\n{out}')
    found = {'rps': float(re.search(r'Requests/sec:\s+([\d.]+)', out)[1])}
    for part in ('50', '99'):
        found['p' + part] = _milliseconds(
            re.search(rf'^\s+{part}%\s+(\S+)', out, re.M)[1])
    return found


class Load:
    """The deployed suite with its flows, and nginx beside it."""

    def __init__(self, lab, directory):
        self.lab, self.dir = lab, directory
        self.suite = Deployed(directory)
        self.nginx = None

    @property
    def url(self):
        """What is asked for."""
        return f'http://{self.suite.http}{PATH}'

    def token(self):
        """The first administrator's."""
        return (self.suite.state / 'admin.token').read_text().strip()

    def fresh(self):
        """One answer that nobody had before: bytes and headers."""
        request = urllib.request.Request(self.url, headers={
            'Authorization': f'Bearer {self.token()}',
            'Cache-Control': 'no-cache'})
        with urllib.request.urlopen(request, timeout=10) as res:
            return res.read(), res.headers

    def flows(self):
        """How many flows the analyzer has."""
        return json.loads(self.fresh()[0])['total']

    def start(self):
        """The suite, its flows, nginx."""
        self.suite.up()
        node, peer = self.lab.ns('node'), self.lab.ns('peer')
        link = self.lab.veth(node, peer)
        peer.call(_send, link.a.v4, FLOWS)
        wait_for(lambda: self.flows() >= FLOWS, 20)
        body, _ = self.fresh()
        if len(json.loads(body)['flows']) != 100:
            raise RuntimeError('the answer has not 100 flows')
        self.nginx = Nginx(self.dir, body).wait(len(body))
        return len(body)

    def pair(self, seconds):
        """Both, one after the other: ({…}, {…}) with CPU per request."""
        found = []
        for url, token, pids in (
                (self.url, self.token(), [self.suite.pid('gateway')]),
                (self.nginx.url, None, self.nginx.workers())):
            before = sum(map(cpu_s, pids))
            got = wrk(url, seconds, token)
            used = sum(map(cpu_s, pids)) - before
            got['cpu_us'] = 1e6 * used / (got['rps'] * seconds)
            found.append(got)
        return found

    def stop(self):
        """Ends all."""
        if self.nginx:
            self.nginx.stop()
        self.suite.down()


def _median(runs, key):
    return sorted(run[key] for run in runs)[len(runs) // 2]


def _run(load, full):
    size = load.start()
    load.pair(1)    # both warm
    pairs = [load.pair(5 if full else 3) for _ in range(16 if full else 8)]
    ours, theirs = zip(*pairs)
    uncached = wrk(load.url, 3, load.token(), 2, ['Cache-Control: no-cache'])
    ratio = bootstrap_ratio([(a['rps'], b['rps']) for a, b in pairs])
    left = load.flows()
    if left < FLOWS:
        raise RuntimeError(f'only {left} flows are left at the end')
    workers = len(load.nginx.workers())
    rps, cpu = _median(ours, 'rps'), _median(ours, 'cpu_us')
    return [
        Figure('gateway_rps_over_nginx', ratio.low, samples=ratio.samples,
               goal='>= 0.5', note=f'lower bound of {ratio}; {rps:.0f} beside '
               f'{_median(theirs, "rps"):.0f} in a second, {size} bytes, '
               f'{workers} nginx workers'),
        Figure.median('gateway_p99_ms', [run['p99'] for run in ours],
                      unit='ms', goal='<= 10',
                      note=f'p50 {_median(ours, "p50"):.2f} ms; nginx p99 '
                      f'{_median(theirs, "p99"):.2f} ms; {CONNECTIONS} '
                      'connections'),
        Figure('gateway_cpu_us_per_request', cpu, 'us',
               note=f'nginx {_median(theirs, "cpu_us"):.1f} us'),
        Figure('gateway_uncached_p99_ms', uncached['p99'], 'ms',
               note=f'{left} flows, 2 connections, p50 '
               f'{uncached["p50"]:.1f} ms'),
    ]


def measure(full=False):
    """The figures."""
    subprocess.run([SETUP, 'bench'], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    with Lab('gateway_load') as lab, \
            tempfile.TemporaryDirectory(prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        load = Load(lab, Path(directory))
        try:
            return _run(load, full)
        finally:
            load.stop()


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
