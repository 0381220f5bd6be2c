# SPDX-License-Identifier: MIT
"""What the function tier costs packets that nobody asks for, in 6.12.

loss_over_best_peer: the part of iperf3's throughput that is lost while a trace
of another flow runs, of which nothing comes, over that which the better of pwru
and an equal bpftrace script loses. On a busy host such a trace waits at the
entries, with no function attached, after a second or two: what it costs then.
loss_over_best_peer_attached: the same while all functions have their probe, as
they have before it waits and once a packet came. Each is compared with the rate
without any, measured just before. The machine's time goes by instructions.
"""

import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / 'vm')]

from figures import Figure, table  # noqa: E402  (after the path)
from lab.debian import Apt  # noqa: E402
import kernels  # noqa: E402
from tracer_functions import Machine  # noqa: E402

KERNEL = '6.12'
ROUNDS = (1, 2, 3)
TREE = kernels.CACHE / 'bpftrace'
LIBRARIES = TREE / 'usr/lib/x86_64-linux-gnu'


def add_bpftrace(image):
    """Debian 12's bpftrace, fetched when it is not there, as `bpftrace`."""
    if not (TREE / 'usr/bin/bpftrace').exists():
        Apt(kernels.CACHE / 'bpftrace.apt', 'bookworm').unpack(
            TREE, 'libbpfcc', 'libclang1-14', 'libllvm14', 'bpftrace')
    program = TREE / 'usr/bin/bpftrace'
    image.add_tree(program)
    image.add_libraries(program, LIBRARIES)
    image.text('/usr/sbin/bpftrace', f"""#!/bin/sh
export LD_LIBRARY_PATH={LIBRARIES}
exec {program} "$@"
""", 0o755)


def losses(fig, who, base):
    """Of throughput, in each round, against the rate just before."""
    return [1 - fig[f'{who}_{n}'] / fig[f'{base}_{n}'] for n in ROUNDS]


def measure(_full):
    """The figure."""
    fig = Machine(KERNEL, 'tracer_function_cost.sh', add_bpftrace).figures
    lost = {who: losses(fig, who, base) for who, base in
            (('ours', 'base'), ('attached', 'fourth'), ('pwru', 'again'),
             ('bpftrace', 'third'))}
    least = min(statistics.median(lost[x]) for x in ('pwru', 'bpftrace'))
    waits = sum(fig[f'waits_{n}'] for n in ROUNDS)
    wakes = statistics.median(fig[f'wakes_{n}'] for n in ROUNDS)

    def over(who, goal, note):
        name = 'loss_over_best_peer' + ('' if who == 'ours' else f'_{who}')
        return Figure(name, statistics.median(lost[who]) / least, goal=goal,
                      samples=[x / least for x in lost[who]], note=note)

    return [
        over('ours', '<= 0.5', f'it waited at the entries in {waits:.0f} of '
             f'{len(ROUNDS)} rounds, and had all functions again within '
             f'{wakes:.1f} s after a packet; ' +
             '; '.join(f'{who} loses ' + ', '.join(f'{x:.3f}' for x in part)
                       for who, part in lost.items()) +
             f'; bpftrace at {fig["bpftrace_functions"]:.0f} of '
             f'{fig["passed"]:.0f} functions that these packets pass'),
        over('attached', '', 'all functions have their probe'),
    ]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
