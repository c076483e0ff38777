"""How long a patient of the hospital waits, to whichever sector he comes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.conformal import weighted_quantiles
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.wait_usual import SHIFT_MIN
from healthcare_ops.forecasting.waits import WaitForecast

Floats = NDArray[np.float64]

# Equally likely waits that stand for the distribution of a sector.
_STEPS = 400
_SCORE = np.array([NormalDist().inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS)])
_KNOWN = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
_AT = np.clip(np.searchsorted(_KNOWN, _SCORE) - 1, 0, len(_KNOWN) - 2)
_SHARE = (_SCORE - _KNOWN[_AT]) / (_KNOWN[_AT + 1] - _KNOWN[_AT])


def mixed_waits(parts: Sequence[tuple[Floats, WaitForecast]]) -> tuple[Floats, Floats]:
    """Return mean and quantiles (minutes, a row per lead) of the mixture of sectors, each with its expected arrivals.

    They are those of the patients of all sectors together: an average of quantiles would be too narrow where one
    sector is quick and the other slow.
    """
    arrivals = np.array([expected for expected, _ in parts])
    total = np.maximum(arrivals.sum(axis=0), np.finfo(float).tiny)
    mean = np.sum([expected * one.mean for expected, one in parts], axis=0) / total
    waits = np.concatenate([_equally_likely(one.quantiles) for _, one in parts], axis=1)
    weight = np.repeat(arrivals / total, _STEPS, axis=0).T
    quantiles = [weighted_quantiles(row, mine, LEVELS) for row, mine in zip(waits, weight, strict=True)]
    return np.asarray(mean), np.array(quantiles)


def _equally_likely(quantiles: Floats) -> Floats:
    """Return waits that share the quantiles, a row per lead: straight lines on the scale of log and normal scores.

    Beyond the outer quantiles the last line goes on.
    """
    heights = np.log(quantiles + SHIFT_MIN)
    waits = np.exp(heights[:, _AT] + _SHARE * (heights[:, _AT + 1] - heights[:, _AT])) - SHIFT_MIN
    return np.asarray(np.maximum(waits, 0.0))
