# SPDX-License-Identifier: MIT
"""What the measurements of the tracer's ways have in common."""

import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')

from lab import Suite, wait_for  # noqa: E402  (after the path)
from lab.topology import TOPOLOGIES, guard, has_xdp  # noqa: E402


class SomethingElse(RuntimeError):
    """The measurement does not measure what it is named after."""


def require(condition, text):
    """Ends the measurement where this is not so."""
    if not condition:
        raise SomethingElse(f'this would measure something else: {text}')


class Bench:
    """A tracer and a gateway on the host, and a topology.

    xdp: the guarder enforces at the receiver; gro: at both ends.
    """

    def __init__(self, lab, name, xdp=False, gro=True,
                 args=('--cpu-budget', 100), tier='core'):
        self.top = TOPOLOGIES[name](lab)
        self.suite = Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                           args={'tracer': args})
        self.lab, self.xdp, self.gro, self.tier = lab, xdp, gro, tier
        for end in self.top.ends:
            end.offload(gro=gro)

    def __enter__(self):
        self.suite.start()
        if self.xdp:
            guard(self.lab, self.suite, self.top.ends[-1])
        self.check()
        return self

    def __exit__(self, *exc):
        self.suite.stop()

    def check(self):
        """That it is as it was asked for."""
        for end in self.top.ends:
            text = end.ns.run('ethtool', '-k', end.name).stdout
            state = 'on' if self.gro else 'off'
            require(f'generic-receive-offload: {state}' in text,
                    f'receive offload of {end.name} is not {state}')
        end = self.top.ends[-1]
        require(has_xdp(end) == self.xdp,
                f'{end.name} has {"no" if self.xdp else "an"} XDP program')

    def trace(self, max_packets=10000, **filters):
        """A trace's id."""
        trace = self.suite.client.post('traces', {
            'filter': filters, 'max_packets': max_packets, 'tier': self.tier,
            'duration_ns': 600 * 10**9})
        require(trace['tier'] == self.tier, f'the tier is {trace["tier"]}')
        return trace['id']

    def state(self, ident):
        """The trace, once nothing is on its way."""
        def rests():
            now = self.suite.client.get(f'traces/{ident}')
            if any(x['id'] == 'in_flight' for x in now['losses']):
                return None
            return now
        time.sleep(0.3)
        return wait_for(rests, 60)

    def ways(self, ident):
        """Its packets, and its state."""
        state = self.state(ident)
        ways = list(self.suite.client.pages(
            f'traces/{ident}/packets', 'packets', limit=200))
        self.suite.client.delete(f'traces/{ident}')
        return ways, state


def lost(state):
    """{id: count} of a trace."""
    return {x['id']: x['count'] for x in state['losses']}
