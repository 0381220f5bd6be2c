# SPDX-License-Identifier: MIT
"""A Debian kernel in qemu (software emulation) that runs one script.

    results = Vm('6.1').run(files=['build/release/bin/ps-tracer'],
                            script='. /lib.sh\\nt version ps-tracer --version')

The script's lines `PSTEST ok|fail|skip NAME [detail]` are the results.
"""

import ctypes
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import kernels
from image import MODULES, Image

# cx16=off: qemu 7.2 emulates cmpxchg16b wrongly under interrupts, and the
# kernel's slab allocator then panics (6.12: 2 of 5 boots; without: 0 of 12).
QEMU = ['qemu-system-x86_64', '-M', 'pc', '-cpu', 'max,cx16=off', '-smp', '1',
        '-accel', 'tcg', '-no-reboot', '-nographic',
        '-nic', 'none']
# Time by instructions, not by the host's clock: other load changes no figure,
# and a machine that waits does not wait.
STEADY = ['-icount', 'shift=1,sleep=off']
APPEND = 'console=ttyS0 quiet panic=-1 mitigations=off'
TOOLS = ['bash', 'ip', 'tc', 'nft', 'curl', 'ss', 'ethtool', 'jq', 'bpftool']
VERDICTS = ('ok', 'fail', 'skip')


@dataclass
class Result:
    """One test inside the machine."""
    verdict: str
    name: str
    detail: str = ''


@dataclass
class Run:
    """What one boot gave."""
    results: list = field(default_factory=list)
    log: str = ''
    release: str = ''
    code: int = -1          # the script's exit code; -1: did not end
    seconds: float = 0.0
    boot_seconds: float = 0.0

    @property
    def ended(self):
        """Did the script come to its end?"""
        return self.code >= 0

    def named(self, name):
        """The result with a name, or None."""
        return next((r for r in self.results if r.name == name), None)

    def of(self, verdict):
        """The results with a verdict."""
        return [r for r in self.results if r.verdict == verdict]


class Vm:
    """One kernel; each run boots it anew."""

    def __init__(self, kernel):
        self.kernel = kernels.get(kernel)

    def run(self, script, files=(), *, tools=TOOLS, modules=MODULES,
            timeout=180, echo=None, fill=None, memory=2048, steady=False):
        """Boots, runs the shell script, powers off.

        files: paths, or (path, path inside). echo: a file that the console
        is copied to. fill(image) adds more; memory is in MiB. steady: see
        STEADY.
        Returns a Run; a time-out is a Run that has not ended.
        """
        with tempfile.TemporaryDirectory(prefix='ps-vm-') as tmp:
            image = Image(Path(tmp) / 'tree')
            for name in tools:
                path = shutil.which(name) or shutil.which(
                    name, path='/usr/sbin:/sbin')
                if path:
                    image.add(path, f'/usr/sbin/{name}')
                    busy = image.root / 'bin' / name
                    if busy.is_symlink():
                        busy.unlink()
            for item in files:
                image.add(*([item] if isinstance(item, (str, Path))
                            else item))
            if fill:
                fill(image)
            image.add_modules(self.kernel, modules)
            image.text('/test.sh', script)
            image.pack(Path(tmp) / 'initrd')
            shutil.rmtree(Path(tmp) / 'tree')
            argv = [*QEMU, '-m', str(memory), '-kernel', self.kernel.vmlinuz,
                    '-initrd', f'{tmp}/initrd', '-append', APPEND]
            argv += STEADY if steady else []
            return _boot(argv, timeout, echo)


def _die_with_us():
    """In the child: PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _boot(argv, timeout, echo):
    run, begin = Run(), time.monotonic()
    with tempfile.TemporaryFile() as err, subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=err, preexec_fn=_die_with_us) as proc:
        watch = _Watch(proc, timeout)
        lines = []
        for raw in proc.stdout:
            line = raw.decode('utf-8', 'replace').rstrip('\r\n')
            lines.append(line)
            if echo:
                print(line, file=echo, flush=True)
            if 'PSTEST-BEGIN' in line:
                run.boot_seconds = time.monotonic() - begin
            _read_line(run, line)
        watch.stop()
        proc.wait()
        err.seek(0)
        lines += err.read().decode('utf-8', 'replace').splitlines()
    if watch.fired:
        lines.append(f'vm: ended after {timeout} s')
    run.log = '\n'.join(lines)
    run.seconds = time.monotonic() - begin
    return run


def _read_line(run, line):
    # The firmware's escape codes may stand before the first one.
    if 'PSTEST-BEGIN ' in line:
        run.release = line.split('PSTEST-BEGIN ')[1].strip()
    elif line.startswith('PSTEST-END '):
        run.code = int(line.split()[1])
    elif line.startswith('PSTEST '):
        words = line.split(' ', 3)
        if len(words) >= 3 and words[1] in VERDICTS:
            run.results.append(Result(*words[1:]))


class _Watch:
    """Kills the machine when its time is over."""

    def __init__(self, proc, timeout):
        self.fired = False
        self._proc = proc
        self._timer = threading.Timer(timeout, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self):
        self.fired = True
        self._proc.kill()

    def stop(self):
        """The machine ended by itself."""
        self._timer.cancel()
