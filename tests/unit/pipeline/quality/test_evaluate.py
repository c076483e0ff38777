from __future__ import annotations

import re

import pyarrow as pa
import pytest

from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, ENCOUNTERS_RAW, EVENTS, EVENTS_RAW, STAYS, TABLES
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.evaluate import Place
from healthcare_ops.pipeline.quality.rules.checks import read_rules, shipped_rules
from unit.pipeline.builders import at, encounters, encounters_raw, events_raw, rows_of, stays
from unit.pipeline.quality.judging import counted, judge, judge_one

SHIPPED = {table: read_rules(text, table).checks for table, text in shipped_rules().items()}


def shipped(rule_id):
    """Return the product's own rule of that id."""
    return next(check for checks in SHIPPED.values() for check in checks if check.rule_id == rule_id)


def test_completeness_counts_the_missing_values(engine):
    rows = encounters({"triage_level": 3}, {}, {})

    finding = judge_one(engine, 'IsComplete "triage_level"', rows)

    assert counted(finding) == (3, 2)
    assert finding.samples == ("e2", "e3")


def test_a_value_must_be_one_of_those_allowed_and_may_be_missing_where_the_rule_says_so(engine):
    rows = encounters({"disposition": "home"}, {"disposition": "vanished"}, {})

    finding = judge_one(engine, 'ColumnValues "disposition" in ["home", "died", NULL]', rows)

    assert counted(finding) == (3, 1)
    assert finding.samples == ("e2",)


def test_a_number_must_lie_within_its_range_ends_included(engine):
    rows = encounters(*({"los_min": minutes} for minutes in (-0.1, 0.0, 60.0, 60.1, None)))
    known = 'where "los_min is not null"'

    finding = judge_one(
        engine, f'(ColumnValues "los_min" >= 0 {known}) and (ColumnValues "los_min" <= 60 {known})', rows
    )

    assert counted(finding) == (4, 2)
    assert finding.samples == ("e1", "e4")


def test_the_later_time_must_not_come_first(engine):
    arrival = {"arrival_time": at("2026-03-01 10:00")}
    rows = encounters(
        arrival | {"care_start": at("2026-03-01 09:59")},
        arrival | {"care_start": at("2026-03-01 10:00")},
        arrival,
        {"care_start": at("2026-03-01 10:00")},
    )

    finding = judge_one(engine, shipped("encounters.arrival_time_before_care_start"), rows)

    assert (*counted(finding), finding.verdict) == (4, 1, "fail")


def test_a_time_must_not_lie_after_now_but_for_the_skew_of_clocks(engine):
    times = ["2026-02-28 23:59", "2026-03-20 12:05", "2026-03-20 12:05:00.000001", "2027-01-01"]

    finding = judge_one(
        engine,
        shipped("encounters.arrival_time.plausible"),
        encounters(*({"arrival_time": at(time)} for time in times)),
    )

    assert counted(finding) == (4, 2)
    assert finding.samples == ("e3", "e4")


def test_a_time_must_lie_in_the_plausible_days(engine):
    times = ["2026-02-28 23:59", "2026-03-01", "2026-03-31 23:59", "2026-04-01"]
    rows = encounters(*({"arrival_time": at(time)} for time in times))

    finding = judge_one(
        engine,
        '(ColumnValues "arrival_time" >= "2026-03-01") and (ColumnValues "arrival_time" < "2026-04-01")',
        rows,
    )

    assert counted(finding) == (4, 2)
    assert finding.samples == ("e1", "e4")


def test_a_key_must_stand_once(engine):
    rows = encounters(*({"encounter_id": name} for name in ("a", "a", "a", "b", "b", "c")))

    finding = judge_one(engine, 'IsUnique "encounter_id"', rows)

    assert counted(finding) == (6, 3)
    assert finding.samples == ("a", "b")


def test_an_encounter_must_not_stand_on_another_day_as_well(engine):
    rows = encounters({"encounter_id": "a"}, {"encounter_id": "b"})
    standing = encounters(*({"encounter_id": name} for name in ("a", "b", "b", "c", "c")))

    finding = judge_one(engine, 'IsUnique "encounter_id"', rows, standing=standing)

    assert counted(finding) == (3, 1)
    assert finding.verdict == "fail"


