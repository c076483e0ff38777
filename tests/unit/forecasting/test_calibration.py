from __future__ import annotations

import json

import numpy as np
import pytest

from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calibration import Calibration, Seen, fit_calibration

MANY = 1500
LEAD = 7


def judged(true_dispersion: float, said_dispersion: float) -> tuple[np.ndarray, np.ndarray, Seen]:
    """Return distributions said, counts that came, and both as they are learnt from: five a day."""
    rng = np.random.default_rng(1)
    mean = rng.gamma(10.0, 1.2, MANY)
    came = rng.poisson(rng.gamma(1 / true_dispersion, true_dispersion * mean) if true_dispersion else mean)
    pmf = np.exp(counts.log_pmf(np.arange(90), mean[:, None], said_dispersion))
    parts = [Seen.of(pmf[row : row + 1], came[row : row + 1], np.array([LEAD]), row // 5) for row in range(MANY)]
    return pmf, came, Seen.joined(parts)


def coverage(pmf: np.ndarray, came: np.ndarray) -> float:
    """Return the share of randomised transforms within 0.05–0.95."""
    steps, rows = np.pad(pmf.cumsum(axis=1), ((0, 0), (1, 0))), np.arange(MANY)
    share = np.random.default_rng(2).random(MANY)
    pit = steps[rows, came] + share * (steps[rows, came + 1] - steps[rows, came])
    return float(((pit >= 0.05) & (pit <= 0.95)).mean())


@pytest.mark.parametrize(("true", "said", "before"), [(0.1, 0.0, 0.74), (0.0, 0.1, 0.98)])
def test_intervals_too_narrow_or_too_wide_are_mended(true, said, before):
    pmf, came, seen = judged(true, said)

    mended = fit_calibration(seen).apply(pmf, np.full(MANY, LEAD))

    assert coverage(pmf, came) == pytest.approx(before, abs=0.02)
    assert coverage(mended, came) == pytest.approx(0.9, abs=0.02)
    assert np.abs(mended.sum(axis=1) - 1).max() < 1e-9
    assert (mended >= 0).all()


def test_a_calibrated_forecast_is_left_alone():
    pmf, _, seen = judged(0.05, 0.05)

    found = fit_calibration(seen)

    assert found.slopes == pytest.approx((0.0,) * 5, abs=0.05)
    assert Calibration().apply(pmf, np.full(MANY, LEAD)).tolist() == pmf.tolist()


def test_one_week_is_too_little_to_judge():
    _, _, seen = judged(0.1, 0.0)

    assert fit_calibration(seen.where(seen.day < 7)) == Calibration()


def test_a_stored_calibration_is_the_same():
    found = fit_calibration(judged(0.1, 0.0)[2])

    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
