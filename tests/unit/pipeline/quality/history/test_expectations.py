from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from engines import duckdb_engine
from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.feed import Cadence
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS
from healthcare_ops.pipeline.quality.history.deviations import Deviation, judge
from healthcare_ops.pipeline.quality.history.expectations import Expectations, Unjudged, learn
from healthcare_ops.pipeline.quality.history.observations import Days, Observed, Series, observe, tabulate
from healthcare_ops.pipeline.quality.history.rhythm import Rhythm
from unit.pipeline.builders import at, encounters, rows_of, stays

ZONE = ZoneInfo("America/Sao_Paulo")
FIRST = date(2026, 1, 5)  # a Monday
CADENCES = {"flow": Cadence(every_min=15, late_after_min=360)}
# Arrivals by civil hour: nights are slow.
HOURS = np.array([3, 2, 2, 1, 1, 1, 2, 4, 6, 9, 11, 12, 12, 11, 10, 9, 9, 9, 8, 7, 7, 6, 5, 4], dtype=float)
ED = Series("volume", ENCOUNTERS.id, "sector_id", "ED")


@dataclass(frozen=True)
class Visits:
    """Arrivals as arrays: minutes since 1970 (UTC), waits in minutes (NaN: nobody came), and the sector's name."""

    minute: np.ndarray
    wait: np.ndarray
    stay: np.ndarray
    sector: np.ndarray

    def where(self, keep: np.ndarray) -> Visits:
        return Visits(self.minute[keep], self.wait[keep], self.stay[keep], self.sector[keep])

    def on(self, day: date, from_h: float = 0, to_h: float = 24) -> np.ndarray:
        start = day_start(day, ZONE).timestamp() / 60
        return (self.minute >= start + from_h * 60) & (self.minute < start + to_h * 60)

    def rows(self) -> pa.Table:
        minute = np.round(self.minute * 60e6).astype(np.int64)
        count, care, gone = len(minute), self.wait * 60e6, self.stay * 60e6
        has_care = ~np.isnan(care)
        instants = pa.timestamp("us")
        columns: dict[str, Any] = {
            "encounter_id": pa.array([f"e{number}" for number in range(count)]),
            "patient_id": pa.array([f"p{number}" for number in range(count)]),
            "feed_id": pa.repeat("flow", count),
            "sector_id": pa.array(self.sector),
            "triage_level": pa.array(np.arange(count) % 3 + 2),
            "disposition": pa.repeat("home", count),
            "arrival_time": pa.array(minute).cast(instants),
            "triage_start": pa.array(minute + 300_000_000).cast(instants),
            "care_start": pa.array(minute + np.nan_to_num(care).astype(np.int64), mask=~has_care).cast(instants),
            "discharge_time": pa.array(minute + gone.astype(np.int64)).cast(instants),
            "wait_triage_min": pa.repeat(5.0, count),
            "total_wait_min": pa.array(self.wait, mask=~has_care),
            "los_min": pa.array(self.stay),
        }
        sound = rows_of(ENCOUNTERS, [])
        missing = {field.name: pa.nulls(count, field.type) for field in sound.schema if field.name not in columns}
        return pa.table({**columns, **missing}).select(sound.schema.names).cast(sound.schema)


def visits(weeks: int, *, seed: int = 1, share: float = 1.0, sector: str = "ED", level=lambda day: 1.0) -> Visits:
    """Return arrivals of so many weeks; `level` is how much busier a day (numbered from 0) is than usual."""
    chance = np.random.default_rng(seed)
    minutes = []
    for number in range(weeks * 7):
        start = day_start(FIRST + timedelta(days=number), ZONE).timestamp() / 60
        shock = chance.gamma(200, 1 / 200) * level(number)
        for hour, count in enumerate(chance.poisson(HOURS * share * shock)):
            minutes.append(start + hour * 60 + np.sort(chance.uniform(0, 60, count)))
    minute = np.concatenate(minutes)
    wait = np.round(np.exp(chance.normal(3.3, 0.8, len(minute)))).clip(1, 400)
    return Visits(minute, wait, wait + chance.uniform(30, 300, len(minute)), np.full(len(minute), sector))


