# SPDX-License-Identifier: MIT
"""The daemons, as a test starts them: one (Daemon) or all (Suite)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import stale
from .api import Client
from .wait import SLOW, free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
PRESET = os.environ.get('PACKETSCOPE_TEST_PRESET', 'dev')
BUILD = ROOT / 'build' / PRESET
# TSan stops at nothing, so that all is seen; the others end the daemon.
SANITIZERS = {'LSAN_OPTIONS':
              f'suppressions={ROOT / "tests/e2e/lsan.supp"}',
              'TSAN_OPTIONS':
              f'suppressions={ROOT / "tests/unit/tsan.supp"}'}
ORDER = ('guarder', 'tracer', 'analyzer', 'locator', 'gateway')


def bin_path(name):
    """build/<preset>/bin/ps-NAME."""
    return BUILD / 'bin' / f'ps-{name}'


def missing(*names):
    """Which of these daemons are not built."""
    return [n for n in names if not bin_path(n).exists()]


class Daemon:
    """One daemon: started in a namespace of a lab, ended with it.

    Its log is in .log_path, its exit code in .proc.returncode. SIGTERM by
    stop(), SIGKILL by kill().
    """

    def __init__(self, lab, name, *args, run_dir=None, state_dir=None,
                 ns=None, env=None):
        self.lab = lab
        self.name = name
        self.ns = ns or lab.host
        base = _scratch(lab)
        self.run_dir = Path(run_dir or base / 'run')
        self.state_dir = Path(state_dir or base / 'state')
        self.args = [str(a) for a in args]
        self.env = {**SANITIZERS, **os.environ, **{k: str(v)
                                     for k, v in (env or {}).items()}}
        self.log_path = base / f'{name}.log'
        self.proc = None

    @property
    def argv(self):
        """The command line."""
        return [str(bin_path(self.name)), '--run-dir', str(self.run_dir),
                '--state-dir', str(self.state_dir), *self.args]

    def start(self, wait=True, timeout=30):
        """Starts it; wait: until its socket answers."""
        with open(self.log_path, 'ab') as log:
            self.proc = self.ns.popen(self.argv, env=self.env, stdout=log,
                                      stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            wait_for(self._is_up, timeout, what=f'ps-{self.name} ready')
        return self

    def _is_up(self):
        code = self.proc.poll()
        if code is not None:
            raise RuntimeError(f'ps-{self.name} ended with {code}:\n' +
                               self.log()[-3000:])
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self.run_dir / f'{self.name}.rep'))
                # Its greeting must go out: NNG 1.5.2 stops accepting when
                # that write finds the peer gone (EPIPE taken for closed).
                sock.settimeout(2 * SLOW)
                sock.recv(8)
            except OSError:
                return False
        return True

    def log(self):
        """What it has said so far."""
        try:
            return self.log_path.read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def stop(self, sig=signal.SIGTERM, timeout=15):
        """Ends it and returns its exit code (negative: a signal)."""
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(timeout * SLOW)
            except subprocess.TimeoutExpired as exc:
                hangs = self._threads()
                self.proc.kill()
                self.proc.wait()
                raise TimeoutError(
                    f'ps-{self.name} does not end:\n{hangs}\n'
                    f'{self.log()[-2000:]}') from exc
        return self.proc.returncode

    def _threads(self):
        """Where each of its threads stands in the kernel."""
        lines = []
        for task in sorted(Path(f'/proc/{self.proc.pid}/task').iterdir()):
            said = [task.name]
            for what in ('comm', 'wchan', 'syscall', 'stack'):
                try:
                    said.append((task / what).read_text().strip())
                except OSError:
                    continue
            lines.append(' '.join(said))
        return '\n'.join(lines)

    def kill(self):
        """SIGKILL."""
        return self.stop(signal.SIGKILL)

    def run_once(self, *args, timeout=60):
        """Runs the binary with only these arguments, to its end."""
        return self.ns.run(bin_path(self.name), *args, check=False,
                           timeout=timeout, env=self.env)

    def rss_kib(self):
        """Resident memory now."""
        with open(f'/proc/{self.proc.pid}/status', encoding='ascii') as file:
            for line in file:
                if line.startswith('VmRSS:'):
                    return int(line.split()[1])
        return 0


class Suite:
    """All five daemons (or some), and a client with the first admin's token.

        with Suite(lab, ns=a) as suite:
            suite.client.get('services')
            suite['guarder'].kill()

    args: {'guarder': ['--interfaces', 'eth0']} adds to command lines.
    """

    def __init__(self, lab, *, ns=None, daemons=ORDER, args=None, port=None):
        self.lab = lab
        self.ns = ns or lab.host
        self.port = port or self.ns.call(free_port)
        args = args or {}
        base = _scratch(lab)
        self.run_dir, self.state_dir = base / 'run', base / 'state'
        self.daemons = {}
        for name in ORDER:
            if name not in daemons:
                continue
            extra = list(args.get(name, ()))
            if name == 'gateway':
                extra = ['--http', f'127.0.0.1:{self.port}',
                         *_patience(), *extra]
            self.daemons[name] = Daemon(
                lab, name, *extra, run_dir=self.run_dir,
                state_dir=self.state_dir, ns=self.ns)
        self.client = None

    def __getitem__(self, name):
        return self.daemons[name]

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def url(self):
        """The gateway's address, valid inside the suite's namespace."""
        return f'http://127.0.0.1:{self.port}'

    def token(self):
        """The first administrator's token."""
        path = wait_for(lambda: next(iter(
            self.state_dir.rglob('admin.token')), None), 10,
            what='admin.token')
        return path.read_text(encoding='ascii').strip()

    def start(self, timeout=60):
        """Starts all and waits until the gateway says all are ready."""
        for daemon in self.daemons.values():
            daemon.start(wait=False)
        for daemon in self.daemons.values():
            wait_for(daemon._is_up, timeout, what=f'ps-{daemon.name} ready')
        if 'gateway' in self.daemons:
            self.client = NsClient(self.ns, self.url, self.token())
            want = set(self.daemons) - {'gateway'}
            wait_for(lambda: want <= set(self.ready()), timeout,
                     what=f'services {sorted(want)} known to the gateway')
        return self

    def ready(self):
        """Names of the services that the gateway knows now."""
        answer = self.client.get('services')
        return [s.get('name') for s in answer.get('services') or []
                if s.get('state') in (None, 'ready', 'degraded')]

    def stop(self):
        """Ends all, the gateway first; returns {name: exit code}.

        The guarder's enforcement is taken off afterwards.
        """
        codes = {}
        for name in reversed(list(self.daemons)):
            codes[name] = self.daemons[name].stop()
        if 'guarder' in self.daemons:
            self.daemons['guarder'].run_once(
                '--flush', '--run-dir', self.run_dir,
                '--state-dir', self.state_dir)
        return codes


