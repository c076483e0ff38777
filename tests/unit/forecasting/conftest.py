from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.forecasting.arrivals import ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.boosted import fit_boosted
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries

SeriesBuilder = Callable[..., HourlySeries]


class MemoryObjects:
    """An object store in memory that counts its writes."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.writes = 0

    def read(self, key: str) -> bytes:
        if key not in self.stored:
            raise NotFoundError(f"there is no object {key!r}.")
        return self.stored[key]

    def write(self, key: str, data: bytes) -> None:
        self.stored[key] = data
        self.writes += 1

    def exists(self, key: str) -> bool:
        return key in self.stored

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.stored if key.startswith(prefix))

    def path(self, key: str) -> str:
        return f"memory/{key}"


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture(scope="session")
def poisson_series() -> SeriesBuilder:
    """Return a builder of Poisson counts with a daily and a weekly rhythm, in São Paulo's civil time (UTC−3)."""

    def build(days: int, *, sector_id: str = "ED", mean: float = 5.0, seed: int = 7) -> HourlySeries:
        hour = np.arange(days * 24)
        rate = mean * (1 + 0.6 * np.sin(2 * np.pi * (hour - 13) / 24)) * np.where(hour // 24 % 7 >= 5, 0.7, 1.1)
        counts = np.random.default_rng(seed).poisson(rate).astype(np.float64)
        return HourlySeries(sector_id, datetime(2021, 3, 1, 3, tzinfo=UTC), counts)

    return build


@pytest.fixture(scope="session")
def sao_paulo() -> Covariates:
    """Return São Paulo's clock, without holidays."""
    return Covariates(Calendar("America/Sao_Paulo"))


@pytest.fixture(scope="session")
def ten_weeks(poisson_series: SeriesBuilder) -> HourlySeries:
    return poisson_series(70)


@pytest.fixture(scope="session")
def model(ten_weeks: HourlySeries, sao_paulo: Covariates) -> ArrivalsModel:
    return fit_arrivals([ten_weeks], sao_paulo)["ED"]


@pytest.fixture(scope="session")
def blended(model: ArrivalsModel, ten_weeks: HourlySeries, sao_paulo: Covariates) -> ArrivalsModel:
    """Return a model with trees, whether they help such a regular hospital or not."""
    trees = fit_boosted([ten_weeks], [model.scale], sao_paulo, threads=1)
    return replace(model, boosted=trees, linear_weight=0.6)
