# SPDX-License-Identifier: MIT
"""deploy/setup: quick when nothing is missing, clear when it cannot work."""

import os
import subprocess
import time

import pytest

from lab import ROOT

pytestmark = pytest.mark.host_only("the machine's packages")
SETUP = ROOT / 'deploy/setup'
LIST = '''# a comment
deb-src http://a.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian bookworm main contrib
deb http://a.example/debian-security bookworm-security main
'''
DEB822 = '''# a comment
Types: deb
URIs: http://s.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /k.gpg

Types: deb deb-src
# another
URIs: http://a.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /k.gpg
'''
WANT = '''Types: deb
URIs: http://a.example/debian
Suites: bookworm-backports
Components: main
Signed-By: /k.gpg
'''


def setup(*args, path=None, user=None):
    """Runs deploy/setup; path goes first on PATH."""
    env = dict(os.environ)
    if path:
        env['PATH'] = f'{path}:{env["PATH"]}'
    return subprocess.run([SETUP, *args], env=env, text=True, user=user,
                          capture_output=True, check=False, timeout=60,
                          stdin=subprocess.DEVNULL)


@pytest.fixture
def without_jq(tmp_path):
    """A PATH whose dpkg-query does not know one package."""
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    tool = tmp_path / 'dpkg-query'
    tool.write_text('#!/bin/sh\n/usr/bin/dpkg-query "$@" | grep -v "^jq "\n')
    tool.chmod(0o755)
    return tmp_path


def test_nothing_missing_is_quick():
    best = 9.0
    for _ in range(3):
        begin = time.monotonic()
        res = setup('run', 'build', 'test')
        best = min(best, time.monotonic() - begin)
        assert (res.returncode, res.stdout, res.stderr) == (0, '', '')
    assert best < 0.3


def test_check_names_what_is_missing(without_jq):
    res = setup('--check', 'run', path=without_jq)
    assert (res.returncode, res.stdout) == (1, 'jq\n')


def test_without_root_says_what_and_why(without_jq):
    # The tree may lie where nobody may look: from a copy.
    copy = without_jq / 'setup'
    copy.write_bytes(SETUP.read_bytes())
    copy.chmod(0o755)
    env = dict(os.environ, PATH=f'{without_jq}:{os.environ["PATH"]}')
    res = subprocess.run([copy, 'run'], env=env, text=True, user=65534,
                         cwd='/', capture_output=True, check=False)
    assert res.returncode == 1
    assert 'needs root' in res.stderr
    assert 'sudo deploy/setup run' in res.stderr
    assert 'jq' in res.stderr


@pytest.mark.parametrize('args, word', [
    (['nonsense'], "unknown group 'nonsense'"),
    (['--nonsense'], 'unknown option --nonsense'),
])
def test_bad_usage(args, word):
    res = setup(*args)
    assert res.returncode == 1
    assert word in res.stderr


@pytest.mark.parametrize('name, text', [
    ('sources.list', LIST),
    ('sources.list.d/x.list', LIST),
    ('sources.list.d/debian.sources', DEB822),
])
def test_backports_come_from_the_own_source(tmp_path, name, text):
    """Added once, from the main archive's stanza, in apt's own format."""
    (tmp_path / 'sources.list.d').mkdir()
    (tmp_path / name).write_text(text)
    script = (f'. {SETUP}; APT={tmp_path}; backports_known() {{ false; }}; '
              'add_backports bookworm; add_backports bookworm')
    res = subprocess.run(['bash', '-c', script], text=True, check=True,
                         capture_output=True)
    made = tmp_path / 'sources.list.d/packetscope-backports.sources'
    lines = made.read_text().splitlines(keepends=True)
    assert ''.join(x for x in lines if x[0] != '#') == WANT
    assert res.stderr.count('adding bookworm-backports') == 1


def test_no_source_is_said(tmp_path):
    (tmp_path / 'sources.list.d').mkdir()
    script = (f'. {SETUP}; APT={tmp_path}; backports_known() {{ false; }}; '
              'add_backports bookworm')
    res = subprocess.run(['bash', '-c', script], text=True, check=False,
                         capture_output=True)
    assert res.returncode == 1
    assert 'add it by hand' in res.stderr
    assert not list((tmp_path / 'sources.list.d').iterdir())