@pytest.fixture(scope="module")
def collect():
    with duckdb_engine() as opened:
        yield lambda rows: {
            name: opened.collect(found) for name, found in observe({ENCOUNTERS.id: opened.table(rows)}).items()
        }


def days(weeks: int, holidays: frozenset[date] = frozenset()) -> Days:
    return Days(FIRST, FIRST + timedelta(days=weeks * 7 - 1), ZONE, holidays)


def figures(collect, told: Visits, weeks: int, *, now: datetime | None = None, holidays=frozenset()) -> Observed:
    calendar = days(weeks, holidays)
    instant = now or day_start(calendar.last, ZONE) + timedelta(days=4)
    return tabulate(collect(told.rows()), calendar, now=instant, cadences=CADENCES)


def found_on(
    collect,
    told: Visits,
    day: date,
    weeks: int = 10,
    *,
    now: datetime | None = None,
    cadences=None,
    holidays=frozenset(),
) -> tuple[Deviation, ...]:
    observed = figures(collect, told, weeks, now=now, holidays=holidays)
    instant = now or day_start(days(weeks).last, ZONE) + timedelta(days=4)
    return judge(observed, learn(observed, {day}), {day}, now=instant, cadences=cadences or {})


LAST = FIRST + timedelta(days=9 * 7 + 3)  # the Thursday of the tenth week
QUIET = visits(10)


# --- What is observed ---


def test_rows_are_counted_by_place_and_quarter_of_an_hour(engine):
    rows = encounters(
        {"feed_id": "flow", "arrival_time": at("2026-03-01T10:01"), "total_wait_min": 10.0},
        {"feed_id": "flow", "arrival_time": at("2026-03-01T10:14"), "total_wait_min": 30.0},
        {"feed_id": "flow", "arrival_time": at("2026-03-01T10:15")},
    )

    found = engine.collect(observe({ENCOUNTERS.id: engine.table(rows)})[ENCOUNTERS.id]).sort_by("quarter").to_pylist()

    assert [(row["sector_id"], row["rows"], row["n_total_wait_min"]) for row in found] == [("ED", 2, 2), ("ED", 1, 0)]
    assert found[0]["sum_total_wait_min"] == pytest.approx(np.log(11) + np.log(31))
    assert found[0]["last_us"] - found[0]["first_us"] == 13 * 60_000_000


@pytest.mark.parametrize(
    ("care_start", "disposition", "missing"),
    [
        ("2026-03-02T09:59", "home", 0),
        (None, "home", 1),
        (None, None, 1),
        (None, "left_without_care", 0),
        ("2026-03-02T10:01", "home", 1),
    ],
    ids=["in time", "not delivered", "outcome unknown", "left unseen", "later than a day"],
)
def test_a_time_is_missing_if_it_is_not_there_a_day_after_the_arrival(engine, care_start, disposition, missing):
    row = {"feed_id": "flow", "arrival_time": at("2026-03-01T10:00"), "disposition": disposition}
    rows = encounters(row | {"care_start": at(care_start) if care_start else None})

    found = engine.collect(observe({ENCOUNTERS.id: engine.table(rows)})[ENCOUNTERS.id]).to_pylist()

    assert [row["null_care_start"] for row in found] == [missing]


@pytest.mark.parametrize(("admit_time", "missing"), [(None, 1), ("2026-03-01T15:00", 0)], ids=["went home", "admitted"])
def test_who_is_admitted_need_not_have_left_within_a_day(engine, admit_time, missing):
    row = {"feed_id": "flow", "arrival_time": at("2026-03-01T10:00"), "discharge_time": at("2026-03-04T10:00")}
    rows = encounters(row | {"admit_time": at(admit_time) if admit_time else None, "disposition": "home"})

    found = engine.collect(observe({ENCOUNTERS.id: engine.table(rows)})[ENCOUNTERS.id]).to_pylist()

    assert [(row["null_discharge_time"], row["null_disposition"]) for row in found] == [(missing, missing)]