def test_a_key_may_be_of_several_columns(engine):
    ten, eleven = at("2026-03-01 10:00"), at("2026-03-01 11:00")
    rows = stays(
        *({"encounter_id": name, "start_time": start} for name, start in (("a", ten), ("a", eleven), ("b", ten)))
    )

    finding = judge_one(engine, shipped("stays.encounter_and_start.unique"), rows, table=STAYS)

    assert (*counted(finding), finding.verdict) == (3, 0, "pass")


def test_a_stay_must_belong_to_an_encounter(engine):
    rows = stays({"encounter_id": "a"}, {"encounter_id": "a"}, {"encounter_id": "b"})
    known = encounters({"encounter_id": "a"})

    finding = judge_one(
        engine, shipped("stays.encounter_id.known"), rows, table=STAYS, references={ENCOUNTERS.id: known}
    )

    assert (*counted(finding), finding.verdict) == (3, 1, "fail")


def test_held_records_are_a_share_of_those_delivered(engine):
    rows = rows_of(BATCH_ACCOUNTS, [{"quarantined": 3, "delivered": 10}, {"quarantined": 1, "delivered": 30}])

    finding = judge_one(engine, shipped("batch_accounts.quarantined.few"), rows, table=BATCH_ACCOUNTS)

    assert (*counted(finding), finding.verdict) == (40, 4, "warn")
    assert {type(count) for count in counted(finding)} == {int}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('AggregateMatch "sum(quarantined)" "sum(delivered)" <= 0.05', (40, 4)),
        ('AggregateMatch "sum(delivered)" "sum(quarantined)" <= 0.05', (2, None)),
        ('AggregateMatch "avg(quarantined)" "sum(delivered)" = 1', (2, None)),
        ('AggregateMatch "sum(quarantined)" "sum(silver.encounters.los_min)" = 1', (2, None)),
    ],
)
def test_records_are_counted_by_a_part_of_all_records_alone(engine, rule, found):
    rows = rows_of(BATCH_ACCOUNTS, [{"quarantined": 3, "delivered": 10}, {"quarantined": 1, "delivered": 30}])
    references = {ENCOUNTERS.id: encounters({"los_min": 60.0})}

    assert counted(judge_one(engine, rule, rows, table=BATCH_ACCOUNTS, references=references)) == found


def test_a_rule_without_rows_is_not_applicable(engine):
    findings = judge(engine, 'IsComplete "triage_level", IsUnique "encounter_id"', encounters())

    assert [(finding.verdict, *counted(finding)) for finding in findings] == [("not_applicable", 0, 0)] * 2


def test_an_analyzer_measures_and_judges_nothing(engine):
    text = 'Analyzers = [ Completeness "triage_level", Mean "los_min", RowCount, ColumnCount ]'
    rows = encounters({"triage_level": 3, "los_min": 60.0}, {"los_min": 30.0})

    findings = judge(engine, read_rules(text, ENCOUNTERS.id).checks, rows)

    assert [finding.measured[0].value for finding in findings] == [0.5, 45.0, 2.0, len(ENCOUNTERS.column_names)]
    assert {(finding.verdict, finding.measured[0].limit) for finding in findings} == {("not_applicable", "recorded")}


def test_an_analyzer_that_is_no_number_is_refused_where_it_stands(engine):
    checks = read_rules('Analyzers = [ RowCount,\n  AllStatistics "los_min" ]', ENCOUNTERS.id).checks

    with pytest.raises(DqdlError, match="not a number that is watched") as raised:
        judge(engine, checks, encounters({}))

    assert (raised.value.line, raised.value.column) == (2, 3)


def test_a_column_that_no_feed_delivers_is_not_asked_for(engine):
    rule = 'IsComplete "triage_level" labels=["needs"="triage_level"]'

    verdicts = [
        judge_one(engine, rule, encounters({}), delivered=delivered).verdict
        for delivered in ([], ["triage_level"], None)
    ]

    assert verdicts == ["not_applicable", "fail", "fail"]


def test_findings_come_in_the_order_of_the_rules(engine):
    rules = """IsUnique "encounter_id", IsComplete "triage_level" labels=["needs"="triage_level"], RowCount > 0"""

    findings = judge(engine, rules, encounters({}), delivered=[])

    assert [finding.check.node.rule_type for finding in findings] == ["IsUnique", "IsComplete", "RowCount"]


