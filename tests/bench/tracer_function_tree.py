# SPDX-License-Identifier: MIT
"""Whether the function tier's tree is the kernel's, in 6.12.

call_tree_wrong: of two packets' calls those that stand below another call than
in ftrace's function graph of the same packets, or took another time, or say
none. The graph's times hold what the trace's own probe takes, some 20 us of
emulated time at each call.
"""

import collections
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

from figures import Figure, table  # noqa: E402  (after the path)
from tracer_functions import Machine  # noqa: E402
from tracing import require  # noqa: E402

KERNEL = '6.12'
# Nanoseconds, and the part, by which a duration may differ.
APART, PART = 30_000, 0.05
# "PSGRAPH  0)  ping-520  |  10.9 us  |    name [module]() {"
LINE = re.compile(r'PSGRAPH\s+\d+\)\s+\S+\s+\|\s+([\d.]+ us)?\s+\|  (\s*)(.*)$')
Call = collections.namedtuple('Call', 'name depth took')


def graph(log):
    """What ftrace says, in order of the calls."""
    calls, inside = [], []
    for line in log.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        took = match[1] and round(float(match[1].split()[0]) * 1000)
        if match[3].startswith('}'):
            if inside:
                number = inside.pop()
                calls[number] = calls[number]._replace(took=took)
            continue
        name = re.sub(r' \[.*\]', '', match[3]).split('(')[0]
        if match[3].endswith('{'):
            inside.append(len(calls))
        calls.append(Call(name, len(match[2]) // 2, took))
    return calls


def shown(log):
    """What the trace says, by packet."""
    ways = collections.defaultdict(list)
    for way, depth, took, name in re.findall(
            r'^PSCALL (\d+) (\d+) (\d+) (\S+)$', log, re.M):
        ways[way].append(Call(name, int(depth), int(took)))
    return ways


def places(calls, kernel):
    """Numbers of these calls in the graph: in this order, the closest to each
    other; None: they are not all there."""
    best = None
    for start, first in enumerate(kernel):
        if first.name != calls[0].name:
            continue
        found, at = [], start
        for call in calls:
            at = next((i for i in range(at, len(kernel))
                       if kernel[i].name == call.name), None)
            if at is None:
                break
            found.append(at)
            at += 1
        if len(found) == len(calls) and \
                (not best or found[-1] - found[0] < best[-1] - best[0]):
            best = found
    return best


def outer(calls, number, among):
    """The call that this one stands in, of those; None: in none of them."""
    depth = calls[number].depth
    for i in range(number - 1, -1, -1):
        if calls[i].depth < depth:
            depth = calls[i].depth
            if i in among:
                return among[i]
    return None


def wrong(calls, kernel):
    """Names of the calls that are not as the kernel says."""
    at = places(calls, kernel)
    require(at, 'the two did not see the same calls')
    mine = {i: i for i in range(len(calls))}
    theirs = {place: i for i, place in enumerate(at)}
    out = []
    for i, call in enumerate(calls):
        took = kernel[at[i]].took
        if outer(calls, i, mine) != outer(kernel, at[i], theirs) or \
                not call.took or took is None or \
                abs(call.took - took) > APART + PART * took:
            out.append(call.name)
    return out


def measure(_full):
    """The figure."""
    log = Machine(KERNEL, 'tracer_function_tree.sh').log
    kernel, ways = graph(log), shown(log)
    require(len(ways) == 2, f'{len(ways)} packets were seen')
    bad = [name for calls in ways.values() for name in wrong(calls, kernel)]
    total = sum(map(len, ways.values()))
    return [Figure('call_tree_wrong', len(bad), goal='= 0',
                   note=f'of {total} calls; {", ".join(bad) or "none"}')]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
