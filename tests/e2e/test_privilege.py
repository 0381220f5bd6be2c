# SPDX-License-Identifier: MIT
"""What every thread of the running suite may do, against docs/privileges.md."""

import contextlib
import ctypes
import os
import pwd
import re
import resource
import signal
import struct
from pathlib import Path

import pytest
from lab import ROOT, Daemon, Suite, bin_path, wait_for

pytestmark = pytest.mark.daemons('tracer', 'analyzer', 'guarder', 'locator',
                                 'gateway')

NUMBERS = {'CHOWN': 0, 'DAC_OVERRIDE': 1, 'SETGID': 6, 'SETUID': 7,
           'SETPCAP': 8, 'NET_ADMIN': 12, 'NET_RAW': 13, 'SYS_PTRACE': 19,
           'SYS_ADMIN': 21, 'PERFMON': 38, 'BPF': 39}
SOURCES = {'tracer': 'tracer/service.c', 'analyzer': 'analyzer/service.c',
           'guarder': 'guarder/main.c', 'locator': 'locator/main.c',
           'gateway': 'gateway/main.c'}


def _names(cell):
    return set() if cell == 'nothing' else set(cell.split(', '))


def _rows(heading):
    """The rows of the table of docs/privileges.md that starts so."""
    lines = (ROOT / 'docs/privileges.md').read_text('utf-8').splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(heading))
    rows = []
    for line in lines[at + 2:]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split('|')])
    return rows


STARTS = {row[0]: _names(row[1]) for row in _rows('| daemon |')}
KEEPS = {row[0]: _names(row[2]) for row in _rows('| daemon |')}


def _mask(names):
    return sum(1 << NUMBERS[name] for name in names)


def _threads(pid):
    """{tid: {key: value}} of /proc/PID/task/*/status."""
    out = {}
    for task in Path(f'/proc/{pid}/task').iterdir():
        lines = (task / 'status').read_text('ascii').splitlines()
        out[int(task.name)] = dict(
            (key, value.strip()) for key, value in
            (line.split(':', 1) for line in lines if ':' in line))
    return out


@pytest.mark.host_only('it reads the sources')
def test_table_is_what_the_sources_keep():
    for name, path in SOURCES.items():
        text = (ROOT / path).read_text('utf-8')
        found = re.search(r'keep_caps\[\] = \{([^}]*)\}', text)
        kept = set(re.findall(r'CAP_(\w+)', found[1])) if found else set()
        assert kept == KEEPS[name], name
        assert ('.keep_caps' in text) == bool(kept), name


@pytest.mark.host_only('it reads the sources')
def test_features_are_capabilities_that_exist():
    """Each id in the table is one that a daemon says, and each of the tracing
    and enforcing ones is in the table."""
    ids = {i for row in _rows('| feature |')
           for i in re.findall(r'\b(?:tracer|analyzer|guarder|locator)\.\w+',
                               row[0])}
    code = '\n'.join(p.read_text('utf-8') for d in SOURCES
                     for p in (ROOT / d).glob('*.c'))
    said = set(re.findall(r'"((?:tracer|analyzer|guarder|locator)\.\w+)"',
                          code))
    assert ids <= said
    for row in _rows('| feature |'):
        wanted = set(re.findall(r'\b[A-Z]+(?:_[A-Z]+)*\b', row[1]))
        daemons = {i.split('.')[0] for i in re.findall(r'\w+\.\w+', row[0])
                   if i.split('.')[0] in STARTS}
        for daemon in daemons:
            assert wanted - {'SYSLOG'} <= STARTS[daemon], row[0]


@pytest.fixture
def strict(lab, monkeypatch):
    """All five; one that makes a system call it may not make dies of it."""
    monkeypatch.setenv('PACKETSCOPE_SECCOMP', 'abort')
    with Suite(lab, ns=lab.ns('node')) as suite:
        yield suite


def _user():
    try:
        return pwd.getpwnam('packetscope')
    except KeyError:
        return None


