"""Distributions of head counts: who is there and stays, who will come and stay, and the sum of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting import counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST = 1e-300


def staying_pmf(staying: Floats) -> Floats:
    """Return P(so many of the patients are there), a row per instant; `staying` has a row per patient.

    The Poisson-binomial distribution, patient by patient: all terms are positive, so that nothing cancels.
    """
    pmf = np.zeros((staying.shape[1], len(staying) + 1))
    pmf[:, 0] = 1.0
    for place, stays in enumerate(staying[:, :, None], start=1):
        one_more = pmf[:, :place] * stays
        pmf[:, :place] *= 1.0 - stays
        pmf[:, 1 : place + 1] += one_more
    return pmf


def coming_pmf(mean: Floats, dispersion: float) -> Floats:
    """Return P(so many of those who come are there), a row per instant; `mean` has a row per hour of coming.

    `mean` are those of the hour who will be there; `dispersion` is that of the hour's counts (see `counts`), which
    thinning does not change. Source of the sum: Furman, Statistics & Probability Letters 2007;77:169.
    """
    total = _total(mean, axis=0)
    deviation = np.sqrt(total + dispersion * _total(mean**2, axis=0))
    size = int((total + 12.0 * deviation).max(initial=0.0)) + 20
    if dispersion <= 0:
        poisson: Floats = np.exp(counts.log_pmf(np.arange(size), total[:, None], 0.0))
        return np.asarray(np.where(total[:, None] > 0, poisson, np.arange(size) == 0), dtype=np.float64)
    share = dispersion * mean / (1.0 + dispersion * mean)
    pmf, sums, weighted = np.zeros((3, len(total), size))
    nobody = np.exp(_total(np.log1p(-share), axis=0) / dispersion)
    pmf[:, 0] = np.maximum(nobody, _LEAST)
    powers = np.ones(share.shape)
    for count in range(size):
        powers *= share
        sums[:, count] = _total(powers, axis=0) / dispersion
    for count in range(size - 1):
        weighted[:, count:] += sums[:, : size - count] * pmf[:, count, None]
        pmf[:, count + 1] = weighted[:, count] / (count + 1)
    # Where "nobody" is too unlikely for a number, the row started from the least there is, and has its shape alone.
    return np.asarray(np.where(nobody[:, None] < _LEAST, pmf / _total(pmf, axis=1)[:, None], pmf))


def sum_pmf(one: Floats, other: Floats) -> Floats:
    """Return the distribution of the sum of two independent counts, row by row."""
    short, long = sorted((one, other), key=lambda pmf: pmf.shape[1])
    out = np.zeros((len(long), short.shape[1] + long.shape[1] - 1))
    for count, probability in enumerate(short.T):
        out[:, count : count + long.shape[1]] += probability[:, None] * long
    return out


def mixed_pmf(parts: Sequence[tuple[float, Floats]]) -> Floats:
    """Return the mixture of distributions, each with its weight; some may reach farther than others."""
    out = np.zeros((len(parts[0][1]), max(pmf.shape[1] for _, pmf in parts)))
    for weight, pmf in parts:
        out[:, : pmf.shape[1]] += weight * pmf
    return out


@dataclass(frozen=True)
class CountForecast:
    """P(count = k) in column k, a row per lead."""

    leads: Ints
    pmf: Floats

    @property
    def mean(self) -> Floats:
        """Return the mean of each lead."""
        return _total(self.pmf * np.arange(self.pmf.shape[1]), axis=1)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Return quantiles, shape (leads, levels), joined at half integers as those of `counts.quantiles`."""
        steps = np.pad(np.cumsum(self.pmf, axis=1), ((0, 0), (1, 0)))
        rows, out = np.arange(len(steps)), np.empty((len(steps), len(levels)))
        for column, level in enumerate(levels):
            above = np.argmax(steps >= level, axis=1)
            low, high = steps[rows, above - 1], steps[rows, above]
            out[:, column] = above - 1.5 + (level - low) / (high - low)
        return np.maximum(out, 0.0)

    def randomised_pit(self, count: Ints, share: Floats) -> Floats:
        """Return P(X < count) + share·P(X = count); `share` are drawn uniformly from 0–1."""
        steps = np.pad(np.cumsum(self.pmf, axis=1), ((0, 0), (1, 0)))
        rows, seen = np.arange(len(steps)), np.minimum(count, self.pmf.shape[1] - 1)
        return np.asarray(steps[rows, seen] + share * (steps[rows, seen + 1] - steps[rows, seen]))

    def missed(self, count: Ints, low: float, high: float) -> Floats:
        """Return the share (0–1) of each count's probability that lies outside two levels: P(PIT < low or > high)."""
        below, until = self.randomised_pit(count, np.zeros(len(count))), self.randomised_pit(count, np.ones(len(count)))
        size = np.maximum(until - below, _LEAST)
        return np.asarray(np.clip((low - below) / size, 0.0, 1.0) + np.clip((until - high) / size, 0.0, 1.0))


def _total(values: Floats, axis: int) -> Floats:
    """Return sums, added one by one: a plain sum may add in another order where more leads stand beside this one."""
    if not values.shape[axis]:
        return np.zeros(values.shape[1 - axis])
    return np.asarray(np.cumsum(values, axis=axis).take(-1, axis=axis))