def test_stays_events_and_accounts_are_counted_as_well(engine):
    tables = {
        STAYS.id: stays({"start_time": at("2026-03-01T10:00")}),
        EVENTS.id: rows_of(EVENTS, [{"event_type": "admit", "event_time": at("2026-03-01T10:00"), "sector_id": "ED"}]),
        BATCH_ACCOUNTS.id: rows_of(
            BATCH_ACCOUNTS,
            [
                {
                    "feed_id": "flow",
                    "dt": date(2026, 3, 1),
                    "delivered": 9,
                    "duplicate": 2,
                    "superseded": 3,
                    "quarantined": 1,
                }
            ],
        ),
    }

    found = {
        name: engine.collect(rows).to_pylist()[0]
        for name, rows in observe({name: engine.table(rows) for name, rows in tables.items()}).items()
    }

    assert (found[STAYS.id]["rows"], found[STAYS.id]["null_bed_id"]) == (1, 1)
    assert (found[EVENTS.id]["event_type"], found[EVENTS.id]["null_sector_id"]) == ("admit", 0)
    assert (found[BATCH_ACCOUNTS.id]["rows"], found[BATCH_ACCOUNTS.id]["null_quarantined"]) == (4, 1)


@pytest.mark.parametrize(
    ("day", "hour", "length"),
    [(date(2017, 3, 26), 2, 0), (date(2017, 10, 29), 2, 2), (date(2017, 7, 1), 2, 1)],
    ids=str,
)
def test_a_civil_hour_lasts_as_long_as_the_clock_lets_it(day, hour, length):
    calendar = Days(day - timedelta(days=1), day + timedelta(days=1), ZoneInfo("Europe/Stockholm"))

    assert calendar.hours[1, hour] == length
    assert calendar.hours[[0, 2]].tolist() == [[1.0] * 24] * 2


def test_both_hours_that_the_clock_shows_twice_are_one_civil_hour():
    calendar = Days(date(2017, 10, 28), date(2017, 10, 30), ZoneInfo("Europe/Stockholm"))

    found = [int(calendar.position_of(datetime(2017, 10, 29, hour, 30, tzinfo=UTC))) - 24 for hour in (0, 1, 2)]

    assert found == [2, 2, 3]


# --- What is expected ---


def test_a_usual_day_deviates_in_nothing(collect):
    assert found_on(collect, QUIET, LAST) == ()


def test_a_week_is_expected_without_being_looked_at(collect):
    elsewhere = QUIET.where(~QUIET.on(LAST - timedelta(days=1)))
    week = slice(9 * 7, 10 * 7)

    whole, without = (learn(figures(collect, told, 10)).learned["volume"] for told in (QUIET, elsewhere))

    number = whole.block.series.index(ED)
    assert whole.block.total[number, week].sum() > without.block.total[number, week].sum() + 50
    np.testing.assert_allclose(whole.rate[number, week], without.rate[number, week], rtol=1e-12)


def test_nights_are_expected_to_be_slow(collect):
    learned = learn(figures(collect, QUIET, 10)).learned["volume"]

    rate = learned.rate[learned.block.series.index(ED)].mean(axis=0)
    assert rate == pytest.approx(HOURS, rel=0.25)


@pytest.mark.parametrize("by_week", [0.02, -0.02])
def test_slow_growth_is_followed(collect, by_week):
    growing = visits(16, seed=3, level=lambda day: 1 + by_week * day / 7)
    last = FIRST + timedelta(days=16 * 7 - 2)

    assert found_on(collect, growing, last, weeks=16) == ()


def test_a_holiday_is_expected_to_be_like_a_sunday(collect):
    half_sundays = visits(10, level=lambda day: 0.4 if day % 7 == 6 or day == 66 else 1.0)

    as_thursday = found_on(collect, half_sundays, LAST)
    as_holiday = found_on(collect, half_sundays, LAST, holidays=frozenset({LAST}))

    assert {deviation.rule for deviation in as_thursday} >= {"volume"}
    assert as_holiday == ()


