# SPDX-License-Identifier: MIT
"""What the tracer's core tier costs, and how soon it is there.

`ready_core_s` is from the start of the process to its door answering.
`idle_prog_runs` counts every run of the tracer's programs while no trace runs
and traffic flows. `kept_unmatched` is what iperf3 and a request/response load
keep while a trace runs whose filter none of it matches, `kept_one_of_fifty`
while a trace follows one of fifty equal flows: adjacent pairs with and without
the trace, and the lower bound of the 95 % interval. `probe_ns` is the mean run
of each program in the first of these, by the kernel's BPF statistics.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from figures import Figure, bootstrap_ratio, table  # noqa: E402
from kept_throughput import _Traffic  # noqa: E402
from lab import Daemon, Lab, Suite  # noqa: E402

STARTS, PAIRS, FLOWS = 5, 5, 50
STATS = Path('/proc/sys/kernel/bpf_stats_enabled')


def _programs(pid):
    """{name: (runs, nanoseconds)} of the programs that the process holds."""
    names = {prog['id']: prog.get('name', str(prog['id'])) for prog in
             json.loads(subprocess.run(['bpftool', '-j', 'prog', 'show'],
                                       check=True, capture_output=True).stdout)}
    found = {}
    for fd in Path(f'/proc/{pid}/fd').iterdir():
        try:
            if 'bpf-prog' not in os.readlink(fd):
                continue
        except FileNotFoundError:
            continue  # a look at something else, which is over
        info = dict(line.split(':\t', 1) for line in Path(
            f'/proc/{pid}/fdinfo/{fd.name}').read_text().splitlines())
        found[names[int(info['prog_id'])]] = (int(info['run_cnt']),
                                              int(info['run_time_ns']))
    if not found:
        raise RuntimeError('the tracer holds no BPF program')
    return found


def _delta(before, after):
    return {name: (runs - before.get(name, (0, 0))[0],
                   spent - before.get(name, (0, 0))[1])
            for name, (runs, spent) in after.items()}


def _ready(lab):
    took = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(lab, 'tracer', run_dir=Path(directory),
                            state_dir=Path(directory))
            begin = time.monotonic()
            daemon.start()
            took.append(time.monotonic() - begin)
            daemon.stop()
    return took


def _trace(suite, **fields):
    return suite.client.post('traces', {
        'filter': fields, 'duration_ns': 600 * 10**9,
        'max_packets': 10000})['id']


def _fifty(traffic):
    """Fifty equal flows at once: Gbit/s of all together."""
    out = traffic.client.run('iperf3', '-c', traffic.addr, '-p', 5201, '-t', 3,
                             '-P', FLOWS, '--cport', 20000, '-J').stdout
    return json.loads(out)['end']['sum_received']['bits_per_second'] / 1e9


def _pairs(suite, load, fields, pairs):
    """(with, without) of adjacent runs, in changing order."""
    found = []
    for number in range(pairs):
        pair = {}
        for traced in (number % 2 == 0, number % 2 == 1):
            ident = _trace(suite, **fields) if traced else None
            pair[traced] = load()
            if ident:
                suite.client.delete(f'traces/{ident}')
        found.append((pair[True], pair[False]))
    return bootstrap_ratio(found)


def measure(full):
    """The figures of the module's description."""
    pairs = 3 * PAIRS if full else PAIRS
    old = STATS.read_text()
    with Lab('tracer_cost') as lab:
        took = _ready(lab)
        traffic = _Traffic(lab)
        with Suite(lab, ns=lab.host, daemons=('tracer', 'gateway')) as suite:
            pid = suite['tracer'].proc.pid
            STATS.write_text('1')
            try:
                before = _programs(pid)
                traffic.requests()
                idle = sum(r for r, _ in
                           _delta(before, _programs(pid)).values())
                ident = _trace(suite, dport=1)
                before = _programs(pid)
                traffic.requests()
                ran = _delta(before, _programs(pid))
                suite.client.delete(f'traces/{ident}')
            finally:
                STATS.write_text(old)
            none = {name: _pairs(suite, load, {'dport': 1}, pairs)
                    for name, load in (
                        ('tcp', lambda: traffic.bulk()[0]),
                        ('rr', lambda: traffic.requests()[0]))}
            fifty = _pairs(suite, lambda: _fifty(traffic),
                           {'sport': 20007}, pairs)
    probes = [Figure(f'probe_ns_{name}', spent / runs, 'ns',
                     note=f'{runs} runs, unmatched')
              for name, (runs, spent) in sorted(ran.items()) if runs]
    return [
        Figure.median('ready_core_s', took, unit='s', goal='<= 0.5'),
        Figure('idle_prog_runs', idle, goal='= 0'),
        Figure('kept_unmatched', min(r.low for r in none.values()),
               goal='>= 0.97', note='; '.join(
                   f'{name} {ratio}' for name, ratio in none.items())),
        Figure('kept_one_of_fifty', fifty.low, goal='>= 0.93',
               note=str(fifty)),
    ] + probes


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
