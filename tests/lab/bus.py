# SPDX-License-Identifier: MIT
"""The bus without the project's code: SP framing on ipc, envelopes by a
schema of any version. For peers that a daemon does not expect."""

import os
import select
import socket
import struct
import threading
import time
from pathlib import Path

from .proto import Schema
from .wait import SLOW

ROOT = Path(__file__).resolve().parents[2]
# SP protocol numbers: what a side says that it is.
PUB, SUB, REQ, REP = 0x20, 0x21, 0x30, 0x31
SCHEMA_VERSION = 1


def current():
    """The schema of this tree."""
    return Schema(ROOT / 'proto')


def _greet(sock, protocol):
    sock.sendall(struct.pack('!4sHH', b'\0SP\0', protocol, 0))
    _exactly(sock, 8)


def _exactly(sock, size):
    data = b''
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError('hung up')
        data += more
    return data


def _send(sock, body):
    sock.sendall(b'\1' + struct.pack('!Q', len(body)) + body)


def _receive(sock):
    return _exactly(sock, struct.unpack('!xQ', _exactly(sock, 9))[0])


def envelope(publisher='test', instance='test', epoch=1, **fields):
    """The fields of an envelope that each has."""
    return {'publisher': publisher, 'instance': instance, 'epoch': epoch,
            'time_ns': time.time_ns(), 'schema': SCHEMA_VERSION, **fields}


def listen(sock):
    """The messages of a publisher, as a subscriber to all gets them."""
    _greet(sock, SUB)
    while True:
        yield _receive(sock)


class Request:
    """Asks a daemon: call('service.status', 'ps.Empty', {}).

    The answer is (name of its message, dict); an error is ('ps.Error', …).
    """

    def __init__(self, path, schema=None, timeout=5):
        self.schema = schema or current()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout * SLOW)
        self.sock.connect(str(path))
        _greet(self.sock, REQ)
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def raw(self, data):
        """Sends the bytes of an envelope; the answer's."""
        self.number += 1
        ident = struct.pack('!I', 0x80000000 | self.number)
        _send(self.sock, ident + data)
        while True:
            answer = _receive(self.sock)
            if answer[:4] == ident:
                return answer[4:]

    def call(self, method, kind, values, extra=b'', **more):
        """One request; extra: bytes of fields that nobody knows."""
        body = self.schema.encode(kind, values) + extra
        answer = self.schema.decode('ps.Envelope', self.raw(
            self.schema.encode('ps.Envelope', envelope(
                method=method, type=kind, body=body, **more)) + extra))
        if 'error' in answer:
            return 'ps.Error', answer['error']
        return answer['type'], self.schema.decode(answer['type'],
                                                  answer['body'])

    def announce(self, *, started, **values):
        """gateway.announce: None, or the error."""
        kind, answer = self.call('gateway.announce', 'ps.Announcement',
                                 {'started': {'unix_ns': started}, **values})
        return answer if kind == 'ps.Error' else None


class FakeDaemon:
    """A daemon of any schema: publishes heartbeats, answers requests.

    methods: {'locator.get_geo': (request type, reply type, func)}; func takes
    a dict and returns one. status adds to each heartbeat; extra is put behind
    each message, as a newer version's fields would be.
    """

    def __init__(self, run_dir, name, schema, methods=None, *,
                 place=None, instance='fake', extra=b'', status=None):
        self.schema = schema
        self.name, self.instance = name, instance
        self.methods = methods or {}
        self.extra = extra
        self.status = status or {}
        self.epoch = time.time_ns()
        self.asked = []
        self.seq = {}
        self.paths = [Path(run_dir) / f'{place or name}.{kind}'
                      for kind in ('rep', 'pub')]
        self.peers = []
        self.lock = threading.Lock()
        self.wake = os.pipe()
        self.threads = []

    def __enter__(self):
        for path, serve in zip(self.paths, (self._answer, None)):
            path.unlink(missing_ok=True)
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(path))
            path.chmod(0o666)
            sock.listen(16)
            self._thread(self._accept, sock, serve)
        self._thread(self._beat)
        return self

    def __exit__(self, *exc):
        os.close(self.wake[1])
        for path in self.paths:
            path.unlink(missing_ok=True)
        for thread in self.threads:
            thread.join(10)
        os.close(self.wake[0])
        for sock in self.peers:
            sock.close()

    def _thread(self, func, *args):
        thread = threading.Thread(target=func, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _ends(self, sock, timeout=None):
        """Waits for input; true: it is over."""
        files = [self.wake[0], *([sock] if sock else [])]
        return self.wake[0] in select.select(files, [], [], timeout)[0]

    def _accept(self, listener, serve):
        with listener:
            while not self._ends(listener):
                sock, _ = listener.accept()
                sock.settimeout(10)
                try:
                    _greet(sock, REP if serve else PUB)
                except OSError:
                    sock.close()
                    continue
                if serve:
                    self._thread(serve, sock)
                else:
                    with self.lock:
                        self.peers.append(sock)

    def _answer(self, sock):
        with sock:
            while not self._ends(sock):
                try:
                    data = _receive(sock)
                except OSError:
                    return
                # The ids of the way back, the last with its high bit set.
                at = 4
                while not data[at - 4] & 0x80:
                    at += 4
                reply = self._reply(self.schema.decode('ps.Envelope',
                                                       data[at:]))
                _send(sock, data[:at] + reply)

    def _envelope(self, **fields):
        return self.schema.encode('ps.Envelope', envelope(
            self.name, self.instance, self.epoch, **fields)) + self.extra

    def _reply(self, request):
        method = request['method']
        self.asked.append(method)
        if method == 'service.status':
            kind, values = 'ps.ServiceStatus', self.heartbeat()
        elif method in self.methods:
            wanted, kind, func = self.methods[method]
            values = func(self.schema.decode(wanted,
                                             request.get('body', b'')))
        else:
            return self._envelope(error={
                'id': 'request.unknown_method', 'status': 404,
                'detail': 'This daemon has no such method.'})
        return self._envelope(
            type=kind, body=self.schema.encode(kind, values) + self.extra)

    def heartbeat(self):
        """The values of its status."""
        return {'name': self.name, 'instance': self.instance,
                'state': 'ready', 'started': {'unix_ns': self.epoch},
                **self.status}

    def publish(self, topic, kind, values):
        """To all who listen."""
        self.seq[topic] = self.seq.get(topic, 0) + 1
        data = topic.encode() + b'\0' + self._envelope(
            topic=topic, seq=self.seq[topic], type=kind,
            body=self.schema.encode(kind, values) + self.extra)
        with self.lock:
            for sock in list(self.peers):
                try:
                    _send(sock, data)
                except OSError:
                    self.peers.remove(sock)

    def _beat(self):
        while not self._ends(None, 0.5):
            self.publish('heartbeat', 'ps.ServiceStatus', self.heartbeat())