def test_every_thread(strict):
    user = _user()
    uid, gid = (user.pw_uid, user.pw_gid) if user else (0, 0)
    for name, daemon in strict.daemons.items():
        kept = _mask(KEEPS[name])
        threads = _threads(daemon.proc.pid)
        assert len(threads) > 1, name
        for tid, status in threads.items():
            where = f'{name} {tid} {status["Name"]}'
            assert status['Uid'].split() == [str(uid)] * 4, where
            assert status['Gid'].split() == [str(gid)] * 4, where
            if user:
                assert status['Groups'].split() == [], where
            for key in ('CapEff', 'CapPrm'):
                assert int(status[key], 16) == kept, (where, key)
            for key in ('CapInh', 'CapAmb'):
                assert int(status[key], 16) == 0, (where, key)
            assert int(status['CapBnd'], 16) & ~kept == 0, where
            assert status['NoNewPrivs'] == '1', where
            assert status['Seccomp'] == '2', where


def test_services_say_the_same(strict):
    for service in strict.client.get('services')['services']:
        said = {p.upper() for p in service.get('privileges') or []}
        assert said == KEEPS[service['name']], service['name']


def test_descriptors(strict):
    """No BPF object and no raw socket where it has no business, no directory
    of another, nothing inherited."""
    for name, daemon in strict.daemons.items():
        links = [os.readlink(p) for p in
                 Path(f'/proc/{daemon.proc.pid}/fd').iterdir()]
        bpf = [x for x in links if 'bpf' in x]
        assert bool(bpf) == ('BPF' in STARTS[name]), (name, bpf)
        files = [x for x in links if x.startswith('/') and
                 not x.startswith(('/dev/null', '/proc/', '/sys/',
                                   str(strict.run_dir),
                                   str(strict.state_dir),
                                   str(daemon.log_path)))]
        console = [x for x in files if x.startswith(str(ROOT / 'web/dist'))]
        assert files == (console if name == 'gateway' else []), name


# ---- the filter as the kernel has it -------------------------------------

PTRACE_ATTACH, PTRACE_DETACH, GET_FILTER = 16, 17, 0x420c
ALLOW, ERRNO, EPERM = 0x7fff0000, 0x00050000, 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long] * 2 + [ctypes.c_void_p] * 2
_libc.ptrace.restype = ctypes.c_long


def _filter_of(pid):
    """The instructions of a process's filter."""
    if _libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        pytest.skip('skip: this kernel lets nobody trace: ' +
                    os.strerror(ctypes.get_errno()))
    try:
        os.waitpid(pid, 0)
        buffer = ctypes.create_string_buffer(8 * 4096)
        count = _libc.ptrace(GET_FILTER, pid, 0, ctypes.addressof(buffer))
        if count < 0:
            pytest.skip('skip: no CONFIG_CHECKPOINT_RESTORE: ' +
                        os.strerror(ctypes.get_errno()))
        return list(struct.iter_unpack('HBBI', buffer.raw[:8 * count]))
    finally:
        _libc.ptrace(PTRACE_DETACH, pid, None, None)


def _run(code, number, args=(0,) * 6):
    """What a filter (classic BPF) returns for a call on x86-64."""
    data = struct.pack('IIQ6Q', number, 0xc000003e, 0, *args)
    acc = at = 0
    tests = {0x15: lambda a, k: a == k, 0x25: lambda a, k: a > k,
             0x35: lambda a, k: a >= k, 0x45: lambda a, k: bool(a & k)}
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op == 0x20:
            acc = struct.unpack_from('I', data, k)[0]
        elif op == 0x54:
            acc &= k
        elif op == 0x05:
            at += k
        elif op == 0x06:
            return k
        else:
            at += yes if tests[op](acc, k) else no


def _number(name):
    lib = ctypes.CDLL('libseccomp.so.2')
    return lib.seccomp_syscall_resolve_name(name.encode())


