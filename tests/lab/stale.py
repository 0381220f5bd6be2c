# SPDX-License-Identifier: MIT
"""Names of what a test makes, and removal where its owner died.

Namespaces are named ps-<test>-<pid of the test>-<label>, directories in /tmp
ps-<test>-<pid>-dir-…, control groups ps-<test>-<pid>. Only such names, and only
those whose pid is dead (or is our own), are ever removed, with the processes
that use them.
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
GROUP = re.compile(r'^ps-([a-z0-9_]+)-([0-9]+)$')
NETNS_DIR = '/run/netns'
CGROUPS = Path('/sys/fs/cgroup')

# Called with each stale directory before it goes.
before_removal = []


def make_name(test, label):
    """The namespace's name for this process."""
    test = re.sub(r'[^a-z0-9_]', '_', test.lower())[:40] or 'test'
    label = re.sub(r'[^a-z0-9_]', '_', label.lower())[:20] or 'ns'
    return f'ps-{test}-{os.getpid()}-{label}'


def _alive(pid):
    return os.path.exists(f'/proc/{pid}')


def _is_in(pid, netns):
    """Whether the process is there with all its threads: one that only looks
    into the namespace, as a tracer looks into all, is there with one."""
    try:
        return all(os.stat(f'/proc/{pid}/task/{task}/ns/net').st_ino == netns
                   for task in os.listdir(f'/proc/{pid}/task'))
    except OSError:
        return False


def _pids_of(name):
    """Processes in the namespace whose inode is the name's."""
    try:
        want = os.stat(f'{NETNS_DIR}/{name}').st_ino
    except OSError:
        return []
    return [int(entry) for entry in os.listdir('/proc')
            if entry.isdigit() and int(entry) != os.getpid() and
            _is_in(entry, want)]


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


def make_group(test):
    """The control group's name for this process."""
    return f'ps-{test}-{os.getpid()}'


def _hierarchies():
    """Where control groups are: v2 itself, or v1's one for each controller."""
    try:
        return [CGROUPS, *(p for p in CGROUPS.iterdir() if p.is_dir())]
    except OSError:
        return []


def _pids_in(groups):
    pids = set()
    for group in groups:
        for folder, _, _ in os.walk(group):
            try:
                with open(f'{folder}/cgroup.procs', encoding='ascii') as file:
                    pids |= {int(line) for line in file}
            except OSError:
                continue
    return list(pids)


def remove_group(name):
    """Ends what runs in the control group of ours, then removes it from all
    hierarchies."""
    if not GROUP.match(name):
        raise ValueError(f'not a name of a test: {name}')
    groups = [top / name for top in _hierarchies() if (top / name).is_dir()]
    _end_all(lambda: _pids_in(groups))
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue


def _clean_groups():
    names = {group.name for top in _hierarchies()
             for group in top.glob('ps-*')}
    for name in names:
        match = GROUP.match(name)
        if match and not _alive(int(match.group(2))):
            remove_group(name)


def clean_stale():
    """Removes what tests that were killed left; returns the names."""
    removed = []
    _clean_folders()
    _clean_groups()
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
