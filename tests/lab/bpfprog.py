# SPDX-License-Identifier: MIT
"""A BPF program of one verdict on an interface, without a compiler.

    with bpfprog.on(link.b, bpfprog.XDP, 1, flags=bpfprog.SKB_MODE):
        ...         # every packet is dropped by XDP

It leaves with its descriptor.
"""

import ctypes
import os
import platform
import struct
from contextlib import contextmanager
from dataclasses import dataclass

SYS_BPF = {'x86_64': 321, 'aarch64': 280}.get(platform.machine())
PROG_LOAD, PROG_TEST_RUN, MAP_GET_FD_BY_ID, LINK_CREATE = 5, 10, 14, 28
SKB_MODE, DRV_MODE = 2, 4       # of XDP
REDIRECT, LIVE_FRAMES = 23, 2


@dataclass(frozen=True)
class Hook:
    """A place for a program, and what drops there."""
    prog_type: int
    attach_type: int
    drop: int


XDP = Hook(6, 37, 1)
TCX_INGRESS = Hook(3, 46, 2)
TCX_EGRESS = Hook(3, 47, 2)


def _bpf(cmd, attr):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attr.ljust(128, b'\0'))
    res = libc.syscall(SYS_BPF, cmd, buffer, 128)
    if res < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return res


def _load(hook, *insns):
    code = b''.join(struct.pack('<BBhi', *insn)
                    for insn in (*insns, (0x95, 0, 0, 0)))      # exit
    insns = ctypes.create_string_buffer(code, len(code))
    name = ctypes.create_string_buffer(b'GPL')
    return _bpf(PROG_LOAD, struct.pack(
        '<IIQQ', hook.prog_type, len(code) // 8, ctypes.addressof(insns),
        ctypes.addressof(name)))


def map_by_id(number):
    """A descriptor of the map with this id."""
    return _bpf(MAP_GET_FD_BY_ID, struct.pack('<III', number, 0, 0))


@contextmanager
def on(iface, hook, verdict=None, flags=0):
    """The program, attached to an interface of a lab's namespace."""
    prog = _load(hook, (0xb7, 0, 0, hook.drop if verdict is None
                        else verdict))      # r0 = verdict
    try:
        link = iface.ns.call(_bpf, LINK_CREATE, struct.pack(
            '<IIII', prog, iface.index, hook.attach_type, flags))
    finally:
        os.close(prog)
    try:
        yield
    finally:
        os.close(link)


def send_raw(iface, frames):
    """Sends frames out of a veth without a buffer (sk_buff) around them, as
    a driver that redirects does; the other end must have an XDP program."""
    prog = _load(XDP, (0xb7, 1, 0, iface.index), (0xb7, 2, 0, 0),
                 (0x85, 0, 0, REDIRECT))    # r0 = bpf_redirect(index, 0)
    try:
        for frame in frames:
            data = ctypes.create_string_buffer(frame, len(frame))
            iface.ns.call(_bpf, PROG_TEST_RUN, struct.pack(
                '<IIIIQQIIIIQQIII', prog, 0, len(frame), 0,
                ctypes.addressof(data), 0, 1, 0, 0, 0, 0, 0, LIVE_FRAMES, 0,
                0))
    finally:
        os.close(prog)
