# SPDX-License-Identifier: MIT
"""A daemon whose disk is small, and can be full."""

from pathlib import Path

from .suite import Daemon


class SmallDisk(Daemon):
    """Takes a daemon's place in a suite; its state directory is a file system
    of so many MiB of its own mount namespace."""

    def __init__(self, suite, name, mib):
        old = suite[name]
        state = old.state_dir.with_name(f'small-{name}')
        state.mkdir()
        super().__init__(old.lab, name, *old.args,
                         run_dir=old.run_dir, state_dir=state, ns=old.ns)
        self.mib = mib
        suite.daemons[name] = self

    @property
    def argv(self):
        own = ' '.join(f"'{a}'" for a in super().argv)
        return ['unshare', '-m', 'sh', '-c',
                f'mount -t tmpfs -o size={self.mib}m,mode=755 none '
                f'{self.state_dir} && exec {own}']

    @property
    def _filler(self):
        """As others than the daemon see it."""
        return Path(f'/proc/{self.proc.pid}/root{self.state_dir}/filler')

    def fill(self):
        """Leaves not a byte."""
        with open(self._filler, 'ab', buffering=0) as file:
            for size in (65536, 4096):
                try:
                    while file.write(b'x' * size):
                        pass
                except OSError:
                    pass

    def make_room(self):
        """Takes away what fill() wrote."""
        self._filler.unlink()