FORBIDDEN = ['execve', 'execveat', 'fork', 'vfork', 'unshare', 'mount',
             'umount2', 'pivot_root', 'chroot', 'init_module',
             'finit_module', 'delete_module', 'kexec_load', 'reboot',
             'swapon', 'settimeofday', 'clock_settime', 'sethostname',
             'add_key', 'keyctl', 'request_key', 'userfaultfd',
             'io_uring_setup', 'open_by_handle_at',
             'fanotify_init', 'quotactl', 'personality', 'setuid', 'setgid',
             'setgroups', 'setresuid', 'capset', 'mknod', 'mknodat', 'link',
             'linkat', 'symlink', 'symlinkat', 'shmget', 'msgget', 'semget',
             'syslog', 'seccomp', 'iopl', 'ioperm', 'process_vm_writev',
             'process_madvise', 'pidfd_getfd', 'clone3', 'mount_setattr']
OWN = {'bpf': {'tracer', 'analyzer', 'guarder'}, 'setns': {'tracer'},
       'perf_event_open': {'tracer'}}


@pytest.mark.skipif(os.uname().machine != 'x86_64',
                    reason='the numbers here are those of x86-64')
def test_filter_of_each_daemon(lab, monkeypatch):
    monkeypatch.setenv('PACKETSCOPE_SECCOMP', 'enforce')
    with Suite(lab, ns=lab.ns('node')) as suite:
        for name, daemon in suite.daemons.items():
            code = _filter_of(daemon.proc.pid)
            open_ = [c for c in FORBIDDEN
                     if _run(code, _number(c)) >> 16 != ERRNO >> 16]
            assert open_ == [], name
            for call, owners in OWN.items():
                got = _run(code, _number(call))
                want = ALLOW if name in owners else ERRNO | EPERM
                assert got == want, (name, call)
            # AF_UNIX and AF_PACKET; memory to write, to write and run.
            socket, mmap = _number('socket'), _number('mmap')
            assert _run(code, socket, (1, 0, 0, 0, 0, 0)) == ALLOW
            assert _run(code, socket, (17, 0, 0, 0, 0, 0)) == ERRNO | EPERM
            assert _run(code, mmap, (0, 0, 3, 0, 0, 0)) == ALLOW
            assert _run(code, mmap, (0, 0, 7, 0, 0, 0)) == ERRNO | EPERM
            for call in ('read', 'futex', 'epoll_wait', 'openat'):
                assert _run(code, _number(call)) == ALLOW, (name, call)


def test_all_daemons_work_behind_it(strict):
    """A day's work with a filter that ends who breaks it."""
    api = strict.client
    api.get('sockets')
    api.get('flows')
    api.get('drops')
    trace = api.post('traces', {'filter': {'proto': 'icmp'},
                                'duration_ns': 500_000_000})
    path = api.post('paths', {'target': '127.0.0.1', 'probes': 1})
    rule = api.post('rules', {'action': 'drop', 'src': '198.51.100.0/24',
                              'proto': 'tcp'})
    wait_for(lambda: api.get(f'traces/{trace["id"]}')['state'] == 'done', 20)
    wait_for(lambda: api.get(f'paths/{path["id"]}')['state'] != 'running', 30)
    api.get(f'traces/{trace["id"]}/packets')
    api.delete(f'rules/{rule["id"]}')
    api.get('hosts/127.0.0.1')
    for daemon in strict.daemons.values():
        daemon.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: set(strict.ready()) == set(strict.daemons), 20)
    codes = strict.stop()
    assert codes == {name: 0 for name in strict.daemons}
    for name, daemon in strict.daemons.items():
        assert 'seccomp_forbidden' not in daemon.log(), name


# ---- one capability missing ----------------------------------------------

