# SPDX-License-Identifier: MIT
"""Debian's kernels, fetched and unpacked in a cache, never installed.

apt works in a private directory, from copies of this machine's own Debian
source with the suite changed: the machine's apt is not touched.
"""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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


def _apt(work, tool, *args):
    opts = {
        'Dir::Etc::sourcelist': '/dev/null',
        'Dir::Etc::sourceparts': f'{work}/sources',
        'Dir::Etc::preferencesparts': '/dev/null',
        'Dir::State::lists': f'{work}/lists',
        'Dir::Cache': f'{work}/cache',
        'APT::Sandbox::User': 'root',
        'Acquire::Retries': '3',
    }
    argv = [tool, '-q']
    for key, value in opts.items():
        argv += ['-o', f'{key}={value}']
    res = subprocess.run([*argv, *args], cwd=work, capture_output=True,
                         text=True, check=False, stdin=subprocess.DEVNULL)
    if res.returncode:
        raise RuntimeError(f'{tool} {" ".join(args)}: {res.stderr.strip()}')
    return res.stdout


def _fetch(version, dest):
    work = dest.with_name(dest.name + '.tmp')
    shutil.rmtree(work, ignore_errors=True)
    for sub in ('sources', 'lists/partial', 'cache/archives/partial'):
        (work / sub).mkdir(parents=True)
    stanza = subprocess.run(
        [ROOT / 'deploy/setup', '--source', SUITES[version]], check=True,
        capture_output=True, text=True).stdout
    (work / 'sources/one.sources').write_text(stanza, encoding='ascii')
    _apt(work, 'apt-get', 'update')
    found = re.findall(r'Depends: (linux-image-\S+)',
                       _apt(work, 'apt-cache', 'depends', META))
    if not found:
        raise RuntimeError(f'{META} of {SUITES[version]} names no kernel')
    _apt(work, 'apt-get', 'download', found[0])
    (deb,) = work.glob('*.deb')
    tree = work / 'tree'
    subprocess.run(['dpkg', '-x', deb, tree], check=True)
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
