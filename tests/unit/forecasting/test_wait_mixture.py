from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.wait_mixture import mixed_waits
from healthcare_ops.forecasting.waits import WaitForecast

SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def sector(middle, spread=0.5, leads=2):
    """Return the forecast of waits of which log(minutes + 15) is normal."""
    quantiles = np.maximum(np.exp(middle + spread * SCORES) - 15.0, 0.0)
    mean = np.exp(middle + spread**2 / 2) - 15.0
    return WaitForecast(
        np.arange(leads), np.full(leads, mean), np.tile(quantiles, (leads, 1)), np.full((leads, 5), 0.1)
    )


def test_one_sector_alone_is_the_hospital():
    alone = sector(4.0)

    mean, quantiles = mixed_waits([(np.array([3.0, 0.5]), alone)])

    assert mean.tolist() == alone.mean.tolist()
    assert quantiles == pytest.approx(alone.quantiles, rel=0.02)


def test_the_hospital_waits_as_the_patients_of_all_sectors_together():
    quick, slow = sector(3.2), sector(5.0)
    drawn = np.random.default_rng(1).normal(size=(2, 400_000))
    waits = [np.exp(3.2 + 0.5 * drawn[0, :300_000]) - 15.0, np.exp(5.0 + 0.5 * drawn[1, :100_000]) - 15.0]
    together = np.maximum(np.concatenate(waits), 0.0)

    mean, quantiles = mixed_waits([(np.array([3.0, 6.0]), quick), (np.array([1.0, 2.0]), slow)])

    assert quantiles[0] == pytest.approx(np.quantile(together, LEVELS), rel=0.03, abs=0.7)
    assert mean[0] == pytest.approx(np.concatenate(waits).mean(), rel=0.01)


def test_a_sector_to_which_nobody_comes_has_no_say():
    quick, slow = sector(3.2), sector(5.0)

    _, quantiles = mixed_waits([(np.array([3.0, 0.0]), quick), (np.array([0.0, 2.0]), slow)])

    assert quantiles[0] == pytest.approx(quick.quantiles[0], rel=0.02, abs=0.2)
    assert quantiles[1] == pytest.approx(slow.quantiles[1], rel=0.02)
