# SPDX-License-Identifier: MIT
"""A pytest plugin that tells the console what tests/vm/e2e reads.

PSPLAN NAME of each test, PSRUN NAME when it starts, then its PSTEST line;
what a failure says follows in lines with a bar.
"""

import os
from pathlib import Path

import pytest

DONE = Path('/root/done')       # names of an earlier boot, one per line
MAX_LINES = 120


def _say(line):
    # A tty makes \n of it; one write, so that no kernel line is within.
    with open('/dev/console', 'w', encoding='ascii',
              errors='backslashreplace') as out:
        out.write(line + '\n')


def _name(nodeid):
    return nodeid.removeprefix('tests/e2e/').replace(' ', '%20')


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    done = set(DONE.read_text(encoding='ascii').split())
    for item in items:
        _say(f'PSPLAN {_name(item.nodeid)}')
    rest = [item for item in items if _name(item.nodeid) not in done]
    config.hook.pytest_deselected(
        items=[item for item in items if item not in rest])
    items[:] = rest


def pytest_collectreport(report):
    if report.failed:
        _failed(report, 'not collected')


def pytest_runtest_logstart(nodeid):
    _say(f'PSRUN {_name(nodeid)}')


_state = {}


def pytest_runtest_logreport(report):
    name = _name(report.nodeid)
    verdict, seconds = _state.get(name, ('ok', 0.0))
    seconds += report.duration
    if report.failed and verdict != 'fail':
        verdict = 'fail'
        crash = getattr(report.longrepr, 'reprcrash', None)
        _failed(report, crash.message if crash else report.when)
    elif report.skipped and verdict == 'ok':
        verdict = 'skip'
        why = report.longrepr[2].removeprefix('Skipped: ')
        _say(f'PSTEST skip {name} {why}')
    _state[name] = (verdict, seconds)
    if report.when == 'teardown':
        if verdict == 'ok':
            _say(f'PSTEST ok {name}')
        _say(f'PSTIME {name} {seconds:.1f}')


def _failed(report, why):
    first = (why.strip().splitlines() or ['?'])[0][:200]
    _say(f'PSTEST fail {_name(report.nodeid)} {first}')
    text = report.longreprtext.splitlines()
    text += [f'{head}: {line}' for head, body in report.sections
             for line in body.splitlines()]
    for line in text[-MAX_LINES:]:
        _say(f'  | {line[:300]}')


def pytest_unconfigure():
    os.sync()
