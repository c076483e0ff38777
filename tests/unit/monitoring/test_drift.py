from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from healthcare_ops.monitoring.drift import DriftWatch, find_drift
from healthcare_ops.monitoring.hours import HospitalHours, SectorHours
from healthcare_ops.monitoring.verdict import Finding, KnownFault


def until(hours: HospitalHours, day: int) -> HospitalHours:
    """Return the hours as they are known at the end of a day."""
    keep = hours.day <= day
    sectors = [
        replace(
            sector,
            arrivals=sector.arrivals[keep],
            waits_min=None if sector.waits_min is None else sector.waits_min[keep],
            occupancy=None if sector.occupancy is None else sector.occupancy[keep],
        )
        for sector in hours.sectors
    ]
    return replace(
        hours, day=hours.day[keep], hour=hours.hour[keep], day_type=hours.day_type[keep], sectors=tuple(sectors)
    )


def with_sector(hours: HospitalHours, **columns) -> HospitalHours:
    return replace(hours, sectors=(replace(hours.sectors[0], **columns), *hours.sectors[1:]))


def found(verdict, kind, sector_id="ED"):
    (finding,) = [f for f in verdict.findings if (f.kind, f.sector_id) == (kind, sector_id)]
    return finding


def test_a_hospital_that_goes_on_as_it_was_trained_on_has_no_drift(make_hospital):
    verdict = find_drift(make_hospital(days=28))

    assert (verdict.kind, verdict.findings, verdict.may_retrain) == ("none", (), True)


@pytest.mark.parametrize(
    ("change", "kind", "size", "off"),
    [
        ({"factor": 1.2}, "arrivals", 0.2, 0.08),
        ({"factor": 0.8}, "arrivals", -0.2, 0.08),
        ({"later_h": 2}, "peak", 2.0, 0.5),
        ({"later_h": -2}, "peak", -2.0, 0.5),
        ({"slower": 2.0}, "wait", 1.0, 0.2),
        ({"slower": 0.5}, "wait", -0.5, 0.1),
    ],
)
def test_a_change_is_found_with_its_direction_size_and_first_day(make_hospital, day_of, change, kind, size, off):
    verdict = find_drift(make_hospital(**change))

    finding = found(verdict, kind)
    assert (verdict.kind, verdict.may_retrain, finding.cause) == ("real_change", True, "real_change")
    assert finding.size == pytest.approx(size, abs=off)
    assert abs(finding.since - day_of(7)) <= timedelta(days=2)
    assert day_of(7) < finding.seen_on <= finding.until == day_of(13)


@pytest.mark.parametrize(
    ("kind", "sector_id", "size", "words"),
    [
        ("arrivals", "ED", 0.21, "arrivals of ED +21% since 2026-03-12"),
        ("wait", "PED", -0.5, "waits of PED -50% since 2026-03-12"),
        ("peak", "ED", 2.04, "peak of the day of ED 2.0 h later since 2026-03-12"),
        ("peak", "", -1.5, "peak of the day of all sectors 1.5 h earlier since 2026-03-12"),
        ("spread", "ED", 0.41, "hours of ED otherwise than learnt (PSI 0.41) since 2026-03-12"),
    ],
)
def test_a_finding_says_what_changed_in_words(kind, sector_id, size, words):
    day = date(2026, 3, 12)

    finding = Finding(kind, sector_id, size, 1.0, 1.0, day, day, day, "real_change")

    assert finding.sentence == words


def test_a_peak_that_moved_is_told_once(make_hospital):
    verdict = find_drift(make_hospital(later_h=-2))

    assert [finding.kind for finding in verdict.findings] == ["peak"]


def test_the_change_that_is_largest_beside_what_is_worth_finding_comes_first(make_hospital):
    verdict = find_drift(make_hospital(factor=1.8, slower=1.9))

    sizes = [finding.times_worth for finding in verdict.findings]
    assert verdict.findings[0].kind == "arrivals"
    assert sizes == sorted(sizes, reverse=True)
    assert "wait" in {finding.kind for finding in verdict.findings}


def test_one_wild_day_is_no_drift(make_hospital):
    hours = make_hospital()
    is_wild = hours.day == hours.day[-1] - 3

    verdicts = DriftWatch(with_sector(hours, arrivals=hours.sectors[0].arrivals * np.where(is_wild, 4.0, 1.0)))

    assert {verdicts.on(int(day)).kind for day in range(int(hours.day[-1]) - 4, int(hours.day[-1]) - 2)} == {"none"}