@pytest.mark.parametrize(("weeks", "is_judged"), [(3, False), (5, True)])
def test_fewer_than_four_weeks_are_no_history(collect, weeks, is_judged):
    told = visits(weeks)
    last = days(weeks).last - timedelta(days=1)
    silent = told.where(~told.on(last, 9, 21))
    observed = figures(collect, silent, weeks)

    expectations = learn(observed, set(days(weeks).dates[-7:]))

    assert (ED not in expectations.too_short) == is_judged
    assert (Unjudged("sector_id", ED.place, weeks) not in expectations.unjudged) == is_judged
    assert bool(judge(observed, expectations, {last}, now=day_start(last, ZONE), cadences={})) == is_judged


@pytest.mark.parametrize("corrected", [1, 20, 22, 40])
def test_a_day_is_missed_however_many_days_of_a_young_history_are_corrected_with_it(collect, corrected):
    told, calendar = visits(7), days(7)
    half = told.where(~told.on(calendar.last) | (np.arange(len(told.minute)) % 3 == 0))
    # Sixteen weeks are looked at, of which the hospital delivers since seven.
    looked_at, now = (
        replace(calendar, first=FIRST - timedelta(weeks=9)),
        day_start(calendar.last, ZONE) + timedelta(days=4),
    )
    observed = tabulate(collect(half.rows()), looked_at, now=now, cadences=CADENCES)
    judged = set(calendar.dates[-corrected:])

    found = judge(observed, learn(observed, judged), judged, now=now, cadences={})

    assert ("volume", "fail", calendar.last) in {(one.rule, one.severity, one.day) for one in found if one.series == ED}


def test_an_odd_day_of_the_past_does_not_widen_what_is_usual(collect):
    odd = FIRST + timedelta(days=30)
    holed = QUIET.where(~QUIET.on(odd))

    clean, marked = (learn(figures(collect, told, 10)) for told in (QUIET, holed))

    number = clean.learned["volume"].block.series.index(ED)
    before, after = (found.learned["volume"] for found in (clean, marked))
    assert after.shared[number] == pytest.approx(before.shared[number], abs=0.01)
    assert after.limit[0, number] == pytest.approx(before.limit[0, number], rel=0.25)


def test_a_larger_budget_means_lower_limits(collect):
    observed = figures(collect, QUIET, 10)

    strict, loose = (learn(observed, budget=budget).learned["volume"].limit for budget in (0.01, 0.05))

    assert (loose < strict).all()


# --- What deviates ---


def doubled(told: Visits, day: date) -> Visits:
    twice = told.where(told.on(day))
    parts = {name: np.concatenate([getattr(told, name), getattr(twice, name)]) for name in vars(told)}
    return Visits(**parts)


def test_half_of_a_large_department_s_day_is_missed(collect):
    busy = visits(10, share=1.5)
    half = busy.where(~busy.on(LAST) | (np.arange(len(busy.minute)) % 2 == 0))

    found = [deviation for deviation in found_on(collect, half, LAST) if deviation.series == ED]

    (whole,) = [deviation for deviation in found if deviation.rule == "volume"]
    assert whole.observed == half.on(LAST).sum()
    assert whole.expected == pytest.approx(1.5 * HOURS.sum(), rel=0.1)
    assert whole.observed < whole.lower < whole.expected < whole.upper
    assert (whole.severity, whole.day) == ("fail", LAST)


def test_a_day_that_came_twice_is_too_much(collect):
    found = found_on(collect, doubled(QUIET, LAST), LAST)

    assert ("volume", "fail") in {(deviation.rule, deviation.severity) for deviation in found if deviation.series == ED}


def test_a_deviation_is_told_in_words(collect):
    silent = QUIET.where(~QUIET.on(LAST, 9, 21))

    sentences = [deviation.sentence for deviation in found_on(collect, silent, LAST) if deviation.series == ED]

    assert any("arrivals" in text and "expected" in text and "for a Thursday" in text for text in sentences)
    assert any("had no arrivals from Thursday 0" in text for text in sentences)


