from __future__ import annotations

import numpy as np
import pytest

from healthcare_ops.monitoring.hours import HospitalHours, SectorHours
from healthcare_ops.monitoring.profile import usual_counts


def hospital(day, hour, arrivals, *, first_day=8, **columns):
    day, hour = np.array(day), np.array(hour)
    return HospitalHours(day, hour, (day + 3) % 7, first_day, (SectorHours("ED", np.array(arrivals), **columns),))


def test_an_hour_that_the_clock_showed_twice_counts_twice():
    hours = hospital([4, 4, 4], [1, 1, 2], [2.0, 3.0, 4.0])

    assert hours.totals(hours.sectors[0].arrivals)[0, :4].tolist() == [0, 5, 4, 0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hour": [0, 1]}, "there are 3 hours, but a column of 2"),
        ({"waits_min": np.zeros(4)}, "there are 3 hours, but a column of 4"),
        ({"day": [5, 4, 4]}, "do not rise"),
        ({"first_day": 4}, "no hour of the training"),
    ],
)
def test_hours_that_do_not_fit_together_are_refused(changed, message):
    given = {"day": [4, 4, 4], "hour": [0, 1, 2], "arrivals": [1.0, 2.0, 3.0]}
    if "hour" in changed:
        given["day"], given["arrivals"] = [4, 4, 4], [1.0, 2.0, 3.0]

    with pytest.raises(ValueError, match=message):
        hospital(**given | changed)


def test_what_is_usual_for_a_week_of_the_training_does_not_know_that_week():
    day = np.repeat(np.arange(4, 4 + 28), 24)
    hours = hospital(day, np.tile(np.arange(24), 28), np.where(day < 11, 90.0, 9.0), first_day=32)
    counts, shown = hours.totals(hours.sectors[0].arrivals), hours.totals(np.ones(len(day)))

    usual = usual_counts(counts, shown, hours.days)

    assert usual[0].max() == pytest.approx(9.0, abs=0.5)
    assert usual[-1].min() > 30
