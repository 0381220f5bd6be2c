# SPDX-License-Identifier: MIT
"""Debian's packages of any suite, fetched without touching the machine's apt.

apt works in a private directory, from copies of this machine's own Debian
source with the suite changed.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Apt:
    """apt for one suite ('bookworm', 'trixie' …) in a directory of its own."""

    def __init__(self, work, suite):
        self.work = Path(work)
        for sub in ('sources', 'lists/partial', 'cache/archives/partial'):
            (self.work / sub).mkdir(parents=True, exist_ok=True)
        (self.work / 'sources/one.sources').write_text(source(suite),
                                                       encoding='ascii')
        self.run('apt-get', 'update')

    def run(self, tool, *args):
        """apt-get, apt-cache … ARGS; returns what it printed."""
        opts = {
            'Dir::Etc::sourcelist': '/dev/null',
            'Dir::Etc::sourceparts': f'{self.work}/sources',
            'Dir::Etc::preferencesparts': '/dev/null',
            'Dir::State::lists': f'{self.work}/lists',
            'Dir::Cache': f'{self.work}/cache',
            'APT::Sandbox::User': 'root',
            'Acquire::Retries': '3',
            'Acquire::Languages': 'none',
        }
        argv = [tool, '-q']
        for key, value in opts.items():
            argv += ['-o', f'{key}={value}']
        res = subprocess.run([*argv, *args], cwd=self.work, check=False,
                             capture_output=True, text=True,
                             stdin=subprocess.DEVNULL)
        if res.returncode:
            raise RuntimeError(
                f'{tool} {" ".join(args)}: {res.stderr.strip()}')
        return res.stdout

    def unpack(self, tree, *packages):
        """Fetches the packages and unpacks them below tree, not installed."""
        self.run('apt-get', 'download', *packages)
        for name in packages:
            (deb,) = self.work.glob(f'{name}_*.deb')
            subprocess.run(['dpkg', '-x', deb, tree], check=True)
            deb.unlink()


def source(suite):
    """This machine's Debian source, in apt's own format, for the suite."""
    return subprocess.run([ROOT / 'deploy/setup', '--source', suite],
                          check=True, capture_output=True, text=True).stdout
