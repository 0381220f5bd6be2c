# SPDX-License-Identifier: MIT
"""Waiting for a condition, and finding a free port."""

import os
import socket
import time

# How many times slower than usual this machine is: an emulated one waits
# longer before it says that something did not happen.
SLOW = float(os.environ.get('PACKETSCOPE_TEST_SLOW', '1'))


def wait_for(check, timeout=10.0, interval=0.05, what=None):
    """Calls check() until it is truthy and returns that; else TimeoutError.

    An AssertionError from check() counts as "not yet" and is the cause shown.
    what names the condition, or is a function that does so when it is too
    late. The time is multiplied by PACKETSCOPE_TEST_SLOW.
    """
    timeout *= SLOW
    end = time.monotonic() + timeout
    cause = None
    while True:
        try:
            value = check()
            if value:
                return value
        except AssertionError as exc:
            cause = exc
        if time.monotonic() >= end:
            name = what() if callable(what) else \
                what or getattr(check, '__name__', 'condition')
            raise TimeoutError(f'{name}: not within {timeout:g} s') from cause
        time.sleep(interval)


def free_port(host='127.0.0.1'):
    """A TCP port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]