def test_no_more_than_five_encounters_are_named(engine):
    rows = encounters(*({"encounter_id": name} for name in "hgfedcbaa"))

    finding = judge_one(engine, 'IsComplete "triage_level"', rows)

    assert finding.samples == ("a", "b", "c", "d", "e")


def test_a_rule_tells_whose_rows_break_it(engine):
    known = {"triage_level": 3}
    rows = encounters(
        {"feed_id": "ed", "sector_id": "ED"} | known,
        {"feed_id": "ed", "sector_id": "ED"},
        {"feed_id": "er", "sector_id": "ED"},
        {"feed_id": "er", "sector_id": "WARD"} | known,
        {"feed_id": "er", "sector_id": None},
    )

    broken, met = (judge_one(engine, rule, rows) for rule in ('IsComplete "triage_level"', 'IsComplete "encounter_id"'))

    assert broken.places == (Place("ed", "ED", 2, 1), Place("er", "", 1, 1), Place("er", "ED", 1, 1))
    assert met.places == ()


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        ('IsComplete "triage_level" where "los_min > 5"', (Place("", "ED", 2, 1),)),
        (
            '(IsComplete "triage_level" where "los_min > 5") and (IsComplete "triage_level" where "los_min = 2")',
            (Place("", "ED", 3, 2),),
        ),
        ('IsUnique "triage_level"', ()),
        ('Completeness "triage_level" > 0.1', (Place("", "ED", 4, 3),)),
        ('Mean "triage_level" > 9', ()),
    ],
)
def test_of_a_place_only_rows_are_counted_that_the_rule_speaks_of(engine, rule, places):
    rows = encounters({"los_min": 9.0, "triage_level": 1}, {"los_min": 9.0}, {"los_min": 1.0}, {"los_min": 2.0})

    assert judge_one(engine, rule, rows).places == places


def test_rows_without_encounter_have_a_place_and_no_sample(engine):
    rows = rows_of(BATCH_ACCOUNTS, [{"feed_id": "ed", "delivered": 20, "quarantined": 20}])

    finding = judge_one(engine, shipped("batch_accounts.quarantined.few_each_day"), rows, table=BATCH_ACCOUNTS)

    assert (finding.places, finding.samples) == ((Place("ed", "", 1, 1),), ())


@pytest.mark.parametrize(
    ("quarantined", "delivered", "verdict"), [(9, 9, "pass"), (10, 200, "pass"), (10, 199, "warn"), (11, 200, "warn")]
)
def test_ten_records_of_a_day_and_more_than_a_twentieth_are_too_many_to_be_held(
    engine, quarantined, delivered, verdict
):
    usual = {"feed_id": "ed", "delivered": 10_000, "quarantined": 0}
    rows = rows_of(BATCH_ACCOUNTS, [usual, usual | {"delivered": delivered, "quarantined": quarantined}])

    finding = judge_one(engine, shipped("batch_accounts.quarantined.few_each_day"), rows, table=BATCH_ACCOUNTS)

    assert (finding.verdict, finding.checked) == (verdict, 2)


def test_rows_that_a_rule_holds_back_break_it_all_the_same(engine):
    rule = 'IsComplete "triage_level" labels=["id"="known"]'
    level = {"triage_level": 3}

    findings = [
        judge_one(engine, rule, encounters(*rows), held={"known": held})
        for rows, held in (((level, {}), 3), ((level, level), 0), ((), 2))
    ]

    assert [counted(finding) for finding in findings] == [(5, 4), (2, 0), (2, 2)]
    assert [finding.verdict for finding in findings] == ["fail", "pass", "fail"]


def test_rows_that_a_rule_of_parts_holds_back_are_checked_and_break_it(engine):
    parts = '(IsComplete "triage_level" where "los_min > 0") and (IsComplete "encounter_id")'
    rule = f'({parts}) labels=["id"="known"]'

    finding = judge_one(engine, rule, encounters({"triage_level": 3, "los_min": 1.0}, {}), held={"known": 3})

    assert (counted(finding), finding.verdict) == ((5, 3), "fail")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('IsUnique "encounter_id"', (4, 2)),
        ('IsPrimaryKey "encounter_id"', (4, 2)),
        ('Uniqueness "encounter_id" = 1', (4, 2)),
        ('((IsUnique "encounter_id") and (IsComplete "encounter_id"))', (4, 2)),
    ],
)
def test_rows_that_are_held_because_their_key_is_there_twice_break_the_rule_all_the_same(engine, rule, found):
    key = f'{rule} labels=["id"="once"]'

    finding, none_held = (judge_one(engine, key, encounters({}, {}), held=held) for held in ({"once": 2}, {}))

    assert (counted(finding), finding.verdict, finding.measured[0].value) == (found, "fail", 0.5)
    assert (counted(none_held), none_held.verdict) == ((2, 0), "pass")


