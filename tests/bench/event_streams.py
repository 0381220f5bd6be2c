# SPDX-License-Identifier: MIT
"""A thousand and one clients of the event stream, one of which reads nothing:
how late the others get what happens, under a steady flow of changes and in a
burst. Nothing may be lost for those that read."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deployed import Deployed, cpu_s, rss_mib
from figures import Figure

CLIENTS, STALLED = 1001, 1
RATE = 5  # changes in a second; each makes three or four events
STEADY_S, STEADY_FULL_S = 15, 60
BURST = 100
ASK = json.dumps({'target': '127.0.0.1', 'probes': 1, 'max_hops': 1})


class _Changes:
    """Measurements of paths are asked for: changes that make events."""

    def __init__(self, suite):
        token = (suite.state / 'admin.token').read_text().strip()
        self.fields = {'Authorization': f'Bearer {token}',
                       'Content-Type': 'application/json'}
        self.conn = http.client.HTTPConnection(suite.http, timeout=10)
        self.made = 0

    def make(self):
        """One; as many as may wait already is an answer, too."""
        self.conn.request('POST', '/api/v1/paths', ASK, self.fields)
        reply = self.conn.getresponse()
        text = reply.read()
        if reply.status not in (202, 429):
            sys.exit(f'event_streams: {reply.status} {text.decode()}')
        self.made += reply.status == 202

    def steady(self, seconds):
        """RATE in a second."""
        begin = time.monotonic()
        for i in range(int(seconds * RATE)):
            time.sleep(max(0, begin + i / RATE - time.monotonic()))
            self.make()


class _Watch:
    """The clients, in a process of their own."""

    def __init__(self, suite):
        self.child = subprocess.Popen(
            [sys.executable, Path(__file__).with_name('event_watch.py'),
             suite.http, str(CLIENTS), str(STALLED)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        token = (suite.state / 'admin.token').read_text()
        self.child.stdin.write(token.strip() + '\n')
        self.child.stdin.flush()
        if self.child.stdout.readline() != 'ready\n':
            sys.exit('event_streams: the clients got no streams')

    def end(self):
        """What they got."""
        self.child.stdin.write('end\n')
        self.child.stdin.flush()
        found = json.loads(self.child.stdout.readline())
        self.child.wait(10)
        return found


def _run(suite, seconds):
    pid = suite.pid('gateway')
    rss_before = rss_mib(pid)
    changes = _Changes(suite)
    watch = _Watch(suite)
    rss_idle = rss_mib(pid)
    cpu, begin = cpu_s(pid), time.monotonic()
    changes.steady(seconds)
    share = 100 * (cpu_s(pid) - cpu) / (time.monotonic() - begin)
    for _ in range(BURST):
        changes.make()
    found = watch.end()
    found |= {'cpu_pct': share, 'rss_mib': rss_mib(pid),
              'stream_kib': (rss_idle - rss_before) * 1024 / CLIENTS,
              'made': changes.made}
    return found


def measure(full):
    """The figures."""
    with tempfile.TemporaryDirectory(prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        suite = Deployed(Path(directory))
        try:
            suite.up()
            found = _run(suite, STEADY_FULL_S if full else STEADY_S)
        finally:
            suite.down()
    missed = found['wrong'] + found['behind']
    return [
        Figure('sse_clients', found['standing'] if missed == 0 else 0,
               'clients', goal='>= 1000',
               note=f"{STALLED} stalled; {found['events']} events, "
                    f"{found['deliveries']} deliveries, {missed} clients "
                    f"that missed one"),
        Figure('sse_delay_ms_max', found['delay_max_ns'] / 1e6, 'ms',
               goal='<= 1000',
               note=f"of {found['delays']}; median "
                    f"{found['delay_p50_ns'] / 1e6:.1f}, 99th "
                    f"{found['delay_p99_ns'] / 1e6:.1f} ms; {found['made']} "
                    f"changes, {BURST} asked for at once"),
        Figure('sse_gateway_cpu_pct', found['cpu_pct'], '%',
               note='of a core, in the steady part'),
        Figure('sse_gateway_rss_mib', found['rss_mib'], 'MiB',
               note=f"{found['stream_kib']:.1f} KiB for a stream"),
    ]
