# SPDX-License-Identifier: MIT
"""Entering a network namespace: one thread of ours, or a child of ours."""

import ctypes
import os
import signal
import threading

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
NETNS_DIR = '/run/netns'

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err), 'setns')


def call_in(name, func, *args, **kwargs):
    """Runs func in a thread that is in the namespace (None: the host's)."""
    if name is None:
        return func(*args, **kwargs)
    result = {}

    def body():
        try:
            fd = os.open(f'{NETNS_DIR}/{name}', os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(fd)
            finally:
                os.close(fd)
            result['value'] = func(*args, **kwargs)
        except BaseException as exc:  # handed to the caller below
            result['error'] = exc

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if 'error' in result:
        raise result['error']
    return result['value']


def child_setup(name):
    """A preexec_fn: the child dies with us and runs in the namespace.

    The mounts stay the host's, so cgroups and tracing are visible to it;
    for the same reason /sys/class/net there shows the host's interfaces.
    """
    parent = os.getpid()
    path = None if name is None else f'{NETNS_DIR}/{name}'

    def setup():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        if path is not None:
            fd = os.open(path, os.O_RDONLY)
            _setns(fd)
            os.close(fd)

    return setup
