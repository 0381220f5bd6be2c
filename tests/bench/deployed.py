# SPDX-License-Identifier: MIT
"""The suite as its user starts it, with deploy/up, and what it uses."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMONS = ('gateway', 'analyzer', 'guarder', 'tracer', 'locator')


class Deployed:
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


def rss_mib(pid):
    """Resident set of a process."""
    text = Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1]) / 1024


def cpu_s(pid):
    """CPU seconds that a process has used."""
    # After the command's name: utime and stime are the 12th and 13th.
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
