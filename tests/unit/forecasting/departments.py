"""Emergency departments with waits that have a rhythm and a memory."""

from __future__ import annotations

import numpy as np

from healthcare_ops.forecasting.wait_usual import Waits

# 2021-03-01 00:00 in São Paulo.
START = 26_909_460
DAY = 1440


def department(days=112, *, per_day=90, seed=1, memory=0.6, level_factor=0.8, slow=1.0):
    """Return a department that is slow in the evening and, by `memory`, for hours on end; one in 40 leaves unseen."""
    chance = np.random.default_rng(seed)
    arrival = START + np.sort(chance.uniform(0, days * DAY, days * per_day)).round()
    hours = days * 24 + 1
    busy = np.zeros(hours)
    for hour in range(1, hours):
        busy[hour] = 0.97 * busy[hour - 1] + 0.24 * chance.normal()
    hour = ((arrival - START) // 60).astype(int)
    level = chance.choice([1, 2, 3, 4, 5], len(arrival), p=[0.05, 0.2, 0.4, 0.25, 0.1])
    evening = 0.5 * np.sin(2 * np.pi * (hour % 24 - 13) / 24) * (memory > 0)
    wait = slow * np.exp(
        3.2 + level_factor * (level - 3) / 2 + memory * busy[hour] + evening + 0.6 * chance.normal(size=len(hour))
    )
    care = arrival + np.where(level == 1, np.maximum(wait - 15, 0), wait)
    has_left = chance.random(len(care)) < 0.025
    leave = np.where(has_left, arrival + 0.7 * wait, care + chance.uniform(20, 300, len(care)))
    return Waits.of(arrival, np.where(has_left, np.nan, care), leave, level, arrival + 3)