def test_a_rule_of_which_all_rows_are_held_is_broken(engine):
    finding = judge_one(engine, 'IsUnique "encounter_id" labels=["id"="once"]', encounters(), held={"once": 2})

    assert (counted(finding), finding.verdict) == ((2, 2), "fail")


def test_of_rows_that_are_held_the_threshold_of_a_rule_lets_some_pass(engine):
    rule = 'Uniqueness "encounter_id" >= 0.8 labels=["id"="once"]'

    findings = [judge_one(engine, rule, encounters(*[{}] * 8), held={"once": held}) for held in (2, 3)]

    assert [finding.verdict for finding in findings] == ["pass", "fail"]


def test_the_ids_of_rules_may_differ_in_case_alone_and_be_any_word(engine):
    ids = ("rows", "Rows", "sector_id", "n0")
    rules = ", ".join(f'IsComplete "triage_level" labels=["id"="{name}"]' for name in ids)

    findings = judge(engine, rules, encounters({}))

    assert [(finding.check.rule_id, counted(finding)) for finding in findings] == [(name, (1, 1)) for name in ids]
    assert {finding.places for finding in findings} == {(Place("", "ED", 1, 1),)}


def test_of_more_rules_than_one_pass_counts_each_knows_the_places_of_its_rows(engine):
    rules = ", ".join(f'ColumnValues "triage_level" != {number}' for number in range(300))
    rows = encounters({"triage_level": 0}, {"triage_level": 299, "sector_id": "OBS"}, {"triage_level": 299})

    findings = judge(engine, rules, rows)

    broken = {number: finding.places for number, finding in enumerate(findings) if finding.violations}
    assert broken == {0: (Place("", "ED", 2, 1),), 299: (Place("", "ED", 2, 1), Place("", "OBS", 1, 1))}
    assert findings[299].samples == ("e2", "e3")


@pytest.mark.parametrize("name", ["times", "is_in", "key_0", "rows", "value", "share", "passes", "n0", "select"])
def test_a_column_may_have_any_name(engine, name):
    rows = pa.table({name: [1, 1, None], "encounter_id": ["a", "b", "c"]})
    rules = f'IsUnique "{name}", Entropy "{name}" = 0, IsComplete "{name}", Uniqueness "{name}" "encounter_id" = 1'

    findings = judge(engine, rules, rows)

    assert [(*counted(finding), finding.samples) for finding in findings] == [
        (2, 1, ("a", "b")),
        (3, None, ()),
        (3, 1, ("c",)),
        (3, 0, ()),
    ]


@pytest.mark.parametrize(
    ("rule", "samples"),
    [
        ('IsUnique "bed_id"', ("a", "b")),
        ('IsPrimaryKey "bed_id"', ("a", "b", "d", "e")),
        ('Uniqueness "bed_id" = 1', ("a", "b")),
        ('(IsUnique "bed_id") and (IsComplete "bed_id")', ("a", "b", "d", "e")),
        ('(IsUnique "bed_id") or (IsComplete "bed_id")', ()),
    ],
)
def test_samples_of_keys_are_the_rows_that_share_one(engine, rule, samples):
    beds = zip("abcde", ["1", "1", "2", None, None], strict=True)
    rows = pa.table([*map(pa.array, zip(*beds, strict=True))], names=["encounter_id", "bed_id"])

    assert judge_one(engine, rule, rows).samples == samples


@pytest.mark.parametrize(
    ("missing", "severity", "verdict"),
    [(0, "fail", "pass"), (2, "fail", "pass"), (3, "fail", "fail"), (2, "warn", "pass"), (3, "warn", "warn")],
)
def test_a_rule_breaks_when_the_share_exceeds_its_threshold(engine, missing, severity, verdict):
    rows = encounters(*[{}] * missing, *[{"triage_level": 3}] * (10 - missing))

    finding = judge_one(engine, f'Completeness "triage_level" >= 0.8 labels=["severity"="{severity}"]', rows)

    assert (finding.share, finding.verdict) == (missing / 10, verdict)


