"""One thing that broke is told once, with what follows from it; two stay two."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.pipeline.quality.report.causes import with_causes
from healthcare_ops.pipeline.quality.wording.findings import sentence_of
from unit.pipeline.quality.wording.sections import clock, feed, figure, refused, rule_of, shift

ZONE = ZoneInfo("America/Sao_Paulo")
ARRIVALS, RECORDS = "silver.encounters", "ops.batch_accounts"
DAY = ("2026-03-07T00:00:00", "2026-03-08T00:00:00")
AFTERNOON = ("2026-03-07T14:00:00", "2026-03-07T20:00:00")


def odd(rule, place, hours, observed, expected, lower=None, *, upper=None, **different):
    """Return a figure of a place, which is a feed if its name is small; half and double are usual if not said."""
    by = "feed_id" if place.islower() else "sector_id"
    limits = {"lower": expected / 2 if lower is None else lower, "upper": expected * 2 if upper is None else upper}
    start, end = hours
    table = different.pop("table", ARRIVALS)
    name = f"expected.{rule}.{table}.{place}"
    about = {"rule_id": name, "by": by, "place": place, "start": start, "end": end, "day": start[:10]}
    numbers = {"observed": float(observed), "expected": float(expected)} | limits
    return figure(rule, table, **(about | numbers | {"sentence": f"{rule} of {place}"} | different))


def silent(place, hours, expected, upper=10.0):
    return odd("freshness", place, hours, 0.0, expected, 0.0, upper=upper)


def report(*expectations, clocks=(), shifts=(), feeds=None, rules=(), contributions=None):
    return {
        "rules": list(rules),
        "expectations": list(expectations),
        "clocks": [one | {"sentence": "a clock"} for one in clocks],
        "shifts": [one | {"sentence": "a shift"} for one in shifts],
        "feeds": [feed()] if feeds is None else feeds,
        "contributions": contributions or {},
    }


def feed_with_refused(name="visits-2026-03-07.csv", at="2026-03-08T07:05:00+00:00", feed_id="visits"):
    delay = feed()["delay"] | {"late_after_min": 1680}
    return feed(feed_id, refused_files=[refused() | {"source_file": name, "refused_at": at}], delay=delay)


def told(document, feeds_of=None):
    """Return what each cause explains, by its name, the gravest first."""
    found = with_causes(document, ZONE, feeds_of)
    return {cause["cause_id"]: cause["explains"] for cause in found["causes"]}


def test_of_a_feed_of_many_files_a_day_each_can_have_told_of_its_part_of_the_day_that_it_names():
    # Late after three hours, and a file every quarter of an hour: one is a ninety-sixth of the day.
    delay = feed()["delay"] | {"late_after_min": 180, "every_min": 15}
    file = refused() | {"source_file": "visits-2026-03-07.csv", "refused_at": "2026-03-10T07:05:00+00:00"}
    tenth = odd("volume", "ED", DAY, 90, 100, 91)

    document = report(tenth, feeds=[feed(refused_files=[file], delay=delay)])

    assert told(document)["refused.visits"] == []


def test_a_refused_file_explains_the_rows_that_its_feed_and_the_sectors_miss_and_values_that_come_later():
    evening = ("2026-03-06T15:00:00", "2026-03-06T23:00:00")
    late = odd("nulls", "PS", evening, 9, 0.2, 0.0, column="discharge_time", rows=25.0, due_h=24.0)
    figures = [
        odd("volume", "visits", DAY, 13, 115, verdict="fail"),
        odd("volume", "visits", DAY, 13, 115, table=RECORDS),
        silent("visits", AFTERNOON, 21),
        odd("volume", "PS", AFTERNOON, 6, 50, verdict="fail"),
        silent("PED", AFTERNOON, 15),
        late,
    ]

    found = with_causes(report(*figures, feeds=[feed_with_refused()]), ZONE)

    (cause,) = found["causes"]
    assert (cause["cause_id"], cause["kind"], cause["verdict"]) == ("refused.visits", "refused", "fail")
    assert cause["explains"] == sorted({one["rule_id"] for one in figures})
    assert {one["explained_by"] for one in found["expectations"]} == {"refused.visits"}
    assert (cause["missing_arrivals"], cause["missing_h"], cause["since"]) == (102, 24.0, DAY[0])
    assert cause["diagnosis"] == "About 102 arrivals are missing, in 24 h. 6 more findings follow from it."
    assert "for visits-2026-03-07.csv again" in cause["next_step"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(silent("PED", ("2026-03-05T14:00:00", "2026-03-05T20:00:00"), 15), id="another day"),
        pytest.param(
            silent("PED", ("2026-03-05T08:00:00", "2026-03-07T08:00:00"), 70), id="a silence far longer than the file"
        ),
        pytest.param(odd("volume", "PED", DAY, 90, 40), id="too many"),
        pytest.param(odd("mean", "PED", DAY, 90, 40, column="los_min"), id="a mean"),
        pytest.param(odd("nulls", "PED", DAY, 9, 1, column="triage_level"), id="values that come at once"),
    ],
)
def test_what_a_refused_file_does_not_explain_stays_a_cause_of_its_own(other):
    found = told(report(other, feeds=[feed_with_refused()]))

    assert found == {"refused.visits": [], other["rule_id"]: []}


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("a.csv", "2026-03-08T07:05:00+00:00"),  # by when it came
        ("20260308.csv", "2026-03-08T07:05:00+00:00"),  # by the day of the delivery
        ("2026-03-07.csv", "2026-03-10T03:00:00+00:00"),  # of an hourly feed that catches up
        ("20260308T0700Z.csv", "2026-03-08T07:05:00+00:00"),
        ("20260307T1500Z.csv", "2026-07-01T07:05:00+00:00"),
        ("v_2026_03_07.csv.gz", "2026-07-01T07:05:00+00:00"),  # of a past that was loaded long after, by its name
    ],
)
def test_which_hours_a_refused_file_told_of_is_known_by_when_it_came_or_by_its_name(name, at):
    figure = odd("volume", "PS", AFTERNOON, 0, 50)

    assert told(report(figure, feeds=[feed_with_refused(name, at)])) == {"refused.visits": [figure["rule_id"]]}


@pytest.mark.parametrize(
    ("refused_files", "is_explained"),
    [pytest.param(1, False, id="one correction"), pytest.param(96, True, id="all of the day")],
)
def test_a_file_of_many_a_day_that_only_names_its_day_explains_no_more_than_its_part_of_it(refused_files, is_explained):
    silence = silent("PS", ("2026-03-06T14:00:00", "2026-03-07T10:00:00"), 70)
    delay = feed()["delay"] | {"late_after_min": 45}
    at = "2026-07-01T07:05:00+00:00"
    files = [
        refused() | {"source_file": f"20260307_{number}a.csv", "refused_at": at} for number in range(refused_files)
    ]

    found = with_causes(report(silence, feeds=[feed(refused_files=files, delay=delay)]), ZONE)

    assert ("explained_by" in found["expectations"][0]) is is_explained


@pytest.mark.parametrize("name", ["a.csv", "20260230.csv", "2026-03-05.csv", "120260307.csv"])
def test_a_file_that_came_long_after_and_does_not_name_the_day_explains_nothing_of_it(name):
    figure = odd("volume", "PS", AFTERNOON, 0, 50)

    found = told(report(figure, feeds=[feed_with_refused(name, "2026-07-01T07:05:00+00:00")]))

    assert found == {"refused.visits": [], figure["rule_id"]: []}


def test_a_wrong_clock_explains_hours_with_too_few_and_too_many_odd_means_and_a_feed_that_disagrees_by_as_much():
    figures = [
        odd("volume", "visits", ("2026-03-07T08:00:00", "2026-03-07T11:00:00"), 3, 20),
        odd("volume", "PS", ("2026-03-07T20:00:00", "2026-03-07T23:00:00"), 30, 10),
        odd("mean", "PS", AFTERNOON, 90, 40, column="total_wait_min"),
        silent("visits", ("2026-03-07T05:00:00", "2026-03-07T10:00:00"), 14),
    ]
    # The first feed is 3 h behind, so that the second seems 3 h ahead.
    other = shift(feed_id="visits", other_feed_id="work", offset_h=3.0)

    found = told(
        report(*figures, clocks=[clock()], shifts=[other], feeds=[feed(), feed("work")]), {"PS": {"visits": 1.0}}
    )

    assert found == {"clock.visits": sorted(["clock.flow.visits", *(one["rule_id"] for one in figures)])}


@pytest.mark.parametrize(
    ("figures", "shifts"),
    [
        pytest.param([odd("volume", "PS", DAY, 0, 60)], [], id="a sector without anybody all day"),
        pytest.param(
            [odd("volume", "PS", ("2026-03-09T08:00:00", "2026-03-09T14:00:00"), 0, 20)], [], id="a later day"
        ),
        pytest.param([odd("nulls", "PS", AFTERNOON, 9, 1, column="triage_level")], [], id="missing values"),
        pytest.param([], [shift(feed_id="visits", other_feed_id="work", offset_h=1.0)], id="another offset"),
        pytest.param([], [shift(feed_id="flow", other_feed_id="work", offset_h=-3.0)], id="two other feeds"),
    ],
)
def test_what_a_wrong_clock_cannot_have_moved_stays_a_cause_of_its_own(figures, shifts):
    found = told(report(*figures, clocks=[clock()], shifts=shifts))

    assert len(found) == 2
    assert found["clock.visits"] == []


@pytest.mark.parametrize(
    ("observed", "expected", "column", "feeds"),
    [
        pytest.param(90, 40, "total_wait_min", [feed()], id="a feed that tells of both ends of the wait"),
        pytest.param(230, 40, "total_wait_min", [feed(), feed("lab")], id="by more than the clock is wrong"),
        pytest.param(2, 40, "los_min", [feed(), feed("lab")], id="hours for minutes"),
        pytest.param(5, 3, "triage_level", [feed(), feed("lab")], id="no minutes"),
    ],
)
def test_a_mean_that_a_wrong_clock_cannot_have_moved_stays_a_cause_of_its_own(observed, expected, column, feeds):
    mean = odd("mean", "PS", AFTERNOON, observed, expected, column=column)

    found = told(report(mean, clocks=[clock()], feeds=feeds), {"PS": {"visits": 1.0}})

    assert found == {"clock.visits": [], mean["rule_id"]: []}


def test_one_lost_hour_does_not_explain_a_clock_that_is_an_hour_behind_all_week():
    delay = feed()["delay"] | {"late_after_min": 60}
    hourly = feed(refused_files=[refused() | {"refused_at": "2026-03-07T18:00:00+00:00"}], delay=delay)
    behind = clock(witness="hours", verdict="warn", offset_h=-1.0, window_days=7)

    assert told(report(clocks=[behind], feeds=[hourly])) == {"refused.visits": [], "clock.visits": []}


def test_hours_that_are_empty_explain_a_clock_of_which_only_the_hours_speak():
    silence = silent("visits", AFTERNOON, 21)

    found = told(report(silence, clocks=[clock(witness="hours", verdict="warn")]))

    assert found == {silence["rule_id"]: ["clock.visits"]}


def test_records_that_came_before_their_times_are_of_a_wrong_clock_however_many_hours_are_empty():
    silence = silent("visits", ("2026-03-07T03:00:00", "2026-03-07T09:00:00"), 43)
    ahead = clock(witness="hours", verdict="warn", offset_h=3.0, lag_q05_h=-2.9)

    found = told(report(silence, clocks=[ahead]))

    assert next(iter(found)) == "clock.visits"


def test_where_other_hours_are_too_full_the_clock_explains_the_empty_ones():
    silence = silent("visits", ("2026-03-07T05:00:00", "2026-03-07T10:00:00"), 14)
    crowd = odd("volume", "visits", ("2026-03-07T20:00:00", "2026-03-07T23:00:00"), 30, 10)

    found = told(report(silence, crowd, clocks=[clock(witness="hours", verdict="warn")]))

    assert found == {"clock.visits": sorted([silence["rule_id"], crowd["rule_id"]])}


def test_a_feed_that_is_silent_is_one_cause_with_its_own_figures_and_its_sectors():
    silence, few = silent("visits", AFTERNOON, 21), odd("volume", "visits", DAY, 30, 115)
    sectors = [silent("PED", AFTERNOON, 15), odd("volume", "PS", AFTERNOON, 1, 12)]

    found = with_causes(report(few, silence, *sectors), ZONE)

    (cause,) = found["causes"]
    assert (cause["cause_id"], cause["kind"]) == (silence["rule_id"], "loss")
    assert cause["findings"] == sorted([silence["rule_id"], few["rule_id"]])
    assert cause["explains"] == sorted(one["rule_id"] for one in sectors)


def test_a_feed_that_was_cut_explains_sectors_that_were_cut_alike_and_none_that_is_empty():
    cut, alike, empty = (
        odd("volume", "visits", DAY, 50, 100),
        odd("volume", "PS", DAY, 28, 60, 35),
        odd("volume", "PED", DAY, 0, 20),
    )

    found = told(report(cut, alike, empty))

    assert found == {cut["rule_id"]: [alike["rule_id"]], empty["rule_id"]: []}


def test_a_sector_that_misses_all_that_its_feed_misses_is_the_cause():
    of_feed, of_sector = odd("volume", "visits", DAY, 55, 100, 60), odd("volume", "PS", DAY, 5, 48)

    assert told(report(of_feed, of_sector)) == {of_sector["rule_id"]: [of_feed["rule_id"]]}


@pytest.mark.parametrize(
    "of_feed",
    [
        pytest.param(silent("visits", ("2026-03-07T20:00:00", "2026-03-08T20:00:00"), 100), id="hours long after"),
        pytest.param(odd("volume", "visits", DAY, 10, 60, table=RECORDS), id="rows of another table"),
        pytest.param(odd("volume", "visits", DAY, 10, 100), id="far more"),
    ],
)
def test_a_sector_does_not_explain_what_its_feed_misses_elsewhere(of_feed):
    of_sector = odd(
        "volume",
        "PS",
        ("2026-03-07T18:00:00", "2026-03-07T21:00:00"),
        0,
        85 if "freshness" in of_feed["rule_id"] else 60,
    )

    found = with_causes(report(of_feed, of_sector), ZONE)["expectations"]

    assert "explained_by" not in found[0]


def test_a_sector_explains_records_of_its_feed_that_are_missing_as_arrivals_are_and_not_more():
    of_feed, of_sector = odd("volume", "visits", DAY, 55, 100, 60), odd("volume", "PS", DAY, 5, 48)
    alike, fewer = (odd("volume", "visits", DAY, observed, 300, 200, table=RECORDS) for observed in (160, 10))

    assert told(report(of_feed, of_sector, alike))[of_sector["rule_id"]] == [alike["rule_id"], of_feed["rule_id"]]
    assert told(report(of_feed, of_sector, fewer))[of_sector["rule_id"]] == [of_feed["rule_id"]]


def test_a_feed_that_came_twice_explains_sectors_that_did():
    twice, sector = odd("volume", "visits", DAY, 210, 100, upper=150.0), odd("volume", "PS", DAY, 125, 60)

    found = with_causes(report(twice, sector), ZONE)

    assert [(one["kind"], one["explains"], one["missing_arrivals"]) for one in found["causes"]] == [
        ("excess", [sector["rule_id"]], None)
    ]


@pytest.mark.parametrize(
    ("feeds_of", "explained"),
    [
        ({"PS": {"visits": 1.0}}, ["expected.volume.silver.encounters.PS"]),
        ({"PS": {"lab": 1.0}}, []),
        (None, []),
    ],
)
def test_of_several_feeds_one_explains_only_the_sectors_that_it_tells_of(feeds_of, explained):
    found = told(report(odd("volume", "PS", AFTERNOON, 6, 50), feeds=[feed_with_refused(), feed("lab")]), feeds_of)

    assert found["refused.visits"] == explained


def test_a_broken_rule_is_a_cause_of_the_feeds_whose_rows_break_it_since_the_first_run_in_a_row():
    runs = [("2026-03-06", "warn"), ("2026-03-05", "warn"), ("2026-03-04", "pass"), ("2026-03-03", "warn")]
    trend = [{"as_of": f"{day}T15:00:00+00:00", "verdict": verdict} for day, verdict in runs]
    places = [
        {"feed_id": feed_id, "sector_id": "PS", "checked": 9, "violations": count}
        for feed_id, count in (("lab", 1), ("visits", 3))
    ]
    rule = rule_of("beds are known", "Ask the lab.", 1) | {"trend": trend, "places": places}

    (cause,) = with_causes(report(rules=[rule]), ZONE)["causes"]

    assert (cause["kind"], cause["feed_ids"], cause["since"]) == ("rule", ["visits", "lab"], "2026-03-05T12:00:00")
    assert cause["sentence"] == "4 of 10 rows of silver.encounters break the rule: beds are known"
    assert cause["next_step"] == "Ask the lab."


def test_the_gravest_cause_is_told_first_by_verdict_and_then_by_all_points_that_follow():
    figures = [
        odd("volume", "PS", AFTERNOON, 6, 50),
        odd("nulls", "PED", DAY, 9, 1, column="triage_level"),
        odd("nulls", "OBS", DAY, 9, 1, column="triage_level", verdict="fail"),
    ]
    points = dict(zip([one["rule_id"] for one in figures], (11.0, 15.0, 5.0), strict=True)) | {"refused.visits": 10.0}

    found = with_causes(report(*figures, feeds=[feed_with_refused()], contributions=points), ZONE)

    assert [(one["cause_id"].rpartition(".")[2], one["points"]) for one in found["causes"]] == [
        ("OBS", 5.0),
        ("visits", 21.0),
        ("PED", 15.0),
    ]


def test_a_report_without_a_finding_has_no_cause():
    assert with_causes(report(), ZONE)["causes"] == []


PLACES = st.sampled_from(["visits", "lab", "PS", "PED"])
HOURS = st.tuples(st.integers(0, 60), st.sampled_from([1, 3, 6, 24])).map(
    lambda given: (f"2026-03-{5 + given[0] // 24:02d}T{given[0] % 24:02d}:00:00", given[1])
)


def figures():
    def made(place, rule, hours, observed, verdict):
        start, length = hours
        day, hour = int(start[8:10]), int(start[11:13]) + length
        end = f"2026-03-{day + hour // 24:02d}T{hour % 24:02d}:00:00"
        seen = 0.0 if rule == "freshness" else observed
        return odd(rule, place, (start, end), seen, 40, column="los_min", rows=50.0, due_h=24.0, verdict=verdict)

    rules = st.sampled_from(["volume", "freshness", "nulls", "mean"])
    return st.builds(made, PLACES, rules, HOURS, st.floats(0, 200), st.sampled_from(["warn", "fail"]))


def clocks():
    return st.builds(
        lambda feed_id, offset, witness: clock(
            feed_id=feed_id, rule_id=f"clock.{feed_id}", offset_h=offset, witness=witness, verdict="warn"
        ),
        st.sampled_from(["visits", "lab"]),
        st.sampled_from([-3.0, 1.0, 3.0]),
        st.sampled_from(["both", "lag", "hours"]),
    )


@given(
    found=st.lists(figures(), max_size=10),
    wrong=st.lists(clocks(), max_size=2),
    disagree=st.lists(st.builds(shift, offset_h=st.sampled_from([3.0, -3.0])), max_size=1),
    is_refused=st.booleans(),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_every_finding_is_told_by_one_cause_which_is_as_grave_and_no_point_is_lost_or_counted_twice(
    found, wrong, disagree, is_refused
):
    feeds = [feed_with_refused() if is_refused else feed(), feed("lab")]
    names = {one["rule_id"] for one in (*found, *wrong, *disagree)} | ({"refused.visits"} if is_refused else set())
    points = {name: float(number + 1) for number, name in enumerate(sorted(names))}
    before = report(*found, clocks=wrong, shifts=disagree, feeds=feeds, contributions=points)

    after = with_causes(before, ZONE, {"PS": {"visits": 1.0}, "PED": {"visits": 0.5, "lab": 0.5}})

    causes = {cause["cause_id"]: cause for cause in after["causes"]}
    assert len(causes) == len(after["causes"])
    for name in ("expectations", "clocks", "shifts"):
        kept = [{key: value for key, value in one.items() if key != "explained_by"} for one in after[name]]
        assert kept == before[name]
        for one in after[name]:
            if by := one.get("explained_by"):
                told_by = [causes[by]] if one["rule_id"] in causes[by]["explains"] else []
            else:
                told_by = [cause for cause in after["causes"] if one["rule_id"] in cause["findings"]]
            assert len(told_by) == 1
            assert told_by[0]["verdict"] == "fail" or one["verdict"] != "fail"
    assert sum(cause["points"] for cause in after["causes"]) == sum(points.values())


def test_a_cause_is_told_by_the_finding_that_stops_gold_with_how_a_person_accepts_it():
    silence, few = silent("visits", AFTERNOON, 21), odd("volume", "visits", DAY, 30, 115, verdict="fail")

    (cause,) = with_causes(report(silence, few), ZONE)["causes"]

    assert (cause["cause_id"], cause["verdict"]) == (few["rule_id"], "fail")
    assert cause["next_step"].endswith(f"`hops dq accept {few['rule_id']} --day 2026-03-07 --by NAME --reason WHY`.")


def test_a_refused_file_that_somebody_took_back_explains_nothing():
    taken_back = feed_with_refused()
    taken_back["refused_files"][0]["accepted"] = {"by": "Ana", "at": "2026-03-08T09:00:00+00:00", "reason": "a test"}
    figure_of_sector = odd("volume", "PS", AFTERNOON, 6, 50)

    assert told(report(figure_of_sector, feeds=[taken_back])) == {figure_of_sector["rule_id"]: []}


@pytest.mark.parametrize(
    ("days", "more"),
    [
        (["2026-03-07"], ""),
        (["2026-03-07", "2026-03-06"], "; more days of it: 1"),
        (["2026-03-07", "2026-03-06", "2026-03-05"], "; more days of it: 2"),
    ],
)
def test_a_cause_says_on_how_many_more_days_it_is_so(days, more):
    (cause,) = with_causes(report(clocks=[clock(day=day) for day in days]), ZONE)["causes"]

    assert cause["sentence"] == sentence_of(clock()).rstrip(".") + more if more else sentence_of(clock())


ACCEPTED = {"by": "Ana", "at": "2026-03-08T09:00:00+00:00", "reason": "a test", "verdict": "fail"}


@pytest.mark.parametrize(
    ("cause", "clocks", "shifts"),
    [
        pytest.param([], [clock(verdict="warn", accepted=ACCEPTED)], [], id="a clock"),
        pytest.param([], [], [shift(verdict="warn", feed_id="lab", accepted=ACCEPTED)], id="two clocks"),
        pytest.param([silent("visits", AFTERNOON, 21) | {"accepted": ACCEPTED}], [], [], id="a silence"),
    ],
)
def test_what_somebody_accepted_explains_nothing_and_nothing_is_to_be_done_about_it(cause, clocks, shifts):
    figure = odd("volume", "PS", AFTERNOON, 6, 10, upper=150.0, lower=8.0)
    document = report(*cause, figure, clocks=clocks, shifts=shifts, feeds=[feed(), feed("lab")])

    found = with_causes(document, ZONE, {"PS": {"visits": 1.0}})["causes"]

    assert [one["explains"] for one in found] == [[], []]
    steps = {one["cause_id"]: one["next_step"] for one in found}
    assert steps.pop(figure["rule_id"])
    assert list(steps.values()) == [""]


def test_a_day_that_nobody_accepted_explains_its_own_hours_and_tells_its_cause():
    accepted = clock(day="2026-03-05", verdict="warn", accepted=ACCEPTED)
    before, after = (
        odd("volume", "visits", (f"{day}T08:00:00", f"{day}T11:00:00"), 3, 20) for day in ("2026-03-05", "2026-03-07")
    )

    found = with_causes(report(before, after, clocks=[accepted, clock()]), ZONE)

    assert ["explained_by" in one for one in found["expectations"]] == [False, True]
    assert "accept clock.visits --day 2026-03-07" in found["causes"][0]["next_step"]


def test_two_feeds_disagree_since_the_first_day_that_was_compared():
    (cause,) = with_causes(report(shifts=[shift()]), ZONE)["causes"]

    assert cause["since"] == "2026-03-05T00:00:00"


def test_what_is_missing_is_told_against_what_was_expected_and_apart_what_may_only_be_late():
    silence = silent("visits", ("2026-03-07T14:00:00", "2026-03-08T17:00:00"), 18.0) | {
        "is_over": False,
        "pending": 182.0,
    }

    (cause,) = with_causes(report(silence), ZONE)["causes"]

    assert (cause["missing_arrivals"], cause["late_arrivals"]) == (200, 182)
    assert cause["diagnosis"] == "About 200 arrivals are missing, in 27 h. 182 of them may only be late."