def test_a_change_of_one_sector_is_told_of_that_sector_alone(make_hospital):
    verdict = find_drift(make_hospital(sectors=("ED", "PED", "OBS"), changed=("PED",), factor=1.5))

    assert {f.sector_id for f in verdict.findings if f.kind == "arrivals"} <= {"PED", ""}
    assert found(verdict, "arrivals", "PED").size == pytest.approx(0.5, abs=0.1)


def test_a_fifth_more_in_each_of_six_sectors_is_told_of_all_together(make_hospital):
    sectors = tuple(f"ED{number}" for number in range(6))

    verdict = find_drift(make_hospital(per_hour=2.0, sectors=sectors, factor=1.2, days=14))

    assert [(f.kind, f.sector_id) for f in verdict.findings] == [("arrivals", "")]
    assert found(verdict, "arrivals", "").size == pytest.approx(0.2, abs=0.08)


def test_what_a_busy_day_explains_of_waits_is_not_told_of_the_waits(make_hospital):
    hours = make_hospital(days=28, season=1 + 0.25 * np.sin(np.arange(400) * 1.7))
    of_day = hours.totals(hours.sectors[0].arrivals).sum(axis=1)
    load = np.repeat(of_day / of_day.mean(), 24)

    verdict = find_drift(with_sector(hours, waits_min=hours.sectors[0].waits_min * load**2))

    assert [finding for finding in verdict.findings if finding.kind == "wait"] == []


def test_holidays_say_nothing(make_hospital):
    holidays = tuple(range(7, 14))

    verdict = find_drift(make_hospital(factor=0.4, holidays=holidays))

    assert verdict.kind == "none"


def test_hours_of_a_day_that_lost_or_repeated_one_are_no_drift(make_hospital):
    hours = make_hospital(days=21)
    keep = ~((hours.day == hours.day[-1] - 3) & (hours.hour == 2))
    twice = np.repeat(np.arange(len(keep)), np.where((hours.day == hours.day[-1] - 10) & (hours.hour == 1), 2, keep))
    sector = hours.sectors[0]
    columns = [column[twice] for column in (sector.arrivals, sector.waits_min, sector.occupancy)]
    changed = replace(
        hours,
        day=hours.day[twice],
        hour=hours.hour[twice],
        day_type=hours.day_type[twice],
        sectors=(type(sector)("ED", *columns),),
    )

    assert find_drift(changed).kind == "none"


def test_a_day_is_judged_without_what_comes_after_it(make_hospital):
    hours = make_hospital(days=20, factor=1.3, later_h=1)
    watch = DriftWatch(hours)

    for day in range(int(hours.day[-1]) - 14, int(hours.day[-1]) + 1, 3):
        assert watch.on(day) == find_drift(until(hours, day))


def test_the_same_hours_give_the_same_verdict(make_hospital):
    once, again = (find_drift(make_hospital(factor=1.3)) for _ in range(2))

    assert once == again


def test_a_day_of_the_training_is_not_judged(make_hospital):
    hours = make_hospital()

    with pytest.raises(ValueError, match="not a day since the training"):
        DriftWatch(hours).on(hours.first_day - 1)


def test_a_sector_without_arrivals_or_without_any_known_hour_says_nothing(make_hospital):
    hours = make_hospital(days=35)
    nothing = np.zeros(len(hours.day))
    unknown = np.full(len(hours.day), np.nan)

    others = (SectorHours("CLOSED", nothing, unknown, nothing), SectorHours("NEW", unknown, unknown, unknown))
    verdict = find_drift(replace(hours, sectors=(*hours.sectors, *others)))

    assert verdict.findings == ()


def test_three_weeks_of_training_are_too_few_to_speak_of_drift(make_hospital):
    verdict = find_drift(make_hospital(trained_days=21, factor=1.5))

    assert verdict.kind == "none"


# Faults of the data


@pytest.mark.parametrize("clock_h", [3, -3])
def test_a_clock_that_is_three_hours_off_is_a_fault_and_never_a_reason_to_train(make_hospital, clock_h):
    verdict = find_drift(make_hospital(clock_h=clock_h))

    assert (verdict.kind, verdict.may_retrain) == ("data_fault", False)
    assert f"{clock_h:+d} h" in verdict.reason


