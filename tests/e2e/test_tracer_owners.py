# SPDX-License-Identifier: MIT
"""Who sent and who received a packet: the socket's owner, never the task that
a soft interrupt met."""

import os
import socket
import subprocess
import sys

import pytest

from lab import ApiError, Suite, packet, traffic, wait_for

pytestmark = pytest.mark.daemons('tracer', 'gateway')

N = 5
# Named by itself, so that neither pid nor name can be another's by chance.
NAMED = '''
import os, socket, sys
def name(text):
    with open('/proc/self/comm', 'w') as file:
        file.write(text)
def say(*words):
    print(*words, flush=True)
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
addr = sys.argv[1]
'''
READER = NAMED + '''
name('ps-reader')
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.bind((addr, 0))
say(os.getpid(), sock.getsockname()[1])
while sock.recv(100) != b'end':
    pass
'''
# Gone as soon as it has sent.
SENDER = NAMED + '''
name('ps-sender')
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.sendto(b'once', (addr, int(sys.argv[2])))
say(os.getpid(), sock.getsockname()[1])
os._exit(0)
'''
SERVER = NAMED + '''
name('ps-server')
door = socket.socket(family)
door.bind((addr, 0))
door.listen(16)
say(os.getpid(), door.getsockname()[1])
while True:
    peer, _ = door.accept()
    peer.recv(100)
    peer.sendall(b'answer')
    peer.close()
'''
# A parent makes the socket, its child uses it; the parent keeps it open.
HEIR = NAMED + '''
name('ps-parent')
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.connect((addr, int(sys.argv[2])))
say(os.getpid(), sock.getsockname()[1])
sys.stdin.readline()
if os.fork() == 0:
    name('ps-child')
    for _ in range(int(sys.argv[3])):
        sock.send(b'from the child')
    say(os.getpid(), 0)
    os._exit(0)
os.wait()
sys.stdin.readline()
'''


class World:
    """Two linked namespaces, and a tracer."""

    def __init__(self, lab, version):
        self.lab, self.version = lab, version
        self.a, self.b = lab.ns('a'), lab.ns('b')
        self.link = lab.veth(self.a, self.b)
        self.addr = self.link.b.addr(version)
        self.suite = None
        self.ident = None

    def run(self, space, code, *args):
        """A process: (it, its pid, its port)."""
        proc = space.popen([sys.executable, '-c', code, self.addr,
                            *map(str, args)], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
        return (proc, *map(int, proc.stdout.readline().split()))

    def start(self):
        """The suite; what runs already is older than the daemon."""
        # On a busy machine a budget would leave packets out, and say so.
        self.suite = Suite(self.lab, ns=self.lab.host,
                           daemons=('tracer', 'gateway'),
                           args={'tracer': ['--cpu-budget', '100']}).start()
        wait_for(self.answers, 15, what='the tracer answers')

    def answers(self):
        """Does the tracer?"""
        try:
            return self.suite.client.get('traces') is not None
        except ApiError:
            return False

    def trace(self, port):
        """From here on, both ways."""
        self.ident = self.suite.client.post('traces', {
            'tier': 'core', 'filter': {'daddr': self.addr, 'dport': port},
            'duration_ns': 60 * 10**9})['id']

    def ways(self, count, fits=lambda way: True):
        """So many that fit, once their owners have been looked for."""
        def there():
            got = [w for w in self.suite.client.pages(
                f'traces/{self.ident}/packets', 'packets', limit=1000)
                if fits(w)]
            return got if len(got) >= count else None
        wait_for(there, 10, what=f'{count} ways')
        return there()


@pytest.fixture(params=[4, 6])
def world(lab, request):
    """A world for each version of IP."""
    made = World(lab, request.param)
    yield made
    if made.suite:
        made.suite.stop()


def owned(world, side, pid, comm, count=N, **more):
    """Waits until so many ways have this owner on that side; no other."""
    def told():
        ways = world.ways(count, **more)
        assert len(ways) == count
        for way in ways:
            assert way.get(side, {}).get('pid') == pid
            assert way[side]['comm'] == comm
            # A process that is gone at once leaves no cgroup to read.
            assert way[side].get('cgroup', '/').startswith('/')
        return ways
    return wait_for(told, 5, what=f'{side} {comm}')


def test_sockets_older_than_the_daemon(world):
    """And the sender's soft interrupt is where the receiver gets it."""
    reader, pid, port = world.run(world.b, READER)
    family = socket.AF_INET6 if world.version == 6 else socket.AF_INET
    with world.a.socket(family, socket.SOCK_DGRAM) as sock:
        world.start()
        world.trace(port)
        for _ in range(N):
            sock.sendto(b'x', (world.addr, port))
        ways = owned(world, 'receiver', pid, 'ps-reader')
        assert {w['sender']['pid'] for w in ways} == {os.getpid()}
        sock.sendto(b'end', (world.addr, port))
        assert reader.wait(10) == 0


def test_a_process_that_is_gone(world):
    """It sent one packet and ended: no look could find it."""
    world.start()
    with world.b.socket(
            socket.AF_INET6 if world.version == 6 else socket.AF_INET,
            socket.SOCK_DGRAM) as sock:
        sock.bind((world.addr, 0))
        port = sock.getsockname()[1]
        world.trace(port)
        for _ in range(N):
            proc, pid, sport = world.run(world.a, SENDER, port)
            assert proc.wait(10) == 0
            (way,) = world.ways(1, lambda w, s=sport:
                                w['tuple']['sport'] == s)
            assert way['sender']['pid'] == pid
            assert way['sender']['comm'] == 'ps-sender'


def test_short_connections(world):
    """Accepted, answered and closed: each before a look at open files."""
    server, pid, port = world.run(world.b, SERVER)
    world.start()
    world.trace(port)
    for _ in range(N):
        with world.a.call(socket.create_connection,
                          (world.addr, port)) as sock:
            sock.sendall(b'question')
            assert sock.recv(100) == b'answer'
            assert sock.recv(100) == b''
    asked = owned(world, 'receiver', pid, 'ps-server',
                  fits=lambda w: w['tuple']['dport'] == port and
                  any(s['station'] == 'skb_copy_datagram_iovec'
                      for s in w['steps']))
    assert {w['sender']['pid'] for w in asked} == {os.getpid()}
    server.kill()


def test_who_uses_it_owns_it(world):
    """A parent holds the socket too, and does nothing with it."""
    reader, reader_pid, port = world.run(world.b, READER)
    parent, _, sport = world.run(world.a, HEIR, port, N)
    world.start()
    world.trace(port)
    parent.stdin.write('\n')
    parent.stdin.flush()
    child = int(parent.stdout.readline().split()[0])
    owned(world, 'sender', child, 'ps-child',
          fits=lambda w: w['tuple']['sport'] == sport)
    owned(world, 'receiver', reader_pid, 'ps-reader',
          fits=lambda w: w['tuple']['sport'] == sport)
    parent.stdin.write('\n')
    parent.stdin.flush()
    assert parent.wait(10) == 0
    reader.kill()


def test_unknown_is_absent(world):
    """What the kernel itself sends has no owner, whoever was interrupted."""
    world.start()
    world.trace(9)
    traffic.frames(world.link.a, [
        packet.eth(world.link.b.mac, world.link.a.mac, packet.ip(
            world.link.a.addr(world.version), world.addr,
            packet.tcp(2000 + i, 9))) for i in range(N)])
    refused = world.ways(N, lambda w: w['tuple']['sport'] == 9)
    assert len(refused) == N        # with RST
    for way in refused:
        assert 'sender' not in way and 'receiver' not in way
