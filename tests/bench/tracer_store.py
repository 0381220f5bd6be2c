# SPDX-License-Identifier: MIT
"""The tracer's history when it is large: 20 million steps.

query_p99_ms      the newest 40 packets of a tuple, over HTTP: all of the tuple,
                  both addresses, one address, or an address and a port; of a
                  service that every trace has and of clients that one has
store_bytes_step  bytes on disk for each step, keys and all
store_over_bound  bytes on disk beyond what was allowed, with the oldest traces
                  leaving
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from figures import Figure  # noqa: E402  (after the path)
from lab import ApiError, Lab, Suite, wait_for  # noqa: E402
from lab.suite import bin_path  # noqa: E402

STEPS, STEPS_SHORT = 20_000_000, 2_000_000
QUERIES = 400
SERVICE = '192.168.0.1'


def fill(state_dir, bound, steps):
    """Bytes on disk when so many steps are in."""
    tool = bin_path('tracer').with_name('fill-history')
    subprocess.run(['cmake', '--build', tool.parents[1], '--target',
                    tool.name], check=True, stdout=subprocess.DEVNULL)
    Path(state_dir).mkdir(parents=True, exist_ok=True)
    subprocess.run([tool, state_dir, bound, str(steps)], check=True)
    return on_disk(state_dir)


def on_disk(state_dir):
    """Bytes of the history's files."""
    return sum(f.stat().st_size for f in Path(state_dir).glob('tracer.db*'))


def questions(client, rng):
    """Queries of each kind, of packets that are there."""
    newest = client.get('packets', limit=1000)['packets']
    tuples = [way['tuple'] for way in newest]
    busy = [f'10.0.0.{n}' for n in range(200)]
    kinds = (
        lambda t: {k: t[k] for k in
                   ('saddr', 'daddr', 'sport', 'dport', 'proto')},
        lambda t: {'saddr': t['saddr'], 'daddr': t['daddr']},
        lambda _: {'saddr': rng.choice(busy), 'daddr': SERVICE,
                   'proto': 'tcp'},
        lambda _: {'saddr': rng.choice(busy), 'dport': 443},
        lambda _: {'daddr': SERVICE},
        lambda _: {'sport': rng.randrange(1024, 61024)},
        lambda _: {'saddr': f'10.99.{rng.randrange(256)}.1',
                   'daddr': SERVICE},
    )
    return [kinds[i % len(kinds)](rng.choice(tuples)) for i in range(QUERIES)]


def ask_all(client, queries):
    """Milliseconds of each."""
    times = []
    for query in queries:
        before = time.perf_counter()
        answer = client.get('packets', limit=40, **query)
        times.append((time.perf_counter() - before) * 1e3)
        assert not answer.get('partial'), query
        firsts = [w['first'] for w in answer['packets']]
        assert firsts == sorted(firsts, reverse=True)
    return times


def ready(suite):
    """Does the tracer answer?"""
    try:
        return suite.client.get('traces')
    except ApiError:
        return False


def measure_queries(steps):
    """Times of the queries, and bytes for each step."""
    with Lab('bench-store') as lab:
        suite = Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                      args={'tracer': ['--history-max', '8G']})
        bytes_used = fill(suite['tracer'].state_dir, '8G', steps)
        with suite:
            wait_for(lambda: ready(suite), 60)
            queries = questions(suite.client, random.Random(1))
            ask_all(suite.client, queries[:50])
            return ask_all(suite.client, queries), bytes_used / steps


def measure_bound():
    """Bytes beyond a bound of 64 MiB that is filled thrice."""
    with tempfile.TemporaryDirectory() as state:
        return max(0, fill(state, '64M', 6_000_000) - (64 << 20))


def percentile(values, share):
    """The smallest value that this share is not above."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(full):
    """The figures of the history."""
    steps = STEPS if full else STEPS_SHORT
    times, per_step = measure_queries(steps)
    note = f'{steps:,} steps'
    return [
        Figure('query_p99_ms', percentile(times, .99), 'ms', times, '<= 50',
               note),
        Figure('query_p50_ms', percentile(times, .5), 'ms', times, '', note),
        Figure('store_bytes_step', per_step, 'bytes', [], '', note),
        Figure('store_over_bound', measure_bound(), 'bytes', [], '= 0',
               'bound of 64 MiB'),
    ]