def test_hours_of_silence_by_day_are_told_and_as_many_by_night_are_not(collect):
    by_day, by_night = (QUIET.where(~QUIET.on(LAST, *hours)) for hours in ((10, 13), (2, 5)))

    assert "freshness" in {deviation.rule for deviation in found_on(collect, by_day, LAST)}
    assert found_on(collect, by_night, LAST) == ()


def test_a_fault_in_a_small_sector_is_told_of_that_sector(collect):
    small = visits(10, seed=5, share=0.3, sector="PED")
    empty = small.on(LAST) & (np.arange(len(small.minute)) % 2 == 0)
    small = replace(small, wait=np.where(empty, np.nan, small.wait))
    both = Visits(*(np.concatenate(pair) for pair in zip(vars(QUIET).values(), vars(small).values(), strict=True)))

    (found,) = found_on(collect, both, LAST)

    assert (found.rule, found.series.place, found.series.column) == ("nulls", "PED", "care_start")
    assert found.observed <= empty.sum()
    assert f"{found.observed:.0f} of " in found.sentence


def test_one_missing_value_alarms_nobody_however_rare(collect):
    first = np.flatnonzero(QUIET.on(LAST))[0]
    wait = QUIET.wait.copy()
    wait[first] = np.nan

    assert found_on(collect, replace(QUIET, wait=wait), LAST) == ()


@pytest.mark.parametrize("factor", [60, 1 / 60])
def test_a_mistaken_unit_is_told_by_the_waits(collect, factor):
    wrong = QUIET.on(LAST)
    wait, stay = (np.where(wrong, values * factor, values) for values in (QUIET.wait, QUIET.stay))

    found = found_on(collect, replace(QUIET, wait=wait, stay=stay), LAST)

    wait_of_ed = replace(ED, kind="mean", column="total_wait_min")
    (told,) = [one for one in found if one.series == wait_of_ed]
    assert (told.observed > told.upper) == (factor > 1)
    assert "Seconds and minutes may be mistaken." in told.sentence


# --- While the day goes on ---


def test_hours_that_have_not_settled_are_not_missed(collect):
    noon = day_start(LAST, ZONE) + timedelta(hours=12)
    so_far = QUIET.where(QUIET.minute < noon.timestamp() / 60 - 10)

    assert found_on(collect, so_far, LAST, now=noon, cadences=CADENCES) == ()


def test_looking_at_every_hour_finds_nothing_that_the_end_of_the_day_does_not(collect):
    faulty = QUIET.where(~QUIET.on(LAST, 9, 12))
    observed = figures(collect, faulty, 10)
    expectations = learn(observed, {LAST})
    at_last = {deviation.series for deviation in judge(observed, expectations, {LAST}, now=at_end(), cadences={})}

    seen = set()
    for hour in range(1, 24):
        now = day_start(LAST, ZONE) + timedelta(hours=hour)
        so_far = figures(collect, faulty.where(faulty.minute < now.timestamp() / 60), 10, now=now)
        seen |= {deviation.series for deviation in judge(so_far, expectations, {LAST}, now=now, cadences={})}

    assert ED in seen <= at_last


MORNING = day_start(LAST + timedelta(days=1), ZONE) + timedelta(hours=4)


def judged_on_the_morning(collect, told, delivered, now=MORNING):
    """Judge the last day of a feed whose file comes at four in the morning, and last came so many days before."""
    last = MORNING - timedelta(days=delivered)
    rhythms = {"flow": Rhythm(last, timedelta(days=1), timedelta(hours=25), timedelta(hours=4))}
    cadences = {"flow": Cadence(every_min=1440, late_after_min=720)}
    observed = tabulate(collect(told.rows()), days(10), now=now, cadences=cadences, rhythms=rhythms)
    return judge(observed, learn(observed, {LAST}), {LAST}, now=now, cadences=cadences, rhythms=rhythms)