# Which ids a daemon must say are missing, without this one of those that it
# starts with, and no other root power.
MISSED = {
    ('tracer', 'BPF'): {'tracer.tracepoints', 'tracer.sockets'},
    ('tracer', 'PERFMON'): {'tracer.tracepoints', 'tracer.sockets'},
    ('tracer', 'NET_ADMIN'): {'tracer.netfilter', 'tracer.cgroup',
                              'tracer.tcx', 'tracer.owners'},
    ('tracer', 'SYS_ADMIN'): {'tracer.namespaces'},
    ('tracer', 'SYS_PTRACE'): set(),
    ('analyzer', 'BPF'): {'analyzer.flows_rx', 'analyzer.flows_tx',
                          'analyzer.drops', 'analyzer.drop_reasons'},
    ('analyzer', 'PERFMON'): {'analyzer.flows_rx', 'analyzer.flows_tx',
                              'analyzer.drops', 'analyzer.drop_reasons'},
    ('guarder', 'BPF'): {'guarder.xdp'},
    ('guarder', 'PERFMON'): {'guarder.xdp'},
    ('guarder', 'NET_ADMIN'): {'guarder.xdp'},
    ('locator', 'NET_RAW'): {'locator.icmp4', 'locator.icmp6'},
}


def _without(name, missing):
    """What a daemon starts with, but one; SYS_ADMIN stands for BPF, PERFMON
    and NET_ADMIN and goes with them."""
    caps = STARTS[name] - {missing}
    if missing in ('BPF', 'PERFMON', 'NET_ADMIN'):
        caps -= {'SYS_ADMIN'}
    return caps


def _with_only(caps, *argv):
    sets = ','.join(['-all', *(f'+{c.lower()}' for c in sorted(caps))])
    return ['setpriv', '--bounding-set', sets, '--inh-caps=-all', *argv]


class Poor(Daemon):
    """One that is started without any capability."""

    @property
    def argv(self):
        return _with_only(set(), *super().argv)


def _selftest(lab, name, caps, base):
    # Before 5.11 maps are locked memory; see docs/operations.md. It may be
    # refused where it is not needed.
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK,
                           (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    res = lab.host.run(
        *_with_only(caps, bin_path(name)), '--selftest', '--user', 'root',
        '--run-dir', base / 'run', '--state-dir', base / 'state',
        check=False, env={**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'})
    assert res.returncode in (0, 1), res.stderr[-2000:]
    lines = [line.split(' ', 4) for line in res.stdout.splitlines()
             if line.startswith('capability ')]
    return {line[1]: (line[2] == 'ok', line[4]) for line in lines}


@pytest.mark.parametrize(('name', 'missing'), sorted(MISSED))
def test_one_is_missing(lab, tmp_path, name, missing):
    whole = _selftest(lab, name, STARTS[name], tmp_path)
    part = _selftest(lab, name, _without(name, missing), tmp_path)
    expected = {i for i in MISSED[name, missing] if whole[i][0]}
    if missing in ('BPF', 'PERFMON', 'NET_ADMIN') and name == 'tracer':
        expected.add('tracer.namespaces')
    gone = {i for i, (ok, _) in part.items()
            if not ok and whole[i][0] and '.station.' not in i}
    assert expected <= gone
    if missing not in ('BPF', 'PERFMON'):   # without these all depend on them
        assert gone == expected
    named = [part[i][1] for i in gone]
    if missing == 'SYS_PTRACE':     # there all the same, but less
        named.append(part['tracer.namespaces'][1])
    own = MISSED[name, missing]
    if own and not any(whole[i][0] for i in own):
        pytest.skip(f'skip: this kernel has nothing that {missing} is for')
    assert any(f'CAP_{missing}' in reason for reason in named), named


@pytest.mark.parametrize('name', sorted(STARTS))
def test_none_at_all(lab, tmp_path, name):
    """It starts, says what it lacks, answers, and ends well."""
    whole = _selftest(lab, name, set(), tmp_path)
    for cap, (ok, reason) in whole.items():
        if not ok:
            assert len(reason) > 10, cap


@pytest.mark.parametrize('name', sorted(set(STARTS) - {'gateway'}))
def test_it_runs_without_any(lab, name):
    daemon = Poor(lab, name, '--user', 'root').start()
    status = _threads(daemon.proc.pid)
    assert {s['CapEff'] for s in status.values()} == {'0' * 16}
    assert daemon.stop() == 0
