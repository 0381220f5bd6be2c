# SPDX-License-Identifier: MIT
"""Captures, as others read them."""

import os
import shutil
import subprocess

import pytest


def tshark(data, *fields, options=()):
    """The values of each packet of a capture, on a line of its own, with |
    between them. Whoever tests here has a tshark (deploy/setup); the machines
    of tests/vm have none."""
    if not shutil.which('tshark'):
        if os.environ.get('PACKETSCOPE_TEST_VM'):
            pytest.skip('no tshark in the machine')
        pytest.fail('no tshark: deploy/setup installs it')
    args = [arg for field in fields for arg in ('-e', field)]
    done = subprocess.run(
        ['tshark', '-r', '-', '-T', 'fields', '-E', 'separator=|', *options,
         *args], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()
