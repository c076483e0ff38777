from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from fakes import MemoryObjects, MemorySecrets, VirtualTime
from healthcare_ops.core.config import PSEUDONYM_KEY
from healthcare_ops.core.runs import RunRecord
from healthcare_ops.jobs.newest import FORECAST, delivery_of, newest, note_newest
from healthcare_ops.operations.measure import Gauges
from healthcare_ops.operations.schedules import Schedule
from unit.pipeline.builders import encounter_feed

SUNDAY = datetime(2026, 3, 1, 5, tzinfo=UTC)
SUNDAYS = Schedule("weekly_train", ZoneInfo("UTC"), time(5), weekday=6)


@dataclass
class Hospital:
    """What a state directory holds, as far as ages are concerned."""

    objects: MemoryObjects = field(default_factory=MemoryObjects)
    time: VirtualTime = field(default_factory=lambda: VirtualTime(SUNDAY))
    feeds: tuple = ()

    def __post_init__(self):
        self.secrets = MemorySecrets(self.time)

    def trained(self, at, status="SUCCEEDED"):
        run_id = f"weekly_train-{at:%Y%m%dT%H%M%SZ}"
        record = RunRecord(
            run_id, "weekly_train", "", at.isoformat(), as_of=at.isoformat(), status=status, ended_at=at.isoformat()
        )
        self.objects.write(record.key, record.to_json())

    def measure(self, now, *, was_training_due=False):
        gauges = Gauges(self.objects, self.secrets, self.feeds, timedelta(minutes=15), SUNDAYS)
        return {
            (name, *one.of.values()): value
            for one in gauges.measure(now, was_training_due=was_training_due)
            for name, value in one.values.items()
        }


@pytest.fixture
def hospital():
    return Hospital()


def test_a_forecast_ages_from_when_it_was_made(hospital):
    note_newest(hospital.objects, FORECAST, SUNDAY)

    found = [hospital.measure(SUNDAY + timedelta(minutes=minutes)) for minutes in (10, 47)]

    assert [one["ForecastAgeMin",] for one in found] == [10.0, 47.0]
    assert [one["ForecastLateMin",] for one in found] == [0.0, 32.0]


def test_where_nothing_was_forecast_yet_no_forecast_is_old(hospital):
    assert ("ForecastAgeMin",) not in hospital.measure(SUNDAY)


@pytest.mark.parametrize(("after_min", "late_min"), [(0, 0.0), (195, 0.0), (196, 1.0), (315, 120.0)])
def test_a_feed_is_late_beyond_its_cadence_what_it_may_be_late_and_the_tick_that_takes_it_in(
    hospital, after_min, late_min
):
    hospital.feeds = (encounter_feed(feed_id="visits", cadence={"every_min": 60, "late_after_min": 120}),)
    note_newest(hospital.objects, delivery_of("visits"), SUNDAY)

    found = hospital.measure(SUNDAY + timedelta(minutes=after_min))

    assert found["FeedLateMin", "visits"] == late_min


def test_a_feed_that_never_delivered_is_not_late(hospital):
    hospital.feeds = (encounter_feed(feed_id="visits"),)

    assert ("FeedLateMin", "visits") not in hospital.measure(SUNDAY)


def test_history_that_is_replayed_makes_nothing_older(hospital):
    note_newest(hospital.objects, FORECAST, SUNDAY)
    note_newest(hospital.objects, FORECAST, SUNDAY - timedelta(days=365))

    assert newest(hospital.objects, FORECAST) == SUNDAY


def test_a_note_that_nobody_can_read_is_made_anew(hospital):
    hospital.objects.write("ops/newest/forecast.json", b'{"at": 3}')
    before = newest(hospital.objects, FORECAST)

    note_newest(hospital.objects, FORECAST, SUNDAY)

    assert (before, newest(hospital.objects, FORECAST)) == (None, SUNDAY)


@pytest.mark.parametrize(
    ("trained_at", "status", "hours"),
    [
        (None, "", 7.0),
        (SUNDAY, "SUCCEEDED", 0.0),
        (SUNDAY + timedelta(hours=2), "SUCCEEDED", 0.0),
        (SUNDAY, "FAILED", 7.0),
        (SUNDAY, "RUNNING", 7.0),
        (SUNDAY - timedelta(days=7), "SUCCEEDED", 7.0),
    ],
)
def test_a_training_is_overdue_until_one_that_began_since_sunday_succeeds(hospital, trained_at, status, hours):
    if trained_at:
        hospital.trained(trained_at, status)

    found = hospital.measure(SUNDAY + timedelta(hours=7), was_training_due=True)

    assert found["TrainOverdueHours",] == hours


def test_before_its_first_sunday_no_training_is_overdue(hospital):
    assert hospital.measure(SUNDAY + timedelta(days=3))["TrainOverdueHours",] == 0.0


def test_secrets_age_from_when_they_were_set_last_but_for_the_key_of_the_pseudonyms(hospital):
    hospital.secrets.put(PSEUDONYM_KEY, b"x")
    hospital.secrets.put("openai", b"x")
    hospital.time.advance(timedelta(days=60).total_seconds())
    hospital.secrets.put("smtp", b"x")

    found = hospital.measure(SUNDAY + timedelta(days=91))

    assert {key: value for key, value in found.items() if key[0] == "SecretAgeDays"} == {
        ("SecretAgeDays", "openai"): 91.0,
        ("SecretAgeDays", "smtp"): 31.0,
    }
