# SPDX-License-Identifier: MIT
"""Names of a test's namespaces, and removal of those whose owner died.

A name is ps-<test>-<pid of the test>-<label>. Only such names, and only
those whose pid is dead (or is our own), are ever removed.
"""

import os
import re
import signal
import subprocess
import time

NAME = re.compile(r'^ps-([a-z0-9_]+)-([0-9]+)-([a-z0-9_]+)$')
NETNS_DIR = '/run/netns'


def make_name(test, label):
    """The namespace's name for this process."""
    test = re.sub(r'[^a-z0-9_]', '_', test.lower())[:40] or 'test'
    label = re.sub(r'[^a-z0-9_]', '_', label.lower())[:20] or 'ns'
    return f'ps-{test}-{os.getpid()}-{label}'


def _alive(pid):
    return os.path.exists(f'/proc/{pid}')


def _pids_of(name):
    """Processes in the namespace whose inode is the name's."""
    try:
        want = os.stat(f'{NETNS_DIR}/{name}').st_ino
    except OSError:
        return []
    pids = []
    for entry in os.listdir('/proc'):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if os.stat(f'/proc/{entry}/ns/net').st_ino == want:
                pids.append(int(entry))
        except OSError:
            continue
    return pids


def remove_namespace(name):
    """Ends what runs in the namespace of ours, then removes it."""
    if not NAME.match(name):
        raise ValueError(f'not a name of a test: {name}')
    for sig, wait in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
        pids = _pids_of(name)
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        end = time.monotonic() + wait
        while pids and time.monotonic() < end:
            pids = [pid for pid in pids if _alive(pid)]
            time.sleep(0.01)
    subprocess.run(['ip', 'netns', 'del', name], check=False,
                   stderr=subprocess.DEVNULL)


def clean_stale():
    """Removes what tests that were killed left; returns the names."""
    removed = []
    try:
        names = os.listdir(NETNS_DIR)
    except OSError:
        return removed
    for name in names:
        match = NAME.match(name)
        if match and not _alive(int(match.group(2))):
            remove_namespace(name)
            removed.append(name)
    return removed
