# SPDX-License-Identifier: MIT
"""kill -9 under load: the short form of tests/bench/kill9.py."""

from pathlib import Path

import pytest

from lab import BUILD
from lab.killing import DAEMONS, Killing

pytestmark = [pytest.mark.daemons(*DAEMONS),
              pytest.mark.host_only('it measures time')]


def test_each_is_killed_twice(lab, tmp_path_factory):
    directory = Path(tmp_path_factory.mktemp('kill9'))
    for folder in (directory, *directory.parents):
        if str(folder).startswith('/tmp/'):
            folder.chmod(0o755)
    with Killing(lab, directory, BUILD / 'bin') as killing:
        for _ in range(2):
            for name in DAEMONS:
                killing.round(name)
        killing.finish()
    assert killing.failures == []
