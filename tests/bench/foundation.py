# SPDX-License-Identifier: MIT
"""The suite as `deploy/up` starts it: how soon, how large, how busy, and
whether it counts right."""

import os
import tempfile
import time
from pathlib import Path

import count_error
from deployed import DAEMONS, Deployed, cpu_s, rss_mib
from figures import Figure

IDLE_S = 60


def _idle(suite):
    """RSS and CPU of each daemon over a minute in which nobody asks."""
    time.sleep(5)
    pids = {name: suite.pid(name) for name in DAEMONS}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    start = time.monotonic()
    time.sleep(IDLE_S)
    seconds = time.monotonic() - start
    cpu = {name: 100 * (cpu_s(pid) - before[name]) / seconds
           for name, pid in pids.items()}
    rss = {name: rss_mib(pid) for name, pid in pids.items()}
    return rss, cpu


def _each(values):
    return ', '.join(f'{name} {value:.2f}' for name, value in values.items())


def measure(full):
    """The figures."""
    with tempfile.TemporaryDirectory(prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        suite = Deployed(Path(directory))
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
