"""Durations and choices from random integers, in integer arithmetic alone: the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.generator.parameters import PROBABILITIES
from healthcare_ops.generator.streams import RANDOM_BITS, Randoms

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CELL_BITS = 12
_CELLS = 1 << _CELL_BITS
_FRACTION_BITS = RANDOM_BITS - _CELL_BITS
_LEAST_SHIFT_S = 15.0
_SCORE_BITS = 16
_SCORES = 1 << (RANDOM_BITS - _SCORE_BITS)


def duration_table(quantiles: Sequence[float], unit_s: int) -> Ints:
    """Return the quantile function at 4,097 equidistant probabilities, in whole seconds.

    Between the given quantiles its distance to minus one median rises geometrically: nearly straight where
    durations are short, and with the long right tail that durations have.
    """
    shift_s = max(quantiles[PROBABILITIES.index(0.5)] * unit_s, _LEAST_SHIFT_S)
    logs = [math.log(value * unit_s + shift_s) for value in quantiles]
    probabilities = np.arange(_CELLS + 1) / _CELLS
    # Rounded first, so that the last bit of a machine's exponential function cannot decide about a second.
    seconds = np.round(np.exp(np.interp(probabilities, PROBABILITIES, logs)) - shift_s, 6)
    table: Ints = np.maximum(np.rint(seconds), 0).astype(np.int64)
    return table


def mean_s(table: Ints) -> float:
    """Return the mean of the durations that a table gives."""
    return float((table[:-1] + table[1:]).mean() / 2)


def sample_s(tables: Ints, row: Ints | int, random: Randoms) -> Ints:
    """Return one duration in seconds for each random number, from the table (row) that holds for it."""
    cell = (random >> np.uint32(_FRACTION_BITS)).astype(np.int64)
    fraction = (random & np.uint32((1 << _FRACTION_BITS) - 1)).astype(np.int64)
    low = tables[row, cell]
    seconds: Ints = low + ((tables[row, cell + 1] - low) * fraction >> _FRACTION_BITS)
    return seconds


def correlated(random: Randoms, cause: Floats, correlation: Floats) -> Randoms:
    """Return random numbers as evenly spread, whose ranks follow those of their causes (a Gaussian copula).

    `cause` is normal; `correlation` is that of the normal scores.
    """
    score = correlation * cause + np.sqrt(1.0 - correlation**2) * normal_scores(random)
    rank = np.minimum(np.searchsorted(_score_table(), score), _SCORES - 1).astype(np.uint32)
    return rank << np.uint32(_SCORE_BITS) | random & np.uint32((1 << _SCORE_BITS) - 1)


def normal_scores(random: Randoms) -> Floats:
    """Return the values of a standard normal variable that are as likely."""
    scores: Floats = _score_table()[random >> np.uint32(_SCORE_BITS)]
    return scores


@cache
def _score_table() -> Floats:
    # Rounded, because the tails are found with a logarithm.
    return np.array([round(NormalDist().inv_cdf((number + 0.5) / _SCORES), 9) for number in range(_SCORES)])


def spread_s(tables: Ints) -> Floats:
    """Return the standard deviation of the durations of each table, in seconds."""
    spread: Floats = np.round(tables.std(axis=1), 6)
    return spread


def thresholds(shares: Iterable[float]) -> Ints:
    """Return the limits below which a random number chooses the first, the second … of the shares.

    What the shares lack to 1 is the choice after the last.
    """
    cumulative = np.cumsum(list(shares))
    limits: Ints = np.rint(np.minimum(cumulative, 1.0) * (1 << RANDOM_BITS)).astype(np.int64)
    return limits


def choose(limits: Ints, row: Ints | int, random: Randoms) -> Ints:
    """Return the number of the chosen share for each random number, by the limits (row) that hold for it."""
    number: Ints = (random[:, None] >= np.atleast_2d(limits)[row]).sum(axis=-1)
    return number
