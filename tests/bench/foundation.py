# SPDX-License-Identifier: MIT
"""The suite as `deploy/up` starts it: how soon, how large, how busy, and
whether it counts right."""

import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
import json
from pathlib import Path

import count_error
from figures import Figure

ROOT = Path(__file__).resolve().parents[2]
DAEMONS = ('gateway', 'analyzer', 'guarder', 'tracer', 'locator')
IDLE_S = 60


class _Suite:
    """deploy/up and deploy/down with directories and a port of their own."""

    def __init__(self, directory):
        with socket.socket() as sock:
            sock.bind(('127.0.0.1', 0))
            self.http = f'127.0.0.1:{sock.getsockname()[1]}'
        self.run, self.state = directory / 'run', directory / 'state'

    def _call(self, name, *args):
        subprocess.run([ROOT / 'deploy' / name, '--http', self.http,
                        '--state', self.state, '--run', self.run, *args],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def up(self):
        """Seconds until deploy/up came back ready."""
        start = time.monotonic()
        self._call('up', '--detach', '--no-geo')
        return time.monotonic() - start

    def down(self):
        """Ends it."""
        self._call('down')

    def pid(self, name):
        """A daemon's process."""
        return int((self.run / f'{name}.pid').read_text())

    def get(self, path):
        """One answer of the API."""
        token = (self.state / 'admin.token').read_text().strip()
        request = urllib.request.Request(
            f'http://{self.http}/api/v1/{path}',
            headers={'Authorization': f'Bearer {token}'})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)


def _rss_mib(pid):
    text = Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1]) / 1024


def _cpu_s(pid):
    # After the command's name: utime and stime are the 12th and 13th.
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _idle(suite):
    """RSS and CPU of each daemon over a minute in which nobody asks."""
    time.sleep(5)
    pids = {name: suite.pid(name) for name in DAEMONS}
    before = {name: _cpu_s(pid) for name, pid in pids.items()}
    start = time.monotonic()
    time.sleep(IDLE_S)
    seconds = time.monotonic() - start
    cpu = {name: 100 * (_cpu_s(pid) - before[name]) / seconds
           for name, pid in pids.items()}
    rss = {name: _rss_mib(pid) for name, pid in pids.items()}
    return rss, cpu


def _each(values):
    return ', '.join(f'{name} {value:.2f}' for name, value in values.items())


def measure(full):
    """The figures."""
    with tempfile.TemporaryDirectory(prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        suite = _Suite(Path(directory))
        try:
            suite.up()  # the first: builds what is missing
            starts = []
            for _ in range(9 if full else 5):
                suite.down()
                starts.append(suite.up())
            rss, cpu = _idle(suite)
            maps = {s['name']: s.get('bpf_memory_bytes', 0) / 2**20
                    for s in suite.get('services')['services']}
        finally:
            suite.down()
    return [
        Figure.median('up_second_start_s', starts, unit='s', goal='<= 3'),
        Figure('idle_rss_mib_max', max(rss.values()), 'MiB',
               goal='<= 64', note=_each(rss)),
        Figure('idle_cpu_pct_max', max(cpu.values()), '%',
               goal='<= 0.5', note=_each(cpu)),
        Figure('kernel_map_mib', sum(maps.values()), 'MiB',
               note=_each(maps)),
        Figure('count_error_packets', count_error.measure()[
            'count_error_packets'], 'packets', goal='= 0'),
    ]
