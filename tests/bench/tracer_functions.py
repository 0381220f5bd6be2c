# SPDX-License-Identifier: MIT
"""The function tier in Debian's kernels, beside pwru on the same packets.

Times are from the request (of pwru: from its start) until the first event can
be read, and from the order to end until nothing is attached any more: neither
a call site that ftrace has patched, nor a probe that is on, nor a link. Times
of emulated machines are compared only with each other; they go by instructions,
so that what else runs on this machine changes no figure.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
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


def pwru():
    """pwru 1.0.5 of trixie, fetched when it is not there."""
    tree = kernels.CACHE / 'pwru'
    program = tree / 'usr/bin/pwru'
    if not program.exists():
        Apt(kernels.CACHE / 'pwru.apt', 'trixie').unpack(tree, 'pwru')
    return program


class Machine:
    """What one boot gave: figures, and the functions that each showed.

    part: what follows tracer_functions_lib.sh; fill(image) adds more.
    """

    def __init__(self, kernel, part, fill=None):
        script = ''.join(
            (HERE / name).read_text(encoding='utf-8') for name in
            ('tracer_functions_lib.sh', part))
        run = Vm(kernel).run(
            script, [BIN / 'ps-tracer', BIN / 'ps-gateway', pwru()],
            tools=TOOLS + ['ping', 'iperf3', 'find'], modules=MODULES,
            timeout=1200, fill=fill, memory=3072, steady=True)
        self.log = run.log
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
        if run.code != 0:
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


def _of(kernel):
    machine = Machine(kernel, 'tracer_functions.sh')
    key, fig = KEYS[kernel], machine.figures
    recall, missed = machine.recall()
    return [
        Figure(f'recall_{key}', recall, goal='>= 0.99',
               note=f'{len(machine.shown["ours"])} functions, pwru '
                    f'{len(machine.shown["pwru"])}; missed: ' +
                    (', '.join(missed) or 'none')),
        Figure(f'first_event_speedup_{key}', machine.ratio('first'),
               goal='>= 5', note=f'{fig["ours_first"]:.2f} s, pwru '
               f'{fig["pwru_first"]:.2f} s; all probes {fig["ours_all"]:.1f} '
               f's; the daemon is up in {fig["ours_start"]:.1f} s'),
        Figure(f'detach_speedup_{key}', machine.ratio('detach'),
               note=f'{fig["ours_detach"]:.2f} s, pwru '
                    f'{fig["pwru_detach"]:.2f} s'),
    ]


def measure(_full):
    """The figures. The machines run side by side."""
    names = os.environ.get('PACKETSCOPE_BENCH_KERNELS',
                           ' '.join(KEYS)).split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        out = [fig for figs in pool.map(_of, names) for fig in figs]
    detach = [fig.value for fig in out if fig.key.startswith('detach_')]
    out.append(Figure('detach_speedup', min(detach), goal='>= 5',
                      note='on the kernel where it is least'))
    return out


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
