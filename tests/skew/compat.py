#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hold the schema against frozen ones: parts of two versions must understand
each other, so a message may only gain optional and repeated fields.

    tests/skew/compat.py [NEW]      default: proto, against each proto-*
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lab.proto import Schema  # noqa: E402  (after the path is set)


def _fields(name, old, new):
    for number, was in old.fields.items():
        now = new.fields.get(number)
        if now is None:
            yield f'{name}.{was.name} = {number} has gone'
        elif (now.name, now.type, now.label) != \
                (was.name, was.type, was.label):
            yield (f'{name}: {number} was "{was.label} {was.type} '
                   f'{was.name}", is "{now.label} {now.type} {now.name}"')
    for number, now in new.fields.items():
        if number not in old.fields and now.label == 'required':
            yield f'{name}.{now.name} = {number} is new and required'


def problems(old, new):
    """What a part of the old schema would not understand, or lack."""
    for name, message in old.messages.items():
        if name not in new.messages:
            yield f'message {name} has gone'
        else:
            yield from _fields(name, message, new.messages[name])
    for name, values in old.enums.items():
        now = new.enums.get(name, {})
        for value, number in values.items():
            if now.get(value) != number:
                yield (f'{name}: {value} was {number}, is '
                       f'{now.get(value, "gone")}')


def main():
    """0: all frozen schemas fit."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / 'proto'
    new, bad = Schema(path), 0
    frozen = sorted(HERE.glob('proto-*'))
    for folder in frozen:
        for problem in problems(Schema(folder), new):
            print(f'{folder.name}: {problem}')
            bad = 1
    if not frozen:
        print('no frozen schema was found')
    return bad or not frozen


if __name__ == '__main__':
    sys.exit(main())
