# SPDX-License-Identifier: MIT
"""Sums test reports for tests/run.

    results.py ctest|pytest|vitest|lines FILE...

Failures and skips, with why, go to standard output; the last line of
standard error is `PASSED FAILED SKIPPED`.
"""

import re
import sys
import xml.etree.ElementTree as ET

TAP = re.compile(r'^(not ok|ok) \d+ ?(?:- )?(.*)$')


def from_junit(path):
    """(verdict, name, why) of each test case of a JUnit file."""
    for case in ET.parse(path).getroot().iter('testcase'):
        name = case.get('name', '?')
        group = case.get('classname')
        if group and group != name:
            name = f'{group}: {name}'
        skip = case.find('skipped')
        bad = case.find('failure')
        if bad is None:
            bad = case.find('error')
        if bad is not None:
            yield 'fail', name, bad.get('message') or ''
        elif skip is not None:
            yield 'skip', name, skip.get('message') or skip.text or ''
        else:
            yield 'ok', name, ''


def from_ctest(path):
    """The same for ctest, whose programs speak TAP."""
    for case in ET.parse(path).getroot().iter('testcase'):
        program = case.get('name', '?')
        out = case.findtext('system-out') or ''
        bad = case.get('status') == 'fail' or case.find('failure') is not None
        seen = failures = 0
        for line in out.splitlines():
            match = TAP.match(line.strip())
            if not match:
                continue
            seen += 1
            verdict, text = match.groups()
            name = f'{program}: {text}'
            if '# SKIP' in text.upper():
                yield 'skip', name.replace('# SKIP ', ''), why(out)
            elif verdict == 'ok':
                yield 'ok', name, ''
            else:
                failures += 1
                yield 'fail', name, ''
        if bad and not failures:
            yield 'fail', program, 'ended badly'
        if bad:
            print('\n'.join('    ' + x for x in out.splitlines()[-60:]))
        elif not seen:
            yield ('skip' if case.get('status') == 'disabled' else 'ok',
                   program, '')


def why(out):
    """The line of a program's output that gives the reason of a skip."""
    lines = [x for x in out.splitlines() if 'skip' in x.lower() and
             not TAP.match(x.strip())]
    return lines[0].strip() if lines else ''


def from_lines(path):
    """`ok NAME` and `not ok NAME` lines."""
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            match = re.match(r'^(not ok|ok) (\S+)$', line.strip())
            if match:
                yield ('ok' if match.group(1) == 'ok' else 'fail',
                       match.group(2), '')


READERS = {'ctest': from_ctest, 'pytest': from_junit, 'vitest': from_junit,
           'lines': from_lines}


def main():
    """Reads, prints, sums."""
    count = {'ok': 0, 'fail': 0, 'skip': 0}
    for path in sys.argv[2:]:
        for verdict, name, reason in READERS[sys.argv[1]](path):
            count[verdict] += 1
            if verdict != 'ok':
                word = 'FAILED ' if verdict == 'fail' else 'skipped'
                first = reason.strip().splitlines()[:1]
                print(f'{word} {name}' + (f' ({first[0]})' if first else ''))
    print(count['ok'], count['fail'], count['skip'], file=sys.stderr)


if __name__ == '__main__':
    main()
