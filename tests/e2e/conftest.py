# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests; see docs/testing.md."""

import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import Lab, Suite, clean_stale, missing  # noqa: E402


def pytest_configure(config):
    # A daemon that makes a system call it may not make ends at once.
    os.environ.setdefault('PACKETSCOPE_SECCOMP', 'abort')
    config.addinivalue_line(
        'markers', 'daemons(*names): skipped unless these are built')
    config.addinivalue_line('markers', 'full: only with tests/run --full')
    config.addinivalue_line(
        'markers', 'host_only(reason): not inside a virtual machine')


def pytest_addoption(parser):
    parser.addoption('--full', action='store_true',
                     help='run the tests marked full too')


def pytest_collection_modifyitems(config, items):
    for item in items:
        names = [n for m in item.iter_markers('daemons') for n in m.args]
        gone = missing(*names)
        if gone:
            item.add_marker(pytest.mark.skip(
                reason='not built: ' + ', '.join(f'ps-{n}' for n in gone)))
        host_only = item.get_closest_marker('host_only')
        if host_only and os.environ.get('PACKETSCOPE_TEST_VM'):
            item.add_marker(pytest.mark.skip(
                reason='only on the host: ' + host_only.args[0]))
        if item.get_closest_marker('full') and \
                not config.getoption('--full'):
            item.add_marker(pytest.mark.skip(reason='only with --full'))


def pytest_sessionstart():
    clean_stale()


@pytest.fixture
def lab(request):
    """A lab named after the test."""
    with Lab(re.sub(r'^test_', '', request.node.name)) as one:
        yield one


@pytest.fixture
def suite(lab):
    """All five daemons in a namespace `lab.node` of their own.

    The test adds links to suite.ns; the daemons see them come.
    """
    node = lab.ns('node')
    with Suite(lab, ns=node) as one:
        yield one