def test_a_daily_file_that_ends_at_noon_is_told_on_the_morning_it_came(collect):
    whole = QUIET.where(QUIET.minute < day_start(LAST + timedelta(days=1), ZONE).timestamp() / 60)

    found = judged_on_the_morning(collect, whole.where(~whole.on(LAST, 12, 24)), delivered=0)

    assert ("volume", LAST) in {(one.rule, one.day) for one in found}
    assert judged_on_the_morning(collect, whole, delivered=0) == ()


def test_a_daily_file_that_did_not_come_is_missed_an_hour_later_and_not_before(collect):
    whole = QUIET.where(QUIET.minute < day_start(LAST, ZONE).timestamp() / 60)

    found = [judged_on_the_morning(collect, whole, 1, MORNING + timedelta(hours=hours)) for hours in (0, 2)]

    assert [[one.rule for one in of_hour] for of_hour in found] == [[], ["freshness"]]
    assert found[1][0].severity == "warn"


def at_end() -> datetime:
    return day_start(LAST, ZONE) + timedelta(days=4)


@pytest.mark.parametrize(("hours", "is_told"), [(23.5, False), (60, True)])
def test_values_are_not_missed_before_they_are_due(collect, hours, is_told):
    now = day_start(LAST, ZONE) + timedelta(hours=hours)
    wait = np.where(QUIET.on(LAST, 8, 20), np.nan, QUIET.wait)
    so_far = replace(QUIET, wait=wait).where(QUIET.minute < now.timestamp() / 60)

    found = found_on(collect, so_far, LAST, now=now)

    assert {(one.rule, one.series.column) for one in found} == ({("nulls", "care_start")} if is_told else set())


@pytest.mark.parametrize(
    ("newest_h", "now_h", "cadence", "is_silent"),
    [
        (12, 12.2, Cadence(every_min=15, late_after_min=600), False),
        (12, 15.5, Cadence(every_min=15, late_after_min=600), True),
        (12, 15.5, Cadence(every_min=1440, late_after_min=600), False),
        (2, 5.5, Cadence(every_min=15, late_after_min=600), False),
        (2, 5.5, Cadence(every_min=15, late_after_min=60), False),
    ],
    ids=["just told", "silent by day", "a daily feed", "a slow night", "a delivery of nothing new is not late"],
)
def test_a_feed_is_silent_when_too_much_was_expected_since(collect, newest_h, now_h, cadence, is_silent):
    start = day_start(LAST, ZONE)
    told = QUIET.where(QUIET.minute < (start + timedelta(hours=newest_h)).timestamp() / 60)
    now = start + timedelta(hours=now_h)

    found = found_on(collect, told, LAST, now=now, cadences={"flow": cadence})

    assert [deviation.series.place for deviation in found] == ["flow"] * is_silent
    assert all("Feed flow has told of no arrivals for" in deviation.sentence for deviation in found)


def test_expectations_know_their_days(collect):
    expectations: Expectations = learn(figures(collect, QUIET, 10), {LAST})

    assert expectations.days.dates[0] == FIRST
    assert expectations.weeks[ED] == 9


def test_what_a_feed_s_only_sector_tells_is_told_once(collect):
    silent = QUIET.where(~QUIET.on(LAST, 9, 21))

    told = [deviation.series.place for deviation in found_on(collect, silent, LAST) if deviation.rule == "volume"]

    assert told == ["ED"]


@pytest.mark.slow
def test_the_budget_holds_over_half_a_year_and_days_of_silence_are_found(collect):
    told = visits(40, seed=11)
    alarms, found = 0, 0
    judged = range(112, 40 * 7 - 2, 5)
    for number in judged:
        day = FIRST + timedelta(days=number)
        weeks = number // 7 + 1
        so_far = told.where(told.minute < (day_start(day, ZONE) + timedelta(days=1)).timestamp() / 60)
        alarms += bool(found_on(collect, so_far, day, weeks=weeks))
        found += bool(found_on(collect, so_far.where(~so_far.on(day, 10, 15)), day, weeks=weeks))

    assert alarms <= 2  # of 34 days: two in a hundred is the budget
    assert found >= len(judged) - 2
