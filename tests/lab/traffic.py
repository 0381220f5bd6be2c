# SPDX-License-Identifier: MIT
"""Traffic of exact counts between two namespaces, IPv4 and IPv6.

The sockets belong to the namespaces, the process is the test's own; use
Namespace.popen for traffic that another process must own.
"""

import ipaddress
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass

from .wait import SLOW

SO_RCVBUFFORCE = 33
UDP_SEGMENT = 103


@dataclass
class Sent:
    """What went out and what came in, as the applications saw it."""
    sent: int = 0
    received: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    src_port: int = 0
    dst_port: int = 0


def family(addr):
    """AF_INET or AF_INET6 for an address in text."""
    six = ipaddress.ip_address(addr).version == 6
    return socket.AF_INET6 if six else socket.AF_INET


def udp(src, dst, addr, count, size=100, *, port=0, src_port=0, gso=0):
    """Sends count datagrams of size bytes from src to addr in dst.

    gso: bytes of each segment; then each send of size bytes is one super
    packet, and `sent` counts segments.
    """
    fam = family(addr)
    rx = dst.socket(fam, socket.SOCK_DGRAM)
    tx = src.socket(fam, socket.SOCK_DGRAM)
    out = Sent()
    with rx, tx:
        rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        rx.bind((addr, port))
        rx.settimeout(0.3 * min(SLOW, 3))
        if src_port:
            tx.bind(('', src_port))
        tx.connect(rx.getsockname()[:2])
        out.src_port = tx.getsockname()[1]
        out.dst_port = rx.getsockname()[1]
        if gso:
            tx.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, gso)
        done = threading.Event()

        def drain():
            while True:
                try:
                    data = rx.recv(65536)
                except socket.timeout:
                    if done.is_set():
                        return
                    continue
                out.received += 1
                out.received_bytes += len(data)

        reader = threading.Thread(target=drain)
        reader.start()
        payload = os.urandom(size)
        try:
            for _ in range(count):
                tx.send(payload)
                out.sent += -(-size // gso) if gso else 1
                out.sent_bytes += size
        finally:
            done.set()
            reader.join()
    return out


def tcp(src, dst, addr, size=100000, *, connections=1, port=0, chunk=65536):
    """Moves size bytes over each of some connections, opened in turn."""
    fam = family(addr)
    out = Sent()
    server = dst.socket(fam, socket.SOCK_STREAM)
    with server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((addr, port))
        server.listen(16)
        server.settimeout(20 * SLOW)
        out.dst_port = server.getsockname()[1]

        def serve():
            for _ in range(connections):
                conn, _peer = server.accept()
                with conn:
                    conn.settimeout(20 * SLOW)
                    while data := conn.recv(262144):
                        out.received_bytes += len(data)
                out.received += 1

        reader = threading.Thread(target=serve)
        reader.start()
        payload = os.urandom(min(chunk, size) or 1)
        try:
            for _ in range(connections):
                with src.socket(fam, socket.SOCK_STREAM) as tx:
                    tx.settimeout(20 * SLOW)
                    tx.connect((addr, out.dst_port))
                    out.src_port = tx.getsockname()[1]
                    left = size
                    while left:
                        done = tx.send(payload[:min(left, len(payload))])
                        left -= done
                        out.sent_bytes += done
                    out.sent += 1
                    tx.shutdown(socket.SHUT_WR)
                    tx.recv(1)  # the server closes: no RST, all was read
        finally:
            reader.join(25 * SLOW)
    return out


def icmp(src, addr, count, size=56, *, ident=None, window=32, timeout=2.0):
    """count echo requests; `received` counts the matching replies."""
    fam = family(addr)
    six = fam == socket.AF_INET6
    proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    ident = (os.getpid() & 0xffff) if ident is None else ident
    out = Sent(src_port=ident)
    request, reply = (128, 129) if six else (8, 0)
    seen = set()

    def drain(until):
        while len(seen) < out.sent and time.monotonic() < until:
            sock.settimeout(max(0.001, until - time.monotonic()))
            try:
                data = sock.recv(65536)
            except socket.timeout:
                return
            if not six:
                data = data[(data[0] & 15) * 4:]
            kind, _, _, rid, seq = struct.unpack('!BBHHH', data[:8])
            if kind == reply and rid == ident:
                seen.add(seq)
                out.received_bytes += len(data) - 8

    with src.socket(fam, socket.SOCK_RAW, proto) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        payload = bytes(size)
        for seq in range(count):
            head = struct.pack('!BBHHH', request, 0, 0, ident, seq & 0xffff)
            pkt = head + payload
            if not six:
                pkt = head[:2] + struct.pack('!H', checksum(pkt)) + pkt[4:]
            sock.sendto(pkt, (addr, 0))
            out.sent += 1
            out.sent_bytes += size
            if out.sent - len(seen) >= window:
                drain(time.monotonic() + 0.05)
        drain(time.monotonic() + timeout * SLOW)
    out.received = len(seen)
    return out


def frames(iface, packets):
    """Sends raw Ethernet frames out of an interface of a namespace."""
    sock = iface.ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sock:
        iface.ns.call(sock.bind, (iface.name, 0))
        for pkt in packets:
            sock.send(pkt)
    return len(packets)


def checksum(data):
    """The internet checksum."""
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
