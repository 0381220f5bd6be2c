# SPDX-License-Identifier: MIT
"""Each of Debian's kernels: BPF programs load and attach, daemons work.

A kernel is booted once; the tests here are the lines of smoke.sh, and each
is looked up in what the machine said.
"""

import os
import re
from pathlib import Path

import pytest

import kernels
from vm import Vm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = ROOT / 'build' / os.environ.get('PACKETSCOPE_VM_PRESET',
                                      'release') / 'bin'
DAEMONS = ('tracer', 'analyzer', 'guarder', 'locator', 'gateway')
SMOKE = (HERE / 'smoke.sh').read_text(encoding='utf-8')
NAMES = re.findall(r'^t (\S+)', SMOKE, re.M)
LOGS = ROOT / 'build/test-results'

# What each kernel cannot give, by capability id; all else must be there. No
# database of places is in the machines.
NO_DATA = {'locator locator.geo', 'locator locator.asn'}
NO_HOOKS = {
    'tracer tracer.station.netfilter', 'tracer tracer.netfilter',
    'tracer tracer.station.cgroup_skb', 'tracer tracer.cgroup',
    'tracer tracer.station.tcx', 'tracer tracer.tcx',
    'tracer tracer.station.sock_send_length',
    'tracer tracer.station.sock_recv_length',
}
MISSING = {
    '5.10': NO_HOOKS | {'analyzer analyzer.drop_reasons',
                        'tracer tracer.drop_reasons',
                        'tracer tracer.station.qdisc_enqueue'},
    '6.1': NO_HOOKS,
    '6.12': set(),
}

_runs = {}


def run_of(kernel):
    """The kernel's run, booted at first use."""
    if kernel not in _runs:
        files = [BIN / f'ps-{name}' for name in DAEMONS]
        gone = [f.name for f in files if not f.exists()]
        if gone:
            pytest.fail(f'not built in {BIN}: {", ".join(gone)}')
        _runs[kernel] = Vm(kernel).run(SMOKE, files, timeout=170)
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f'vm-{kernel}.log').write_text(_runs[kernel].log,
                                               encoding='utf-8')
    return _runs[kernel]


def detail(run, name):
    """What the machine printed after a failure."""
    lines = run.log.splitlines()
    start = next((i for i, x in enumerate(lines)
                  if x.startswith(f'PSTEST fail {name}')), len(lines) - 40)
    out = lines[max(start, 0):start + 1]
    for line in lines[start + 1:]:
        if not line.startswith('  | '):
            break
        out.append(line)
    return '\n'.join(out)


KERNELS = pytest.mark.parametrize('kernel', list(kernels.SUITES))


@KERNELS
def test_boots_and_ends(kernel):
    run = run_of(kernel)
    assert run.release.startswith(kernel)
    assert run.ended, '\n'.join(run.log.splitlines()[-40:])
    print(f'{kernel}: boot {run.boot_seconds:.1f} s, '
          f'all {run.seconds:.1f} s')


@KERNELS
@pytest.mark.parametrize('name', NAMES)
def test_smoke(kernel, name):
    run = run_of(kernel)
    result = run.named(name)
    assert result, f'{name}: the machine ended before it\n' + \
        '\n'.join(run.log.splitlines()[-15:])
    if result.verdict == 'skip':
        pytest.skip(result.detail)
    assert result.verdict == 'ok', detail(run, name)


@KERNELS
def test_capabilities(kernel):
    """Each daemon has all that this kernel can give."""
    run = run_of(kernel)
    lines = [x.split(' ', 4) for x in run.log.splitlines()
             if x.startswith('PSCAP ')]
    assert lines, 'no daemon said anything'
    gone = {f'{x[1]} {x[2]}': x[4] for x in lines if x[3] == 'missing'}
    assert set(gone) - NO_DATA == MISSING[kernel], gone
