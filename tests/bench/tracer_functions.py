# SPDX-License-Identifier: MIT
"""The function tier in Debian's kernels, beside pwru on the same packets.

Times are from the request (of pwru: from its start) until the first event can
be read, and from the order to end until nothing is attached any more. Times of
emulated machines are compared only with each other.
"""

import os
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / 'vm')]

from figures import Figure, table  # noqa: E402  (after the path)
from lab.debian import Apt  # noqa: E402
import kernels  # noqa: E402
from vm import TOOLS, Vm  # noqa: E402

BIN = ROOT / 'build/release/bin'
KEYS = {'6.12': '612', '6.1': '61', '5.10': '510'}
MODULES = ['veth']
ROUNDS = (1, 2, 3)


def pwru():
    """pwru 1.0.5 of trixie, fetched when it is not there."""
    tree = kernels.CACHE / 'pwru'
    program = tree / 'usr/bin/pwru'
    if not program.exists():
        Apt(kernels.CACHE / 'pwru.apt', 'trixie').unpack(tree, 'pwru')
    return program


class Machine:
    """What one boot gave: figures, and the functions that each showed."""

    def __init__(self, kernel, cost):
        script = (HERE / 'tracer_functions.sh').read_text(encoding='utf-8')
        run = Vm(kernel).run(
            f'COST={int(cost)}\n{script}',
            [BIN / 'ps-tracer', BIN / 'ps-gateway', pwru()],
            tools=TOOLS + ['ping', 'iperf3'], modules=MODULES, timeout=1200)
        self.figures, self.shown = {}, {'ours': set(), 'pwru': set()}
        for line in run.log.splitlines():
            words = line.split()
            if line.startswith('PSFIG ') and len(words) == 3:
                self.figures[words[1]] = float(words[2])
            elif line.startswith('PSFN ') and len(words) == 3:
                self.shown[words[1]].add(words[2])
            elif line.startswith('PSABORT '):
                raise RuntimeError(f'{kernel}: not measured: '
                                   f'{line.removeprefix("PSABORT ")}')
        if 'pwru_detach' not in self.figures:
            raise RuntimeError(f'{kernel}: ' + '\n'.join(
                run.log.splitlines()[-20:]))

    def ratio(self, name):
        """How much longer pwru takes."""
        return (self.figures[f'pwru_{name}'] /
                max(self.figures[f'ours_{name}'], 0.01))

    def recall(self):
        """The part of pwru's functions that the trace shows, and the rest."""
        theirs = self.shown['pwru']
        missed = sorted(theirs - self.shown['ours'])
        return 1 - len(missed) / len(theirs), missed

    def loss(self, who, base):
        """Of throughput, in each round, against the one just before."""
        return [1 - self.figures[f'{who}_{n}'] / self.figures[f'{base}_{n}']
                for n in ROUNDS]


def _of(kernel, cost):
    machine = Machine(kernel, cost)
    key, fig = KEYS[kernel], machine.figures
    recall, missed = machine.recall()
    out = [
        Figure(f'recall_{key}', recall, goal='>= 0.99',
               note=f'{len(machine.shown["ours"])} functions, pwru '
                    f'{len(machine.shown["pwru"])}; missed: ' +
                    (', '.join(missed) or 'none')),
        Figure(f'first_event_speedup_{key}', machine.ratio('first'),
               goal='>= 5', note=f'{fig["ours_first"]:.2f} s, pwru '
               f'{fig["pwru_first"]:.2f} s; all probes {fig["ours_all"]:.1f} '
               's'),
        Figure(f'detach_speedup_{key}', machine.ratio('detach'),
               note=f'{fig["ours_detach"]:.2f} s, pwru '
                    f'{fig["pwru_detach"]:.2f} s'),
    ]
    if cost:
        ours = machine.loss('ours', 'base')
        theirs = machine.loss('pwru', 'again')
        out.append(Figure(
            'loss_over_best_peer',
            statistics.median(ours) / statistics.median(theirs),
            goal='<= 0.5', note='loses ' +
            ', '.join(f'{x:.2f}' for x in ours) + '; pwru ' +
            ', '.join(f'{x:.2f}' for x in theirs)))
    return out


def measure(full):
    """The figures. full: also what each unmatched packet pays, on 6.12."""
    out = []
    for kernel in os.environ.get('PACKETSCOPE_BENCH_KERNELS',
                                 ' '.join(KEYS)).split():
        out += _of(kernel, full and kernel == '6.12')
    detach = [fig.value for fig in out if fig.key.startswith('detach_')]
    out.append(Figure('detach_speedup', min(detach), goal='>= 5',
                      note='on the kernel where it is least'))
    return out


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
