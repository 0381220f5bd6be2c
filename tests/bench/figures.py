# SPDX-License-Identifier: MIT
"""What a measurement gives, and how it is shown."""

import json
import os
import random
import statistics
from dataclasses import dataclass, field

# What is measured is what users run; the lab asks for this when it is loaded.
os.environ.setdefault('PACKETSCOPE_TEST_PRESET', 'release')


@dataclass
class Figure:
    """One figure under its key: the value that counts, and its samples."""

    key: str
    value: float
    unit: str = ''
    samples: list = field(default_factory=list)
    # What was asked for, as '<= 3': shown, and told met or missed.
    goal: str = ''
    note: str = ''

    @classmethod
    def median(cls, key, samples, **more):
        """The median of samples as the value."""
        return cls(key, statistics.median(samples), samples=samples, **more)

    def met(self):
        """True, False, or None without a goal."""
        if not self.goal:
            return None
        sign, bound = self.goal.split()
        bound = float(bound)
        return {'<=': self.value <= bound, '>=': self.value >= bound,
                '=': self.value == bound}[sign]


@dataclass
class Ratio:
    """What one side keeps of the other: median, and the 95 % interval."""

    median: float
    low: float
    high: float
    samples: list

    def __str__(self):
        return f'{self.median:.3f} ({self.low:.3f} .. {self.high:.3f})'


def bootstrap_ratio(pairs, rounds=10_000):
    """Ratio of adjacent (measured, base) pairs, bootstrapped over the pairs.

    The machine's speed drifts over minutes but little within a pair, so the
    pairs, not their sides, are drawn again (Efron 1979, percentile interval).
    """
    ratios = [measured / base for measured, base in pairs]
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios)))
                     for _ in range(rounds))
    return Ratio(statistics.median(ratios), medians[int(rounds * .025)],
                 medians[int(rounds * .975)], ratios)


def _number(value):
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _spread(samples):
    if len(samples) < 2:
        return ''
    return (f'{_number(float(min(samples)))} .. '
            f'{_number(float(max(samples)))} (n={len(samples)})')


def table(figures):
    """A table as text."""
    rows = [('figure', 'value', 'spread', 'goal', 'note')]
    for fig in figures:
        met = {True: ' met', False: ' MISSED', None: ''}[fig.met()]
        rows.append((fig.key, f'{_number(fig.value)} {fig.unit}'.strip(),
                     _spread(fig.samples), fig.goal + met, fig.note))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths)) +
        '  ' + row[4] for row in rows)


def as_json(figures):
    """One line: the keys and their values."""
    return json.dumps({fig.key: round(fig.value, 6) if
                       isinstance(fig.value, float) else fig.value
                       for fig in figures})
