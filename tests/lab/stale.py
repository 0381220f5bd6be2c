# SPDX-License-Identifier: MIT
"""Names of what a test makes, and removal where its owner died.

Namespaces are named ps-<test>-<pid of the test>-<label>, directories in /tmp
ps-<test>-<pid>-dir-…. Only such names, and only those whose pid is dead (or
is our own), are ever removed, with the processes that use them.
"""

import os
import re
import signal
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAME = re.compile(r'^ps-([a-z0-9_]+)-([0-9]+)-([a-z0-9_]+)$')
FOLDER = re.compile(r'^ps-([a-z0-9_]+)-([0-9]+)-dir-[a-z0-9_]+$')
NETNS_DIR = '/run/netns'

# Called with each stale directory before it goes.
before_removal = []


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
    _end_all(lambda: _pids_of(name))
    subprocess.run(['ip', 'netns', 'del', name], check=False,
                   stderr=subprocess.DEVNULL)


def _end_all(find):
    for sig, wait in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
        pids = find()
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        end = time.monotonic() + wait
        while pids and time.monotonic() < end:
            pids = [pid for pid in pids if _alive(pid)]
            time.sleep(0.01)


def _pids_with(folder):
    """Processes that have a path below the folder as an argument."""
    want = os.fsencode(f'{folder}/')
    pids = []
    for entry in os.listdir('/proc'):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f'/proc/{entry}/cmdline', 'rb') as file:
                args = file.read().split(b'\0')
        except OSError:
            continue
        if any(arg.startswith(want) for arg in args):
            pids.append(int(entry))
    return pids


def _clean_folders():
    for folder in Path(tempfile.gettempdir()).glob('ps-*'):
        match = FOLDER.match(folder.name)
        if match and not _alive(int(match.group(2))):
            _end_all(lambda f=folder: _pids_with(f))
            for func in before_removal:
                func(folder)
            shutil.rmtree(folder, ignore_errors=True)


def clean_stale():
    """Removes what tests that were killed left; returns the names."""
    removed = []
    _clean_folders()
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
