#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a packet costs in the guarder's XDP program, in nanoseconds.

    tests/bench/xdp_cost.py [ROUNDS]

The program that a running guarder has attached is run by the kernel itself
(BPF_PROG_TEST_RUN) on a packet that no rule matches, so that all are asked;
and on one that the only rule drops, while nobody watches for drops.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure, table  # noqa: E402
from lab import Lab, Suite, packet  # noqa: E402

REPEAT = 200_000
COUNTS = (1, 64, 512)
ADDRS = {4: ('10.0.0.1', '10.0.0.2'), 6: ('fd00::1', 'fd00::2')}


def rules(count):
    """Rules of plain UDP that the packet is not."""
    return [{'action': 'drop', 'proto': 'udp', 'dport': str(i + 1)}
            for i in range(count)]


def frame(version):
    """A small TCP segment."""
    src, dst = ADDRS[version]
    return packet.eth('02:00:00:00:00:01', '02:00:00:00:00:02',
                      packet.ip(src, dst, packet.tcp(1, 2, 'A')))


def run_once(host, prog, path, repeat):
    """Average of one run."""
    out = host.run('bpftool', '-j', 'prog', 'run', 'id', prog, 'data_in',
                   path, 'repeat', repeat).stdout
    return json.loads(out)['duration']


def measure(_full=False, rounds=5):
    """Figures for no rule of the family, for each count, and for a drop, v4
    and v6."""
    found = []
    with Lab('xdp_cost') as lab, tempfile.NamedTemporaryFile() as data:
        node, peer = lab.ns('node'), lab.ns('peer')
        link = lab.veth(node, peer)
        with Suite(lab, ns=node, daemons=('guarder', 'gateway')) as suite:
            for version in (4, 6):
                data.seek(0)
                data.truncate()
                data.write(frame(version))
                data.flush()
                none = [{'action': 'drop', 'family': 10 - version,
                         'proto': 'udp'}]
                sets = {f'{count}_rules': rules(count) or none
                        for count in (0, *COUNTS)}
                sets['drop'] = [{'action': 'drop', 'proto': 'tcp'}]
                for name, ruleset in sets.items():
                    suite.client.put('ruleset', {'rules': ruleset})
                    prog = node.ip('-j', '-d', 'link', 'show', 'dev',
                                   link.a.name)[0]['xdp']['prog']['id']
                    got = [run_once(lab.host, prog, data.name, REPEAT)
                           for _ in range(rounds)]
                    found.append(Figure(f'xdp_v{version}_{name}_ns',
                                        statistics.median(got), 'ns', got))
    return found


if __name__ == '__main__':
    print(table(measure(rounds=int((sys.argv[1:] or ['5'])[0]))))
