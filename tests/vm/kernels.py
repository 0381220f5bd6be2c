# SPDX-License-Identifier: MIT
"""Debian's kernels, fetched and unpacked in a cache, never installed."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))

from lab.debian import Apt  # noqa: E402

CACHE = Path(os.environ.get('XDG_CACHE_HOME') or
             Path(os.environ.get('HOME', '/var/tmp')) / '.cache')
CACHE = CACHE / 'packetscope' / 'vm'

SUITES = {
    '5.10': 'bullseye',
    '6.1': 'bookworm',
    '6.12': 'bookworm-backports',
}
META = 'linux-image-cloud-amd64'


class Kernel:
    """An unpacked kernel: vmlinuz, and modules with a modules.dep."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.vmlinuz,) = (self.folder / 'boot').glob('vmlinuz-*')
        self.release = self.vmlinuz.name.removeprefix('vmlinuz-')
        self.modules = self.folder / 'lib/modules' / self.release
        self._deps = None
        self._builtin = None

    def module_files(self, names):
        """Files of the modules with what they depend on, in load order.

        Names that are built in, or that this kernel lacks, give nothing.
        """
        if self._deps is None:
            self._deps = {}
            text = (self.modules / 'modules.dep').read_text(encoding='ascii')
            for line in text.splitlines():
                path, _, deps = line.partition(':')
                self._deps[_name(path)] = (path, deps.split())
        out = []

        def add(name):
            path, deps = self._deps.get(name, (None, []))
            if path is None or path in out:
                return
            for dep in deps:
                add(_name(dep))
            out.append(path)

        for name in names:
            add(name.replace('-', '_'))
        return [self.modules / path for path in out]


def _name(path):
    return Path(path).name.split('.ko')[0].replace('-', '_')


def _fetch(version, dest):
    work = dest.with_name(dest.name + '.tmp')
    shutil.rmtree(work, ignore_errors=True)
    apt = Apt(work, SUITES[version])
    found = re.findall(r'Depends: (linux-image-\S+)',
                       apt.run('apt-cache', 'depends', META))
    if not found:
        raise RuntimeError(f'{META} of {SUITES[version]} names no kernel')
    tree = work / 'tree'
    apt.unpack(tree, found[0])
    lib = tree / 'lib/modules'
    if not lib.exists():
        lib = tree / 'usr/lib/modules'
        (tree / 'lib').mkdir(exist_ok=True)
        (tree / 'lib/modules').symlink_to(lib)
    (release,) = (p.name for p in lib.iterdir())
    subprocess.run(['depmod', '-b', tree, release], check=True)
    os.replace(tree, dest)
    shutil.rmtree(work)


def get(version):
    """The kernel '5.10', '6.1' or '6.12', fetched when it is not there."""
    if version not in SUITES:
        raise ValueError(f'no kernel {version}: one of {", ".join(SUITES)}')
    CACHE.mkdir(parents=True, exist_ok=True)
    dest = CACHE / f'linux-{version}'
    with open(CACHE / f'{version}.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not dest.exists():
            _fetch(version, dest)
    return Kernel(dest)