@pytest.mark.parametrize(
    ("missing", "severity", "verdict"),
    [
        (0, "fail", "pass"),
        (1, "fail", "warn"),
        (2, "fail", "warn"),
        (3, "fail", "fail"),
        (2, "warn", "pass"),
        (3, "warn", "warn"),
    ],
)
def test_a_tolerated_few_are_told_one_step_milder_whatever_their_share(engine, missing, severity, verdict):
    rows = encounters(*[{}] * missing, *[{"triage_level": 3}] * (4 - missing))

    finding = judge_one(engine, f'IsComplete "triage_level" labels=["tolerated"="2", "severity"="{severity}"]', rows)

    assert finding.verdict == verdict


def test_two_arrivals_after_now_do_not_stop_the_smallest_hospital_and_three_do(engine):
    usual, ahead = {"arrival_time": at("2026-03-20 10:00")}, {"arrival_time": at("2026-03-21 10:00")}
    rule = shipped("encounters.arrival_time.range")

    found = [judge_one(engine, rule, encounters(usual, *[ahead] * count)) for count in (2, 3)]

    assert [finding.verdict for finding in found] == ["warn", "fail"]
    assert found[0].samples == ("e2", "e3")


@pytest.mark.parametrize(("again", "verdict"), [(1, "pass"), (2, "pass"), (3, "warn")])
def test_equal_rows_of_a_small_file_warn_from_three_too_many_on(engine, again, verdict):
    rows = encounters_raw(*({"encounter_id": f"e{max(number, again)}"} for number in range(20)))

    finding = judge_one(engine, shipped("encounters_raw.record.told_once"), rows, table=ENCOUNTERS_RAW)

    assert (finding.violations, finding.verdict) == (again, verdict)


def test_no_share_of_the_product_s_rules_warns_of_fewer_than_three_rows():
    shares = re.compile(r"(Completeness|Uniqueness|AggregateMatch|with threshold).* (>=|<=) 0")
    rules = [check for checks in SHIPPED.values() for check in checks if shares.search(check.rule)]

    assert len(rules) == 14
    assert [check.rule_id for check in rules if check.tolerated < 2] == []


def test_every_rule_of_the_product_speaks_of_columns_that_exist():
    columns = {table.id: set(table.column_names) for table in TABLES}
    rules = [check for checks in SHIPPED.values() for check in checks]

    assert [check.rule_id for check in rules if not set(check.columns) <= columns[check.table]] == []
    assert len({check.rule_id for check in rules}) == len(rules)


def test_sound_data_break_no_rule_of_the_product(engine):
    ten, eleven = at("2026-03-01 10:00"), at("2026-03-01 11:00")
    visit = {"arrival_time": ten, "care_start": ten, "discharge_time": eleven, "triage_level": 3, "disposition": "home"}
    tables = {
        ENCOUNTERS_RAW: encounters_raw({"encounter_id": "e1", "arrival_time": "10:00", "sector": "ED", "bed": "1"}),
        EVENTS_RAW: events_raw({"encounter_id": "e1", "event_time": "10:00", "sector": "ED", "bed": "1"}),
        ENCOUNTERS: encounters(visit | {"total_wait_min": 0.0, "los_min": 60.0}),
        STAYS: stays({"start_time": ten, "end_time": eleven}),
        EVENTS: rows_of(EVENTS, [{"event_id": "e1|arrival", "encounter_id": "e1", "event_type": "arrival"}]),
        BATCH_ACCOUNTS: rows_of(BATCH_ACCOUNTS, [{"delivered": 1, "quarantined": 0}]),
    }
    references = {table.id: rows for table, rows in tables.items()}

    findings = [
        finding
        for table, rows in tables.items()
        for finding in judge(engine, SHIPPED[table.id], rows, table=table, references=references)
    ]

    assert SHIPPED.keys() == references.keys()
    assert {finding.check.rule_id: finding.verdict for finding in findings} == dict.fromkeys(
        (check.rule_id for checks in SHIPPED.values() for check in checks), "pass"
    )
