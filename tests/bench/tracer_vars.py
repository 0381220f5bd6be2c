# SPDX-License-Identifier: MIT
"""The variables of the tracer's programs, as the kernel has them.

    Variables(pid).filters_off()    # no program looks at a packet any more
"""

import json
import mmap
import os
import struct
import subprocess
from pathlib import Path

from lab.bpfprog import map_by_id


def _bpftool(*args):
    return json.loads(subprocess.run(['bpftool', '-j', *args], check=True,
                                     capture_output=True).stdout)


def _maps(pid):
    """What is known of the maps that the process holds."""
    for fd in Path(f'/proc/{pid}/fd').iterdir():
        try:
            if 'bpf-map' not in os.readlink(fd):
                continue
        except FileNotFoundError:
            continue  # a look at something else, which is over
        info = dict(line.split(':\t', 1) for line in Path(
            f'/proc/{pid}/fdinfo/{fd.name}').read_text().splitlines())
        yield _bpftool('map', 'show', 'id', info['map_id'])


def _offsets(btf):
    """{name: offset} of the variables that may change."""
    types = _bpftool('btf', 'dump', 'id', str(btf))['types']
    names = {kind['id']: kind.get('name') for kind in types}
    return {names[var['type_id']]: var['offset'] for kind in types
            if kind['kind'] == 'DATASEC' and kind['name'] == '.bss'
            for var in kind['vars']}


class Variables:
    """Those of the object with the traces' filters, of this tracer."""

    def __init__(self, pid):
        for info in _maps(pid):
            if not info.get('name', '').endswith('.bss'):
                continue
            at = _offsets(info['btf_id']).get('tracing')
            if at is None:
                continue
            fd = map_by_id(info['id'])
            try:
                self._memory = mmap.mmap(fd, info['bytes_value'])
            finally:
                os.close(fd)
            self._word = slice(at, at + 8)
            return
        raise RuntimeError('the tracer holds no filters')

    def filters_off(self):
        """The word of struct ps_tracer_filters names no trace, until one
        begins, ends or gets another filter."""
        self._memory[self._word] = struct.pack('<Q', 0)
