# SPDX-License-Identifier: MIT
"""How long the list of sockets takes while the host has 50,000.

They are real: TCP connections, listeners and UDP sockets of IPv4 and IPv6,
held by processes of their own in ten network namespaces. Measured from the
request to the last byte of the answer, over HTTP, by a client that takes no
older answer (Cache-Control: no-cache): the first page of the most rows, in
the usual order, then sorted and filtered ones. Each is a new look at all
sockets of the host; the longest of the kinds counts.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from figures import Figure, table  # noqa: E402  (after the path)
from lab import Lab, Suite, wait_for  # noqa: E402

SPACES, EACH = 10, 5000
# Two descriptors make a connection; some listen, some are of UDP.
HOLDER = '''
import resource, socket, sys
pairs, others = int(sys.argv[1]), int(sys.argv[2])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
keep = []
for family, addr in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
    door = socket.socket(family)
    door.bind((addr, 0))
    door.listen(64)
    keep.append(door)
    for _ in range(pairs // 2):
        keep.append(socket.create_connection(door.getsockname()[:2]))
        keep.append(door.accept()[0])
    for i in range(others // 4):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = socket.socket(family, kind)
            sock.bind((addr, 0))
            if kind == socket.SOCK_STREAM:
                sock.listen(1)
            keep.append(sock)
print(len(keep), flush=True)
sys.stdin.read()
'''
KINDS = {
    'page': {'limit': 1000},
    'sorted': {'limit': 100, 'sort': '-recv_queue'},
    'state': {'limit': 1000, 'state': 'LISTEN'},
    'port': {'limit': 100, 'port': 1},
    'comm': {'limit': 1000, 'comm': 'python3'},
    'container': {'limit': 100, 'container': '0123456789ab'},
}


@contextlib.contextmanager
def many(lab):
    """The sockets, as long as it lasts; gives how many."""
    holders = []
    try:
        for i in range(SPACES):
            space = lab.ns(f'many{i}')
            space.ip('link', 'set', 'lo', 'up')
            holders.append(space.popen(
                [sys.executable, '-c', HOLDER, str(EACH * 2 // 5),
                 str(EACH // 5)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True))
        yield sum(int(one.stdout.readline()) for one in holders)
    finally:
        for one in holders:
            one.stdin.close()
            one.wait(30)


def timed(client, query):
    """Milliseconds of one request, and its answer's total."""
    begun = time.monotonic()
    got = client.get('sockets', **query)
    return (time.monotonic() - begun) * 1000, got


def measure(full=False):
    """The figures."""
    rounds = 30 if full else 10
    with Lab('sockets50k') as lab, many(lab) as opened, \
            Suite(lab, ns=lab.host, daemons=('tracer', 'gateway')) as suite:
        wait_for(lambda: suite.ready(), 20, what='the suite')
        client = suite.client
        _, got = timed(client, {'limit': 1})
        if got['total'] < opened:
            raise RuntimeError(f'{opened} were opened, {got["total"]} listed')
        times = {name: [] for name in KINDS}
        for _ in range(rounds):
            for name, query in KINDS.items():
                times[name].append(timed(client, query)[0])
    medians = {name: statistics.median(got) for name, got in times.items()}
    worst = max(medians, key=medians.get)
    note = f'{opened} sockets in {SPACES} namespaces; ' + ', '.join(
        f'{name} {value:.0f}' for name, value in medians.items())
    return [Figure.median('sockets_50k_ms', times[worst], unit='ms',
                          goal='<= 200', note=note)]


if __name__ == '__main__':
    print(table(measure('--full' in sys.argv)))
