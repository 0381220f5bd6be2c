# SPDX-License-Identifier: MIT
"""The modules of this folder are imported by their bare names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_addoption(parser):
    parser.addoption('--full', action='store_true',
                     help='run the tests marked full too')


def pytest_collection_modifyitems(items):
    # One kernel after the other, so that each is booted when it is due.
    items.sort(key=lambda item: str(getattr(item, 'callspec', None) and
                                    item.callspec.params.get('kernel')))
