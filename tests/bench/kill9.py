# SPDX-License-Identifier: MIT
"""kill -9 for each daemon under load, again and again: tests/lab/killing.py
says what is checked in each round."""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab  # noqa: E402
from lab.killing import DAEMONS, DOWN_S, READY_S, Killing  # noqa: E402

ROUNDS = 20


def kill(rounds, binaries=None):
    """The Killing after so many rounds for each daemon."""
    with Lab('kill9') as lab, \
            tempfile.TemporaryDirectory(prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        with Killing(lab, Path(directory), binaries) as killing:
            for _ in range(rounds):
                for name in DAEMONS:
                    killing.round(name)
            killing.finish()
    return killing


def _worst(seconds):
    return ', '.join(f'{name} {max(seconds[name]):.2f}' for name in seconds)


def measure(full):
    """The figures."""
    killing = kill(3 * ROUNDS if full else ROUNDS,
                   os.environ.get('PACKETSCOPE_BIN'))
    for failure in killing.failures:
        print(f'    {failure}', flush=True)
    down = {n: s for n, s in killing.down_s.items() if n != 'gateway'}
    return [
        Figure('kill9_rounds', min(killing.rounds[n] for n in DAEMONS),
               goal=f'>= {ROUNDS}', note='of each daemon'),
        Figure('kill9_failures', len(killing.failures), goal='= 0',
               note=killing.failures[0] if killing.failures else ''),
        Figure('kill9_down_s_max', max(max(s) for s in down.values()), 's',
               samples=[t for s in down.values() for t in s],
               goal=f'<= {DOWN_S:g}', note=_worst(down)),
        Figure('kill9_ready_s_max',
               max(max(s) for s in killing.ready_s.values()), 's',
               samples=[t for s in killing.ready_s.values() for t in s],
               goal=f'<= {READY_S:g}', note=_worst(killing.ready_s)),
        Figure('kill9_streams_back_s_max', max(killing.down_s['gateway']),
               's', samples=killing.down_s['gateway'],
               goal=f'<= {READY_S:g}', note='after the gateway was killed'),
    ]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
