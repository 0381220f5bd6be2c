# SPDX-License-Identifier: MIT
"""What the tracer's core tier costs, and how soon it is there.

`ready_core_s` is from the start of the process to its door answering.
`idle_prog_runs` counts every run of the tracer's programs while no trace runs
and traffic flows. `kept_unmatched` is what iperf3 and a request/response load
keep while a trace runs whose filter none of it matches, `kept_one_of_fifty`
while a trace follows one of fifty equal flows: the lower bound of the 95 %
interval over adjacent pairs with and without the trace.
`kept_one_of_fifty_floor` is the median of the same with the same programs at
the same hooks, which all return at once, for the word that names the filters
is 0: what this kernel takes for calling them, whatever they do. `probe_ns` is
the mean run of each program in the first of these, by the kernel's BPF
statistics.

The load runs on while traces come and go, for a load that starts anew differs
from the last by more than what is measured; what passes is counted by the
interface. Pairs are in changing order, so that the last of a pair and the first
of the next are alike, and by one trace: two of these without a trace are the
control (A/A).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from figures import Figure, bootstrap_ratio, table  # noqa: E402
from kept_throughput import PORT, _on_cpu, _Traffic  # noqa: E402
from lab import Daemon, Lab, Suite, wait_for  # noqa: E402
from tracer_vars import Variables  # noqa: E402

STARTS, PAIRS, FLOWS = 5, 40, 50
# Of each measurement, and what is waited for before it: a trace needs a
# second to see that the host is busy (tracer/waiting.h).
WINDOW, SETTLE, STEADY = 0.8, 0.1, 1.3
FOLLOWED = {'sport': 20007}
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
            daemon.start(wait=False)
            # Finer than what is measured, and than tests need it.
            wait_for(daemon._is_up, interval=0.004, what='its door')
            took.append(time.monotonic() - begin)
            daemon.stop()
    return took


def _trace(suite, **fields):
    return suite.client.post('traces', {
        'filter': fields, 'duration_ns': 600 * 10**9,
        'max_packets': 10000})['id']


@contextmanager
def _load(traffic, argv, count):
    """The load runs; gives what counts what has passed since it began."""
    begin = count()
    flows = lambda: count() - begin > 1000  # noqa: E731
    # The server may not have done yet with the client before.
    for last in (False, False, True):
        proc = traffic.client.popen(argv, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        try:
            wait_for(flows, 10, what='traffic')
            break
        except TimeoutError:
            proc.kill()
            proc.wait()
            if last:
                raise
    try:
        time.sleep(1)
        yield count
        if proc.poll() is not None:
            raise RuntimeError(f'{argv[0]} ended')
    finally:
        proc.kill()
        proc.wait()


def _loads(traffic):
    """{name: the load} of one flow each, and of fifty."""
    tx = lambda: traffic.link.a.counters().tx_bytes  # noqa: E731
    rx = lambda: traffic.link.a.counters().rx_packets  # noqa: E731
    # sockperf keeps room for all that it will send.
    longest = 300
    iperf = ['iperf3', '-c', traffic.addr, '-p', PORT, '-t', longest]
    return {
        'tcp': lambda: _load(traffic, [*_on_cpu(0), *iperf], tx),
        'rr': lambda: _load(traffic, [
            *_on_cpu(0), 'sockperf', 'ping-pong', '--tcp', '-i', traffic.addr,
            '-p', PORT + 1, '-t', longest], rx),
        'fifty': lambda: _load(traffic, [*iperf, '-P', FLOWS, '--cport',
                                         20000], tx),
    }


def _links(pid):
    """How many links to programs the process holds."""
    found = 0
    for fd in Path(f'/proc/{pid}/fd').iterdir():
        try:
            found += 'bpf_link' in os.readlink(fd)
        except FileNotFoundError:
            continue
    return found


def _rate(count):
    time.sleep(SETTLE)
    begin, before = time.monotonic(), count()
    time.sleep(WINDOW)
    passed = count() - before
    if not passed:
        raise RuntimeError('the load stands still')
    return passed / (time.monotonic() - begin)


def _empty(suite, ident):
    """All stations are there, and stay; nobody asks anything of a packet."""
    wait_for(lambda: suite.client.get(f'traces/{ident}').get('packets'),
             what='a first packet')
    Variables(suite['tracer'].proc.pid).filters_off()


class _Switch:
    """A trace, or none. begun: called when one has."""

    def __init__(self, suite, fields, begun):
        self.suite, self.fields, self.begun = suite, fields, begun
        self.pid, self.ident = suite['tracer'].proc.pid, None
        time.sleep(1)
        self.idle = _links(self.pid)

    def set(self, on):
        """Begins one or ends it, where it is not so already."""
        if on and not self.ident:
            self.ident = _trace(self.suite, **self.fields)
            self.begun(self.suite, self.ident)
            time.sleep(STEADY)
        elif self.ident and not on:
            self.suite.client.delete(f'traces/{self.ident}')
            self.ident = None
            wait_for(lambda: _links(self.pid) == self.idle, what='its end')


def _pairs(suite, load, fields, pairs, begun=lambda suite, ident: None):
    """What is kept, and the control. No trace runs."""
    switch = _Switch(suite, fields, begun)
    found = []
    with load() as count:
        for number in range(pairs):
            pair = {}
            for traced in (number % 2 == 0, number % 2 == 1):
                switch.set(traced)
                pair[traced] = _rate(count)
            found.append((pair[True], pair[False]))
        switch.set(False)
    without = [base for _, base in found]
    return (bootstrap_ratio(found),
            bootstrap_ratio(list(zip(without[::2], without[1::2]))))


def measure(full):
    """The figures of the module's description."""
    pairs = 2 * PAIRS if full else PAIRS
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
            loads = _loads(traffic)
            none = {name: _pairs(suite, loads[name], {'dport': 1}, pairs)
                    for name in ('tcp', 'rr')}
            fifty, same = _pairs(suite, loads['fifty'], FOLLOWED, pairs)
            hooks, alike = _pairs(suite, loads['fifty'], FOLLOWED, pairs,
                                  _empty)
    probes = [Figure(f'probe_ns_{name}', spent / runs, 'ns',
                     note=f'{runs} runs, unmatched')
              for name, (runs, spent) in sorted(ran.items()) if runs]
    return [
        Figure.median('ready_core_s', took, unit='s', goal='<= 0.5'),
        Figure('idle_prog_runs', idle, goal='= 0'),
        Figure('kept_unmatched', min(kept.low for kept, _ in none.values()),
               goal='>= 0.97', note='; '.join(
                   f'{name} {kept}, A/A {alike}'
                   for name, (kept, alike) in none.items())),
        Figure('kept_one_of_fifty', fifty.low, goal='>= 0.93',
               note=f'{fifty}, A/A {same}'),
        Figure('kept_one_of_fifty_floor', hooks.median,
               note=f'{hooks}, A/A {alike}'),
    ] + probes


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
