# SPDX-License-Identifier: MIT
"""What the host's traffic keeps while all daemons run: iperf3 TCP and
request/response (sockperf, one TCP connection) over veth.

Client and server have a CPU each, where there are two: where the scheduler
puts them changes a run by far more (7 %) than what is measured."""

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from deployed import Deployed
from figures import Figure, bootstrap_ratio
from lab import Lab, wait_for

SECONDS = 1
PORT = 5201
PAIRS = 25


def _on_cpu(number):
    """The head of a command line: taskset to one of our CPUs."""
    cpus = sorted(os.sched_getaffinity(0))
    return ['taskset', '-c', cpus[number % len(cpus)]]


def _cpu_busy():
    """Seconds that the host's CPUs were not idle, all together."""
    fields = [int(x) for x in
              Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf('SC_CLK_TCK')


class _Traffic:
    """Two namespaces with their servers, and a run of each load."""

    def __init__(self, lab):
        self.client, server = lab.ns('client'), lab.ns('server')
        self.link = lab.veth(self.client, server)
        self.addr = self.link.b.v4
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        server.popen([*_on_cpu(1), 'iperf3', '-s', '-p', PORT], **quiet)
        server.popen([*_on_cpu(1), 'sockperf', 'server', '--tcp', '-i',
                      '0.0.0.0', '-p', PORT + 1], **quiet)
        for port in (PORT, PORT + 1):
            wait_for(lambda port=port: server.run(
                'ss', '-Hltn', f'sport = :{port}').stdout)

    def bulk(self):
        """Gbit/s received, and CPU nanoseconds for each packet on the wire."""
        tx = self._packets()
        cpu = _cpu_busy()
        out = self.client.run(*_on_cpu(0), 'iperf3', '-c', self.addr, '-p',
                              PORT, '-t', SECONDS, '-J').stdout
        cpu = _cpu_busy() - cpu
        rate = json.loads(out)['end']['sum_received']['bits_per_second']
        return rate / 1e9, 1e9 * cpu / (self._packets() - tx)

    def requests(self):
        """Requests answered in a second, and CPU nanoseconds for each."""
        cpu = _cpu_busy()
        out = self.client.run(*_on_cpu(0), 'sockperf', 'ping-pong', '--tcp',
                              '-i', self.addr, '-p', PORT + 1, '-t',
                              SECONDS).stdout
        cpu = _cpu_busy() - cpu
        got = re.search(r'RunTime=([\d.]+) sec;.*ReceivedMessages=(\d+)', out)
        rate = int(got[2]) / float(got[1])
        return rate, 1e9 * cpu / int(got[2])

    def _packets(self):
        return (self.link.a.counters().tx_packets +
                self.link.b.counters().tx_packets)


LOADS = {'tcp': _Traffic.bulk, 'rr': _Traffic.requests}


def _one_round(traffic, found):
    for name, load in LOADS.items():
        found.setdefault(name, []).append(load(traffic))


class _Switch:
    """All daemons on, or none; what they do when they start is awaited."""

    def __init__(self, suite):
        self.suite, self.on = suite, False

    def set(self, on):
        """Starts or ends them, where they are not so already."""
        if on and not self.on:
            self.suite.up()
            time.sleep(0.5)
        elif self.on and not on:
            self.suite.down()
        self.on = on


def _pair(switch, traffic, number, with_suite, without):
    """One round with all daemons and one without, in changing order: the
    last of a pair and the first of the next are alike."""
    for on in (number % 2 == 0, number % 2 == 1):
        switch.set(on)
        _one_round(traffic, with_suite if on else without)


def _figures(name, with_suite, without):
    kept = bootstrap_ratio([(on[0], off[0]) for on, off
                            in zip(with_suite, without)])
    # The base against itself: what the machine alone makes of a ratio of 1.
    same = bootstrap_ratio([(a[0], b[0]) for a, b in
                            zip(without[::2], without[1::2])])
    cpu_on = statistics.median(cpu for _, cpu in with_suite)
    cpu_off = statistics.median(cpu for _, cpu in without)
    unit = 'skb' if name == 'tcp' else 'request'
    return kept, [
        Figure(f'kept_{name}', kept.low, samples=kept.samples,
               note=f'{kept}; A/A {same}; CPU per {unit} {cpu_on:.0f} ns with '
                    f'the suite, {cpu_off:.0f} ns without'),
    ]


def measure(full):
    """The lower bounds of what is kept, and the smaller of the two."""
    with_suite, without = {}, {}
    with Lab('kept') as lab, tempfile.TemporaryDirectory(
            prefix='ps-bench-') as directory:
        os.chmod(directory, 0o755)
        switch = _Switch(Deployed(Path(directory)))
        traffic = _Traffic(lab)
        try:
            switch.set(True)  # builds what is missing
            switch.set(False)
            _one_round(traffic, {})
            for number in range(4 * PAIRS if full else PAIRS):
                _pair(switch, traffic, number, with_suite, without)
        finally:
            switch.set(False)
    found, lows = [], []
    for name in LOADS:
        kept, figures = _figures(name, with_suite[name], without[name])
        found += figures
        lows.append(kept.low)
    return found + [
        Figure('suite_kept_throughput', min(lows), goal='>= 0.95',
               note='the smaller lower bound of the 95 % intervals')]
