"""Count distributions: Poisson, or negative binomial where counts vary more than Poisson allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cdf(mean: Floats, dispersion: float) -> Floats:
    """Return P(X ≤ k), shape (len(mean), K), far enough that the last column is 1 for practical purposes.

    Variance is mean + dispersion·mean² (NB2); dispersion 0 is Poisson.
    """
    top = float(mean.max(initial=1.0))
    reach = int(top + 12.0 * np.sqrt(top + dispersion * top**2) + 20)
    k = np.arange(1, reach)
    if dispersion <= 0:
        first = np.exp(-mean)
        ratios = mean[:, None] / k
    else:
        size = 1.0 / dispersion
        share = mean / (mean + size)
        first = (1.0 - share) ** size
        ratios = share[:, None] * (k + size - 1.0) / k
    pmf = np.cumprod(np.concatenate([first[:, None], ratios], axis=1), axis=1)
    return np.asarray(np.minimum(np.cumsum(pmf, axis=1), 1.0))


def quantiles(mean: Floats, dispersion: float, levels: Sequence[float]) -> Floats:
    """Return quantiles, shape (len(mean), len(levels)), never negative.

    The step function is joined at half integers, (k + ½, P(X ≤ k)), which keeps quantiles of small counts
    calibrated where plain steps cannot be.
    """
    steps = np.concatenate([np.zeros((len(mean), 1)), cdf(mean, dispersion)], axis=1)
    rows = np.arange(len(mean))
    columns = []
    for level in levels:
        above = np.argmax(steps >= level, axis=1)
        low, high = steps[rows, above - 1], steps[rows, above]
        columns.append(above - 1.5 + (level - low) / np.maximum(high - low, 1e-300))
    return np.asarray(np.maximum(np.stack(columns, axis=1), 0.0))


def log_likelihood(actual: Floats, mean: Floats, dispersion: float) -> float:
    """Return the mean log probability of whole-number counts."""
    steps = np.concatenate([np.zeros((len(mean), 1)), cdf(mean, dispersion)], axis=1)
    rows, count = np.arange(len(mean)), np.minimum(actual.astype(int), steps.shape[1] - 2)
    return float(np.log(np.maximum(steps[rows, count + 1] - steps[rows, count], 1e-12)).mean())


def mape_floor(mean: Floats) -> Floats:
    """Return the expected |X − mean| ÷ X given X > 0 of a perfect Poisson forecaster, per mean."""
    steps = cdf(mean, 0.0)
    pmf = np.diff(steps, axis=1)
    k = np.arange(1, steps.shape[1])
    errors = np.abs(k - mean[:, None]) / k
    return np.asarray((pmf * errors).sum(axis=1) / np.maximum(pmf.sum(axis=1), 1e-12))
