from __future__ import annotations

from datetime import UTC, datetime, timedelta

from healthcare_ops.core.emf import SeriesKey
from healthcare_ops.core.series import Series
from healthcare_ops.operations.metrics import current

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


def series(*told):
    """Return a series of (hours ago, value)."""
    return Series([(NOW - timedelta(hours=ago)).timestamp() for ago, _ in told], [value for _, value in told])


def values(found):
    return [(one.metric.name, dict(one.of), one.value) for one in found]


def test_a_level_has_its_newest_value():
    found = current({SeriesKey("DQRiskScore"): series((3, 80.0), (1, 12.5))}, NOW)

    assert values(found) == [("DQRiskScore", {}, 12.5)]
    assert found[0].at == NOW - timedelta(hours=1)


def test_what_happens_is_counted_over_a_day():
    key = SeriesKey("RunsUnsuccessful", (("RunType", "daily"),))

    found = current({key: series((24.5, 1.0), (20, 1.0), (3, 0.0), (1, 1.0))}, NOW)

    assert values(found) == [("RunsUnsuccessful", {"RunType": "daily"}, 2.0)]


def test_what_was_measured_long_ago_or_is_to_come_or_of_another_release_does_not_stand():
    found = current(
        {
            SeriesKey("DQRiskScore"): series((26, 80.0)),
            SeriesKey("DQRulesFailed"): series((-1, 3.0)),
            SeriesKey("Dropped"): series((1, 1.0)),
        },
        NOW,
    )

    assert found == []
