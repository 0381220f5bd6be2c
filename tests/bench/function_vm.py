# SPDX-License-Identifier: MIT
"""A measurement of the function tier that runs inside a machine of tests/vm.

The module itself is put into the image with this machine's Python, and run
there with --here and its arguments.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'vm')]

BIN = ROOT / 'build/release/bin'
SCRIPT = '''
cd {root} || exit 1
export PACKETSCOPE_TEST_PRESET=release PACKETSCOPE_TEST_VM=1
export PACKETSCOPE_TEST_SLOW=6 PYTHONDONTWRITEBYTECODE=1
{python} {module} --here {args} 2>&1
'''
DAEMONS = ('tracer', 'gateway', 'guarder')


def _fill(image):
    """What the image has beyond the programs."""
    from python import add_python
    add_python(image)
    for folder in ('tests/bench', 'tests/lab'):
        image.add_tree(ROOT / folder, shutil.ignore_patterns('__pycache__'))
    for name in DAEMONS:
        image.add(BIN / f'ps-{name}', str(BIN / f'ps-{name}'))


def run_here(kernel, module, args, timeout):
    """What the module printed, run with these arguments in one boot."""
    from python import PYTHON
    from vm import TOOLS, Vm
    script = SCRIPT.format(root=ROOT, python=PYTHON, module=module,
                           args=' '.join(str(x) for x in args))
    done = Vm(kernel).run(
        script, tools=TOOLS + ['ping', 'unshare', 'nsenter', 'sysctl'],
        fill=_fill, memory=3072, timeout=timeout, steady=True)
    if done.code != 0:
        raise RuntimeError('\n'.join(done.log.splitlines()[-30:]))
    return done.log
