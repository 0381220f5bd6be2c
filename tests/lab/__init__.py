# SPDX-License-Identifier: MIT
"""Network namespaces, traffic and the suite itself, for end-to-end tests.

See docs/testing.md for the short version with examples.
"""

from . import bpfprog, bus, mmdb, packet, traffic
from .api import ApiError, Client
from .full import SmallDisk
from .net import Iface, Lab, Link, Namespace
from .stale import clean_stale
from .suite import (BUILD, ROOT, Daemon, NsClient, Suite, bin_path,
                    deploy_up, missing)
from .wait import free_port, wait_for

__all__ = [
    'ApiError', 'BUILD', 'Client', 'Daemon', 'Iface', 'Lab', 'Link',
    'Namespace', 'NsClient', 'ROOT', 'SmallDisk', 'Suite', 'bin_path',
    'bpfprog', 'bus', 'clean_stale', 'deploy_up', 'free_port', 'missing',
    'mmdb', 'packet', 'traffic', 'wait_for',
]