def _patience():
    """A slow machine's gateway waits longer for the daemons."""
    if SLOW == 1:
        return []
    return ['--request-timeout', f'{2 * SLOW:.0f}s', '--host-timeout',
            f'{SLOW:.0f}s', '--metrics-timeout', f'{SLOW:.0f}s']


class NsClient(Client):
    """A client whose connections are made inside a namespace."""

    def __init__(self, ns, base, token=None, timeout=10):
        super().__init__(base, token, timeout)
        self.ns = ns

    def open(self, *args, **kwargs):
        return self.ns.call(super().open, *args, **kwargs)


def _flush(folder):
    """Takes off what a guarder that ran in this folder left enforced."""
    if missing('guarder'):
        return
    for lock in Path(folder).glob('*/guarder.lock'):
        subprocess.run([bin_path('guarder'), '--flush', '--run-dir',
                        lock.parent, '--state-dir', folder / 'state'],
                       check=False, capture_output=True, timeout=30 * SLOW)


stale.before_removal.append(_flush)


def deploy_up(lab, *args, http_port=None, timeout=300):
    """`deploy/up --detach` on the host; (Client, state dir, run dir).

    deploy/down is called when the lab closes.
    """
    base = _scratch(lab)
    port = http_port or free_port()
    same = ['--http', f'127.0.0.1:{port}', '--state', base / 'up-state',
            '--run', base / 'up-run']
    lab.on_close(lambda: lab.host.run(ROOT / 'deploy/down', *same,
                                      check=False, timeout=60))
    lab.host.run(ROOT / 'deploy/up', '--detach', *same, *args,
                 timeout=timeout)
    path = next(iter((base / 'up-state').rglob('admin.token')))
    token = path.read_text(encoding='ascii').strip()
    return (Client(f'http://127.0.0.1:{port}', token),
            base / 'up-state', base / 'up-run')


def _scratch(lab):
    """A directory of the lab's own, removed with it (kept: see below).

    PACKETSCOPE_TEST_KEEP=DIR copies the logs there first.
    """
    if getattr(lab, 'scratch', None) is None:
        lab.scratch = Path(tempfile.mkdtemp(
            prefix=stale.make_name(lab.test, 'dir') + '-'))
        lab.scratch.chmod(0o755)    # the daemons become another user

        def remove():
            keep = os.environ.get('PACKETSCOPE_TEST_KEEP')
            if keep:
                dest = Path(keep) / f'{lab.test}-{time.time_ns()}'
                shutil.copytree(lab.scratch, dest, dirs_exist_ok=True,
                                ignore_dangling_symlinks=True,
                                ignore=_only_files)
            _flush(lab.scratch)
            lab.reports += sanitizer_reports(lab.scratch)
            shutil.rmtree(lab.scratch, ignore_errors=True)
            lab.scratch = None

        # After the processes: close() runs these before ending them.
        lab.last = remove
    return lab.scratch


REPORT = re.compile(
    r'(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error:)')


def sanitizer_reports(folder):
    """What the sanitizers wrote into the logs below a folder."""
    found = []
    for path in sorted(Path(folder).rglob('*.log')):
        lines = path.read_text(errors='replace').splitlines()
        for i, line in enumerate(lines):
            if REPORT.search(line):
                found += [f'{path.name}:{i + 1}:', *lines[i:i + 40]]
                break
    return found


def _only_files(folder, names):
    return [n for n in names if not (Path(folder) / n).is_dir() and
            not (Path(folder) / n).is_file()]
