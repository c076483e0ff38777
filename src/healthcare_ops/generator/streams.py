"""Streams of random numbers: one for each purpose, so that one more draw here changes nothing there.

numpy keeps the bits of PCG64 for good, but not what its distributions make of them (NEP 19). Therefore everything is
made of the bits here, by operations that IEEE 754 lets have one result only: the same on every machine.
"""

from __future__ import annotations

import math
import zlib
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Randoms = NDArray[np.uint32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RANDOM_BITS = 32
_CHANCE_BITS = 52
# Larger ones are drawn in parts: below lies exp(−mean), which must not vanish.
_LARGEST_MEAN = 256.0
_HALVINGS, _TERMS = 12, 10


class RandomNumbers:
    """The random numbers of one purpose; every call takes the next ones."""

    def __init__(self, source: np.random.PCG64) -> None:
        self._source = source

    def bits(self, count: int) -> Randoms:
        """Return integers below 2³², all equally likely."""
        words = self._source.random_raw(-(-count // 2)).astype("<u8", copy=False)
        return words.view("<u4")[:count].astype(np.uint32, copy=False)

    def below(self, limit: int, count: int) -> Ints:
        """Return integers from 0 to before `limit`, which is far less than 2³²: equally likely but for limit ÷ 2³²."""
        wide = self.bits(count).astype(np.int64)
        wide *= limit
        wide >>= RANDOM_BITS
        return wide

    def chances(self, count: int) -> Floats:
        """Return numbers between 0 and 1, which they never are."""
        words = self._source.random_raw(count) >> np.uint64(64 - _CHANCE_BITS)
        return (words.astype(np.float64) + 0.5) / (1 << _CHANCE_BITS)

    def normal(self, count: int) -> Floats:
        """Return numbers of the standard normal distribution."""
        # Rounded, because its tails are found with a logarithm.
        return np.array([round(_NORMAL.inv_cdf(chance), 9) for chance in self.chances(count).tolist()])

    def poisson(self, mean: Floats) -> Ints:
        """Return a number of arrivals for each mean."""
        parts = max(math.ceil(mean.max(initial=0.0) / _LARGEST_MEAN), 1)
        of_part = mean.ravel() / parts
        counts = np.zeros(mean.size, np.int64)
        for _ in range(parts):
            counts += _arrivals(of_part, self.chances(mean.size))
        return counts.reshape(mean.shape)


_NORMAL = NormalDist()


def random_numbers(seed: int, purpose: str, *of: str | int) -> RandomNumbers:
    """Return the random numbers of a purpose and of what else is named, such as a hospital or a local day.

    They are independent of those of any other name, and of whatever else is drawn.
    """
    key = tuple(part if isinstance(part, int) else zlib.crc32(part.encode()) for part in (purpose, *of))
    return RandomNumbers(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def exponential(values: Floats) -> Floats:
    """Return e to the power of the values, to twelve digits, and with the same last bit everywhere.

    Libraries, and one library on two processors, differ in that bit.
    """
    small = values / (1 << _HALVINGS)
    found = np.ones_like(small)
    for number in range(_TERMS, 0, -1):
        found = 1.0 + small * found / number
    for _ in range(_HALVINGS):
        found = found * found
    return found


def _arrivals(mean: Floats, chance: Floats) -> Ints:
    """Return the least number of arrivals that a Poisson variable does not exceed with each chance."""
    probability = exponential(-mean)
    cumulative = probability
    counts = np.zeros(len(mean), np.int64)
    # Sixteen standard deviations away: nothing is left there, though the sum may stop just short of 1.
    largest = mean.max(initial=0.0)
    for number in range(1, math.ceil(largest + 16 * math.sqrt(largest) + 32)):
        is_more = chance > cumulative
        if not is_more.any():
            break
        counts += is_more
        probability = probability * mean / number
        cumulative = cumulative + probability
    return counts
