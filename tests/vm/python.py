# SPDX-License-Identifier: MIT
"""Python and pytest of this machine, put into an image."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

PYTHON = '/usr/bin/python3'
# The standard library without what no test needs.
LEFT_OUT = shutil.ignore_patterns(
    'config-*', 'test', 'tests', 'idlelib', 'lib2to3', 'pydoc_data',
    'ensurepip', 'distutils', 'tkinter', 'turtledemo', 'venv', '_tkinter*',
    'sitecustomize.py', '*.a')
PACKAGES = ('pytest', '_pytest', 'pluggy', 'iniconfig', 'packaging', 'attr',
            'attrs', 'py', 'pytest_timeout', 'exceptiongroup', 'tomli',
            'jsonschema', 'pyrsistent', '_pyrsistent_version')


def add_python(image):
    """Copies the interpreter, its library and pytest, at their places.

    It looks at the interpreter that runs this: it must be PYTHON.
    """
    real = Path(PYTHON).resolve()
    image.add(real, str(real))
    image.link(real, PYTHON)
    stdlib = Path(sysconfig.get_path('stdlib', 'posix_prefix'))
    image.add_tree(stdlib, LEFT_OUT)
    for lib in (stdlib / 'lib-dynload').glob('*.so'):
        if not lib.name.startswith('_tkinter'):
            image.add_libraries(lib)
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            continue
        path = Path(spec.origin)
        if path.name == '__init__.py':
            image.add_tree(path.parent, LEFT_OUT)
        else:
            image.add_tree(path)