def test_people_who_come_three_hours_later_and_meet_the_same_roster_are_a_real_change(make_hospital):
    verdict = find_drift(make_hospital(later_h=3, per_hour=20))

    assert (verdict.kind, verdict.may_retrain) == ("real_change", True)
    assert "waits kept their hours" in found(verdict, "peak").because


def test_arrivals_that_move_without_the_patients_in_the_house_are_a_fault(make_hospital):
    moved, usual = make_hospital(clock_h=3), make_hospital()

    verdict = find_drift(with_sector(moved, occupancy=usual.sectors[0].occupancy))

    assert (verdict.kind, verdict.may_retrain) == ("data_fault", False)
    assert "patients in the house did not" in verdict.reason


def test_sectors_that_disagree_do_not_have_one_wrong_clock(make_hospital):
    verdict = find_drift(make_hospital(sectors=("ED", "PED"), changed=("PED",), later_h=3))

    assert verdict.kind == "real_change"


def test_a_change_that_a_known_fault_covers_is_that_fault(make_hospital, day_of):
    fault = KnownFault("events", day_of(7), None, "a fifth of the records came twice")

    verdict = find_drift(make_hospital(factor=1.2), [fault])

    assert (verdict.kind, verdict.may_retrain) == ("data_fault", False)
    assert verdict.reason == "the data are at fault: events: a fifth of the records came twice"


def test_a_fault_of_another_sector_or_of_other_days_explains_nothing(make_hospital, day_of):
    faults = [
        KnownFault("events", day_of(7), day_of(13), "late", frozenset({"PED"})),
        KnownFault("events", day_of(0), day_of(3), "late"),
    ]

    verdict = find_drift(make_hospital(factor=1.3), faults)

    assert verdict.kind == "real_change"


def test_a_change_that_stays_when_the_faulty_days_are_left_out_is_real(make_hospital, day_of):
    fault = KnownFault("events", day_of(10), day_of(11), "half a day is missing")

    verdict = find_drift(make_hospital(factor=1.5, days=21), [fault])

    assert (verdict.kind, verdict.may_retrain) == ("real_change", True)


def test_while_a_fault_is_open_no_training_starts_even_if_the_change_is_real(make_hospital, day_of):
    fault = KnownFault("events", day_of(20), None, "the feed is late")

    verdict = find_drift(make_hospital(factor=1.5, days=21), [fault])

    assert (verdict.kind, verdict.may_retrain) == ("real_change", False)
    assert "the feed is late" in verdict.reason


def test_a_silent_feed_is_a_fault_and_not_an_empty_hospital(make_hospital):
    hours = make_hospital()
    silent = hours.day >= hours.day[-1] - 1

    verdict = find_drift(with_sector(hours, arrivals=np.where(silent, 0.0, hours.sectors[0].arrivals)))

    assert (verdict.kind, verdict.may_retrain) == ("data_fault", False)
    assert "the feed is silent" in verdict.reason


def test_a_sector_that_closes_while_others_go_on_is_a_real_change(make_hospital):
    verdict = find_drift(make_hospital(sectors=("ED", "PED"), changed=("PED",), factor=0.0))

    assert verdict.kind == "real_change"
    assert found(verdict, "arrivals", "PED").size == -1.0


# Seasons


def surge(days: int, *firsts: int, factor: float = 1.4) -> np.ndarray:
    level = np.ones(days)
    for first in firsts:
        level[first : first + 28] = factor
    return level


def test_what_the_weeks_of_the_year_before_had_as_well_is_season(make_hospital):
    hours = make_hospital(trained_days=392, days=28, season=surge(420, 35, 399))

    verdict = find_drift(hours)

    assert (verdict.kind, verdict.may_retrain) == ("season", True)
    assert "as well" in found(verdict, "arrivals").because


def test_what_the_year_before_did_not_have_is_no_season(make_hospital):
    verdict = find_drift(make_hospital(trained_days=392, days=28, season=surge(420, 399)))

    assert verdict.kind == "real_change"


def test_a_season_that_the_model_expects_is_season(make_hospital):
    season = np.concatenate([np.ones(182), np.linspace(1, 1.5, 35)])

    verdict = find_drift(make_hospital(days=35, season=season, is_expected=True))

    assert verdict.kind == "season"
    assert found(verdict, "arrivals").cause == "season"


def test_a_season_that_the_model_does_not_expect_is_a_change(make_hospital):
    season = np.concatenate([np.ones(182), np.linspace(1, 1.5, 35)])

    verdict = find_drift(make_hospital(days=35, season=season))

    assert verdict.kind == "real_change"
