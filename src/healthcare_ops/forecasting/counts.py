"""Count distributions: Poisson, or negative binomial where counts vary more than Poisson allows.

Variance is mean + dispersion·mean² (NB2); dispersion 0 is Poisson.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SMALLEST_MEAN = 1e-9
# Rows worked on at once: tables of rows × counts stay within some tens of megabytes.
_BLOCK = 8192


def log_pmf(count: Ints, mean: Floats, dispersion: float) -> Floats:
    """Return log P(X = count); `count` and `mean` broadcast against each other."""
    mean = np.maximum(mean, _SMALLEST_MEAN)
    k = np.arange(1, int(count.max(initial=0)) + 1)
    if dispersion <= 0:
        ways = np.concatenate([[0.0], -np.cumsum(np.log(k))])
        return np.asarray(count * np.log(mean) - mean + ways[count])
    size = 1.0 / dispersion
    ways = np.concatenate([[0.0], np.cumsum(np.log((k + size - 1.0) / k))])
    return np.asarray(count * np.log(mean / (mean + size)) - size * np.log1p(mean / size) + ways[count])


def cdf(mean: Floats, dispersion: float) -> Floats:
    """Return P(X ≤ k), shape (len(mean), K), far enough that the last column is 1 for practical purposes."""
    top = max(float(mean.max(initial=0.0)), 1.0)
    k = np.arange(int(top + 12.0 * np.sqrt(top + dispersion * top**2) + 20))
    return np.asarray(np.minimum(np.cumsum(np.exp(log_pmf(k, mean[:, None], dispersion)), axis=1), 1.0))


def quantiles(mean: Floats, dispersion: float, levels: Sequence[float]) -> Floats:
    """Return quantiles, shape (len(mean), len(levels)), never negative; levels must lie inside (0, 1).

    The step function is joined at half integers, (k + ½, P(X ≤ k)), which keeps quantiles of small counts
    calibrated where plain steps cannot be.
    """
    out = np.empty((len(mean), len(levels)))
    for block in _blocks(len(mean)):
        steps = np.pad(cdf(mean[block], dispersion), ((0, 0), (1, 0)))
        rows = np.arange(len(steps))
        for column, level in enumerate(levels):
            above = np.argmax(steps >= level, axis=1)
            low, high = steps[rows, above - 1], steps[rows, above]
            out[block, column] = above - 1.5 + (level - low) / (high - low)
    return np.maximum(out, 0.0)


def randomised_pit(count: Floats, mean: Floats, dispersion: float, *, seed: int) -> Floats:
    """Return probability integral transforms, drawn uniformly within the step of each count.

    Uniform on 0–1 if the distribution is right; a plain transform of small counts never is.
    Source: Czado, Gneiting & Held, Biometrics 2009;65:1254.
    """
    share = np.random.default_rng(seed).random(len(mean))
    out = np.empty(len(mean))
    for block in _blocks(len(mean)):
        steps = np.pad(cdf(mean[block], dispersion), ((0, 0), (1, 0)))
        rows, seen = np.arange(len(steps)), np.minimum(count[block].astype(np.int64), steps.shape[1] - 2)
        out[block] = steps[rows, seen] + share[block] * (steps[rows, seen + 1] - steps[rows, seen])
    return out


def mape_floor(mean: Floats) -> Floats:
    """Return the expected |X − mean| ÷ X given X > 0 of a forecaster who knows the true Poisson mean."""
    out = np.empty(len(mean))
    for block in _blocks(len(mean)):
        probability = np.diff(cdf(mean[block], 0.0), axis=1)
        k = np.arange(1, probability.shape[1] + 1)
        error = np.abs(k - mean[block, None]) / k
        out[block] = (probability * error).sum(axis=1) / np.maximum(probability.sum(axis=1), 1e-300)
    return out


def _blocks(length: int) -> Iterator[slice]:
    for start in range(0, length, _BLOCK):
        yield slice(start, start + _BLOCK)
