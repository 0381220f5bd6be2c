# SPDX-License-Identifier: MIT
"""Many clients of the event stream in one process, by epoll.

    event_watch.py HOST:PORT CLIENTS STALLED < token and commands

Standard input: a line with the token; then "end". Standard output: "ready"
once all stand, and after "end" one line of JSON. Each client must get every
event of the gateway, in order; the stalled ones read nothing after the
stream's first line.
"""

import json
import re
import select
import socket
import sys
import time
from datetime import datetime

EVENT = re.compile(rb'id: (\d+)\nevent: (\w+)\ndata: (.*)')
QUIET_S = 1
PATIENCE_S = 20


def own_time_ns(name, data):
    """When an event was made; None: it does not say.

    What an audit entry says is when its change was asked for.
    """
    if name != b'event':
        return None
    text = json.loads(data)['time']
    whole, _, part = text.rstrip('Z').partition('.')
    seconds = datetime.fromisoformat(whole + '+00:00').timestamp()
    return int(seconds) * 10**9 + int(part.ljust(9, '0'))


class Client:
    """One stream, and what came of it."""

    def __init__(self, address, head, stalled):
        self.sock = socket.socket()
        if stalled:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(address)
        self.sock.sendall(head)
        self.rest = b''
        self.begun = False
        self.last = None
        self.count = self.wrong = 0

    def read(self):
        """What has come, whole blocks; None: the stream has ended."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return b''
        if not data:
            return None
        if not self.rest and data.endswith(b'\n\n'):
            return data
        end = (self.rest + data).rfind(b'\n\n') + 2
        whole = (self.rest + data)[:end] if end > 1 else b''
        self.rest = (self.rest + data)[len(whole):]
        return whole


class Watch:
    """All clients; delays by the events' own times."""

    def __init__(self, address, head, clients, stalled):
        self.poll = select.epoll()
        self.clients = {}
        self.stalled = []
        self.parsed = {}
        self.ids = set()
        self.delays = []
        self.ended = 0
        self.heard = time.monotonic()
        for i in range(clients):
            client = Client(address, head, i < stalled)
            client.sock.setblocking(False)
            self.clients[client.sock.fileno()] = client
            self.poll.register(client.sock, select.EPOLLIN)
            if i < stalled:
                self.stalled.append(client.sock.fileno())

    def parse(self, data):
        """Ids in order, their events' own times, and what is no event.

        All clients get the same bytes, mostly in the same portions.
        """
        if data in self.parsed:
            return self.parsed[data]
        ids, times, others = [], [], 0
        for block in data.split(b'\n\n')[:-1]:
            found = EVENT.match(block)
            if found:
                ids.append(int(found[1]))
                times.append(own_time_ns(found[2], found[3]))
            else:
                # A comment lives on; a loss must not be.
                others += not block.startswith(b':')
        hole = any(b != a + 1 for a, b in zip(ids, ids[1:]))
        if len(self.parsed) > 1000:
            self.parsed.clear()
        self.parsed[data] = ids, [t for t in times if t], others + hole
        return self.parsed[data]

    def take(self, client, data, now):
        """What came on a stream; its first line is no event."""
        if not client.begun:
            client.begun = data.startswith(b'HTTP/1.1 200 ')
            if not client.begun:
                sys.exit(f'event_watch: {data[:400].decode()}')
            data = data.partition(b'retry: 1000\n\n')[2]
        if not data:
            return
        ids, times, wrong = self.parse(data)
        if ids:
            wrong += client.last is not None and ids[0] != client.last + 1
            client.last = ids[-1]
        client.wrong += wrong
        client.count += len(ids)
        self.ids.update(ids)
        self.delays.extend([now - t for t in times])

    def step(self, timeout):
        """What has come by now."""
        for fd, _ in self.poll.poll(timeout):
            client = self.clients[fd]
            data = client.read()
            now = time.time_ns()
            if data is None:
                self.ended += 1
                self.poll.unregister(fd)
            elif data:
                self.heard = time.monotonic()
                self.take(client, data, now)

    def ready(self):
        """True once each has its stream; the stalled ones read no more."""
        if not all(client.begun for client in self.clients.values()):
            return False
        for fd in self.stalled:
            self.poll.unregister(fd)
        return True

    def result(self):
        """What the clients that read have got."""
        reading = [client for fd, client in self.clients.items()
                   if fd not in self.stalled]
        lasts = {client.last for client in reading}
        delays = sorted(self.delays)
        return {
            'standing': len(self.clients) - self.ended,
            'behind': sum(c.last != max(lasts, key=lambda n: n or 0)
                          for c in reading),
            'wrong': sum(client.wrong for client in reading),
            'events': len(self.ids),
            'deliveries': sum(client.count for client in reading),
            'delays': len(delays),
            'delay_max_ns': delays[-1] if delays else None,
            'delay_p99_ns': delays[len(delays) * 99 // 100] if delays else None,
            'delay_p50_ns': delays[len(delays) // 2] if delays else None,
        }


def main():
    """See above."""
    host, _, port = sys.argv[1].rpartition(':')
    clients, stalled = int(sys.argv[2]), int(sys.argv[3])
    token = sys.stdin.readline().strip()
    head = (f'GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n'
            f'Accept: text/event-stream\r\n'
            f'Authorization: Bearer {token}\r\n\r\n').encode()
    watch = Watch((host, int(port)), head, clients, stalled)
    until = time.monotonic() + PATIENCE_S
    while not watch.ready():
        if time.monotonic() > until:
            sys.exit('event_watch: not all streams came to stand')
        watch.step(0.1)
    print('ready', flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        watch.step(0.05)
    until = time.monotonic() + PATIENCE_S
    watch.heard = time.monotonic()
    while time.monotonic() < min(until, watch.heard + QUIET_S):
        watch.step(0.05)
    print(json.dumps(watch.result()), flush=True)


if __name__ == '__main__':
    main()
