from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.reasons import FileFault, Reason
from healthcare_ops.core.tables import ACCOUNT
from healthcare_ops.pipeline.quality.clocks.clock import Diagnosis, FeedClock, LagEvidence, Mistake
from healthcare_ops.pipeline.quality.clocks.hour_profile import HourEvidence
from healthcare_ops.pipeline.quality.evaluate import Finding, Measured, Place
from healthcare_ops.pipeline.quality.history.deviations import Deviation
from healthcare_ops.pipeline.quality.history.observations import Series
from healthcare_ops.pipeline.quality.report.feed_section import FeedAccount
from healthcare_ops.pipeline.quality.report.form import fault_of
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile, refused_file
from healthcare_ops.pipeline.quality.report.report import (
    COMPARE,
    SCHEMA_VERSION,
    Report,
    SourceRecord,
    report_key,
)
from healthcare_ops.pipeline.quality.rules.checks import read_rules
from unit.pipeline.builders import at, encounter_feed
from unit.pipeline.quality.judging import checks_of

DAY = at("2026-03-01").date()
AS_OF, WRITTEN_AT = datetime(2026, 3, 2, 4, tzinfo=UTC), datetime(2026, 3, 2, 5, tzinfo=UTC)
LOS = """ColumnValues "los_min" <= 60 labels=["id"="los.range", "reason"="why", "next_step"="what now"]
         with threshold > 0.95"""


def finding(verdict="warn", *, rule=LOS, violations=1, checked=8, **different):
    (check,) = checks_of(rule)
    check = replace(check, severity="fail" if verdict == "fail" else "warn")
    measured = (Measured(1 - violations / checked if checked else None, checked, violations, "> 0.95"),)
    return Finding(check, verdict, checked, violations, measured, **different)


def account(reasons=None, last=None, *, refused=(), taken=0, **counts):
    return FeedAccount(encounter_feed(), dict.fromkeys(ACCOUNT, 0) | counts, reasons or {}, last, refused, taken)


def refused(name="v.csv", fault=FileFault.FILE_RECORD_UNREADABLE, line=67):
    return RefusedFile(name, "0" * 64, datetime(2026, 3, 2, 3, tzinfo=UTC), fault, line)


def report(findings=(), accounts=(), days=(DAY,), **different):
    found = Report("run-7", AS_OF, days, findings=tuple(findings), accounts=accounts, **different)
    return found.document(WRITTEN_AT)


def test_a_report_is_kept_under_its_day_and_run():
    assert report_key(DAY, "run-7") == "gold/data_quality_runs/dt=2026-03-01/run-7.json"


def test_a_report_says_which_run_and_days_it_judges_by_which_rules():
    days = [at(f"2026-03-0{day}").date() for day in (3, 1, 5)]

    found = report(days=days, versions={"silver.encounters": "0123456789ab"})

    assert found["days"] == {"first": "2026-03-01", "last": "2026-03-05", "count": 3}
    assert (found["schema_version"], found["run_id"]) == (SCHEMA_VERSION, "run-7") == (2, "run-7")
    assert (found["as_of"], found["written_at"]) == ("2026-03-02T04:00:00+00:00", "2026-03-02T05:00:00+00:00")
    assert found["rule_versions"] == {"silver.encounters": "0123456789ab"}


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [([], "pass"), (["warn"], "warn"), (["warn", "fail"], "fail"), (["not_applicable"], "pass")],
)
def test_the_worst_verdict_is_the_report_s(verdicts, verdict):
    found = report([finding("pass", violations=0), *(finding(one) for one in verdicts)])

    assert found["verdict"] == verdict


def test_a_rule_s_section_says_what_broke_how_badly_and_what_to_do():
    (section,) = report([finding()])["rules"]

    assert section == {
        "rule_id": "los.range",
        "table": "silver.encounters",
        "columns": ["los_min"],
        "rule": 'ColumnValues "los_min" <= 60 with threshold > 0.95',
        "severity": "warn",
        "verdict": "warn",
        "checked": 8,
        "violations": 1,
        "share": 0.125,
        "values": [0.875],
        "thresholds": ["> 0.95"],
        "tolerated": 0,
        "reason": "why",
        "next_step": "what now",
        "places": [],
        "samples": [],
        "trend": [],
    }


def test_missing_values_are_reported_as_a_null_count():
    rules = ('IsComplete "care_start"', 'Completeness "care_start" > 0.7', LOS)

    sections = report([finding(rule=rule, violations=3) for rule in rules])["rules"]

    assert [section.get("null_count") for section in sections] == [3, 3, None]
    assert [section.get("violations") for section in sections] == [None, None, 3]


def test_a_rule_s_section_names_the_feeds_and_sectors_whose_rows_break_it():
    (section,) = report([finding(places=(Place("ed", "ED", 10, 2), Place("er", "", 5, 1)))])["rules"]

    assert section["places"] == [
        {"feed_id": "ed", "sector_id": "ED", "checked": 10, "violations": 2},
        {"feed_id": "er", "sector_id": "", "checked": 5, "violations": 1},
    ]


def test_a_sampled_encounter_is_shown_by_the_records_that_the_supplier_delivered():
    records = {"k1.a": [SourceRecord("ed", "march.csv", 7, "k1.a"), SourceRecord("ed", "april.csv", 1, "k1.a")]}

    (section,) = report([finding(samples=("k1.a", "k1.b"))], records=records)["rules"]

    assert section["samples"] == [
        {"feed_id": "ed", "source_file": "march.csv", "record_no": 7, "encounter_id": "k1.a"},
        {"feed_id": "ed", "source_file": "april.csv", "record_no": 1, "encounter_id": "k1.a"},
    ]


def test_a_rule_s_section_shows_how_it_fared_in_the_runs_before_the_newest_first():
    earlier, later = (
        report([finding(verdict, violations=violations)]) | {"run_id": run_id}
        for verdict, violations, run_id in (("pass", 0, "run-5"), ("warn", 2, "run-6"))
    )
    unknown_then = report([]) | {"run_id": "run-4"}

    (section,) = report([finding()], past=[later, earlier, unknown_then])["rules"]

    as_of = AS_OF.isoformat()
    assert section["trend"] == [
        {"run_id": "run-6", "as_of": as_of, "verdict": "warn", "share": 0.25, "values": [0.75]},
        {"run_id": "run-5", "as_of": as_of, "verdict": "pass", "share": 0.0, "values": [1.0]},
    ]


VERSIONS = {"silver.encounters": "0123456789ab"}


def test_what_a_rule_measured_in_the_runs_before_is_its_history():
    past = [report([finding(violations=violations)]) for violations in (2, 0)]

    found = Report("run-7", AS_OF, [DAY], past=past).history(checks_of(LOS))

    assert found == {"los.range": [[0.75], [1.0]]}


@pytest.mark.parametrize(
    ("past", "is_compared"),
    [
        (report([finding()]), True),
        (report([finding()], versions={"silver.encounters": "ba9876543210"}), True),  # another rule was changed
        (report([finding(rule=LOS.replace("60", "90"))]), False),
        (report([finding(rule=LOS.replace("<= 60", "<= 60 where \"sector_id = 'ED'\""))]), False),
        (report([replace(finding(), check=replace(finding().check, table="silver.stays"))]), False),
        (report([finding()], days=[DAY, at("2026-03-02").date()]), True),  # a share of the rows, however many there are
    ],
    ids=["same", "other version", "other limit", "other rows", "other table", "more days"],
)
def test_a_rule_is_compared_with_what_it_measured_itself(past, is_compared):
    found = Report("run-7", AS_OF, [DAY], past=[past], versions=VERSIONS).history(checks_of(LOS))

    assert found == {"los.range": [[0.875]] if is_compared else []}


@pytest.mark.parametrize(
    ("rule", "is_compared"),
    [
        ("RowCount > 0.5 * avg(last(5))", False),
        ('DetectAnomalies "RowCount"', False),
        ('(IsComplete "triage_level") or (Sum "los_min" > avg(last(5)))', False),
        ('DetectAnomalies "Completeness" "triage_level"', True),
        ('Mean "los_min" > avg(last(5))', True),
    ],
)
def test_what_grows_with_the_days_is_compared_with_runs_of_as_many(rule, is_compared):
    past = report([finding(rule=rule)], days=[DAY, at("2026-03-02").date()])
    checks = checks_of(rule)

    (found,) = Report("run-7", AS_OF, [DAY], past=[past], versions=VERSIONS).history(checks).values()

    assert bool(found) is is_compared


@pytest.mark.parametrize(("version", "is_compared"), [("0123456789ab", True), ("ba9876543210", False)])
def test_a_rule_that_speaks_of_a_constant_is_another_one_in_another_file(version, is_compared):
    text = 'levels = ["1"] Rules = [ ColumnValues "triage_level" in $levels labels=["id"="level"] ]'
    (check,) = read_rules(text, "silver.encounters").checks
    past = report([replace(finding(), check=check)], versions={"silver.encounters": version})

    found = Report("run-7", AS_OF, [DAY], past=[past], versions=VERSIONS).history([check])

    assert found == {"level": [[0.875]] if is_compared else []}


class Reading(dict):
    """A past report that counts how often its rules are read."""

    times = 0

    def __getitem__(self, name):
        self.times += name == "rules"
        return super().__getitem__(name)


def test_past_reports_are_gone_through_once_however_many_rules_ask_what_they_say():
    found = [finding(rule=LOS.replace("los.range", f"los.{number}")) for number in range(20)]
    past = Reading(report(found))
    now = Report("run-7", AS_OF, [DAY], past=[past], findings=tuple(found))

    history = now.history([one.check for one in found])
    sections = now.document(WRITTEN_AT)["rules"]

    assert [len(values) for values in history.values()] == [len(one["trend"]) for one in sections] == [1] * 20
    assert past.times == 1


def test_the_trend_is_of_the_rule_as_it_is_now_whatever_the_days():
    changed = report([finding(rule=LOS.replace("60", "90"))]) | {"run_id": "run-5"}
    longer = report([finding()], days=[DAY, at("2026-03-02").date()]) | {"run_id": "run-6"}

    (section,) = report([finding()], past=[longer, changed])["rules"]

    assert [one["run_id"] for one in section["trend"]] == ["run-6"]


def test_a_job_that_ended_early_leaves_a_report_without_a_score():
    found = report([finding("fail")], error=DataError("the file ends in the middle", next_step="Send it again."))

    assert (found["verdict"], found["dq_risk_score"]) == ("error", None)
    assert "the file ends in the middle" in found["error"]
    assert [section["rule_id"] for section in found["rules"]] == ["los.range"]


def test_what_ended_the_job_quotes_nothing_of_the_data():
    found = report([], error=ValueError("Could not convert string 'MARIA SILVA 12345678900' to INT32"))

    assert found["error"] == "ValueError: Could not convert string … to INT32"


def test_the_score_counts_broken_rules_and_held_records_of_all_feeds():
    accounts = [account(delivered=30, quarantined=5), account(delivered=10, quarantined=5)]

    found = report([finding(violations=2, checked=8)], accounts)

    assert found["dq_risk_score"] == 17.5
    assert found["contributions"] == {"los.range": 12.5, "quarantine": 5.0}


def test_a_feed_s_section_names_its_owner_and_the_worst_reason():
    reasons = {"TIME_UNREADABLE": 2, "TRIAGE_UNKNOWN": 5}

    (section,) = report(accounts=[account(reasons, last=AS_OF, delivered=100, applied=93, quarantined=7)])["feeds"]

    assert (section["feed_id"], section["owner"], section["contact"]) == ("ed", "IT", "it@hospital.example")
    assert section["counts"] == dict.fromkeys(ACCOUNT, 0) | {"delivered": 100, "applied": 93, "quarantined": 7}
    assert section["quarantined_by_reason"] == reasons
    assert section["diagnosis"] == (
        "In these days 7 of 100 records are held, most for this: the triage code is not mapped to a level 1–5."
    )
    assert section["next_step"] == "Send IT the list from `hops dq quarantine`."


def test_a_feed_without_held_records_needs_nothing():
    (section,) = report(accounts=[account(last=AS_OF, delivered=3, applied=3)])["feeds"]

    assert section["diagnosis"] == "In these days every record was accounted for without quarantine."
    assert section["next_step"] == ""


@pytest.mark.parametrize(
    ("last", "since_min", "is_late"),
    [("2026-03-02T01:00:00+00:00", 180, False), ("2026-03-02T00:59:00+00:00", 181, True), (None, None, True)],
)
def test_a_feed_is_late_when_nothing_has_come_for_longer_than_its_file_allows(last, since_min, is_late):
    came = account(last=datetime.fromisoformat(last) if last else None)

    (section,) = report(accounts=[came])["feeds"]

    assert section["delay"] == {
        "last_ingested_at": last,
        "since_min": since_min,
        "every_min": 60,
        "late_after_min": 180,  # between two deliveries, and the delay besides
        "is_late": is_late,
    }
    assert ("why nothing comes" in section["next_step"]) is is_late


def test_a_refused_file_is_told_with_its_reason_and_whom_to_ask_for_it():
    found = report([], [account(refused=[refused()], delivered=3, applied=3)])
    (section,) = found["feeds"]

    assert section["refused_files"] == [
        {
            "source_file": "v.csv",
            "sha256": "0" * 64,
            "refused_at": "2026-03-02T03:00:00+00:00",
            "reason_code": "FILE_RECORD_UNREADABLE",
            "line": 67,
            "message": "line 67: a record in it cannot be read: it has too many or too few values or quotes",
        }
    ]
    assert section["diagnosis"].startswith("File v.csv was refused on 2026-03-02 03:00 UTC: line 67: a record in it")
    assert " for v.csv again; " in section["next_step"]
    assert (found["verdict"], found["contributions"]) == ("warn", {"refused.ed": 20.0})


@pytest.mark.parametrize(
    ("files", "asked_for", "told"), [(3, "c, c, c again", 0), (4, "c, c, c, … again", 1), (9, "c, c, c, … again", 1)]
)
def test_of_many_refused_files_three_are_named_and_the_others_counted(files, asked_for, told):
    (section,) = report([], [account(refused=[refused("c")] * files)])["feeds"]

    assert len(section["refused_files"]) == files
    assert asked_for in section["next_step"]
    assert section["diagnosis"].count(f"{files - 3} more file{'s were' if files > 4 else ' was'} refused.") == told


def test_the_risk_never_falls_with_another_refused_file():
    risks = [
        report([finding()], [account(refused=[refused()] * files, taken=7)])["dq_risk_score"] for files in range(40)
    ]

    assert risks == sorted(risks)
    assert len(set(risks)) == len(risks)


@pytest.mark.parametrize("line", [None, 7])
def test_a_refused_file_is_read_as_it_was_kept(line):
    file = refused(line=line)

    assert refused_file(json.loads(json.dumps(file.document))) == file


def test_no_record_at_all_is_no_risk_and_no_pass():
    found = report([finding("not_applicable", violations=0, checked=0)], [account()])

    assert (found["dq_risk_score"], found["verdict"]) == (0.0, "not_applicable")
    assert found["feeds"][0]["diagnosis"] == "Nothing has come for long. In these days no record was delivered."


def test_one_rule_that_had_rows_to_judge_is_enough_for_a_pass():
    unjudged = finding("not_applicable", violations=0, checked=0)

    assert report([unjudged, finding("pass", violations=0)])["verdict"] == "pass"


def test_there_is_something_to_compare_for_every_reason():
    assert COMPARE.keys() == set(Reason)


def test_a_report_is_plain_json():
    found = report(
        [finding(places=(Place("ed", "ED", 10, 2),), samples=("k1.a",))],
        [account({"TIME_UNREADABLE": 1}, last=AS_OF, delivered=1, quarantined=1)],
        records={"k1.a": [SourceRecord("ed", "march.csv", 7, "k1.a")]},
        past=[report([finding()])],
    )

    assert json.loads(json.dumps(found)) == found


# What the site's past and the feeds' clocks say


def test_a_figure_too_far_off_is_told_with_what_was_expected_and_counts_in_the_score():
    found = report([finding("pass", violations=0)], deviations=[too_few()])

    (section,) = found["expectations"]
    assert (section["place"], section["observed"], section["expected"]) == ("ED", 2.0, 20.5)
    assert (section["start"], section["end"]) == ("2026-03-01T06:00:00", "2026-03-01T12:00:00")
    assert section["sentence"] == "ED has 2 arrivals from 06:00 to 12:00; 20 expected (12–29) for a Sunday."
    assert found["verdict"] == "warn"
    assert set(found["contributions"]) == {section["rule_id"]}


def test_a_wrong_clock_is_told_with_its_offset_in_the_feed_s_own_section_as_well():
    found = report([finding("pass", violations=0)], [account(delivered=3, applied=3)], clocks=[wrong_clock("fail")])

    (section,) = found["clocks"]
    assert (section["feed_id"], section["offset_h"], section["verdict"]) == ("ed", -3.0, "fail")
    assert section["sentence"] in found["feeds"][0]["diagnosis"]
    assert "zone" in found["feeds"][0]["next_step"]
    assert found["verdict"] == "fail"
    assert found["dq_risk_score"] >= 60


@pytest.mark.parametrize("severities", [("warn", "fail", "warn"), ("fail", "warn", "warn")])
def test_one_figure_that_is_off_on_several_days_counts_once_as_its_worst(severities):
    several = report([], deviations=[too_few(severity) for severity in severities])
    once = report([], deviations=[too_few("fail")])

    assert len(several["expectations"]) == 3
    assert (several["verdict"], several["contributions"]) == ("fail", once["contributions"])


def test_a_figure_that_fails_on_a_day_scores_no_less_for_a_day_on_which_it_was_further_off():
    other = [finding("fail", violations=1)]
    slightly = replace(too_few("fail"), observed=20.0)

    only_slightly, both = (report(other, deviations=days) for days in ([slightly], [slightly, too_few("warn")]))

    assert both["dq_risk_score"] > only_slightly["dq_risk_score"]


# The published schema

SCHEMA = json.loads(files("healthcare_ops.pipeline.quality.report").joinpath("report.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def faults(document):
    """Return what the schema says against a report as it is kept."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(json.loads(json.dumps(document)))]


def unjudged(rule=LOS):
    return finding("not_applicable", rule=rule, violations=0, checked=0)


def too_few(severity="warn"):
    series = Series("volume", "silver.encounters", "sector_id", "ED")
    start, end = at("2026-03-01 06:00"), at("2026-03-01 12:00")
    return Deviation("volume", series, DAY, start, end, 2.0, 20.5, 12.0, 29.0, 31.25, 12.5, severity)


def wrong_clock(severity="warn"):
    zone = ZoneInfo("UTC")
    return Diagnosis(
        FeedClock("ed", zone, zone),
        DAY,
        severity,
        offset_h=-3.0,
        log_likelihood_ratio=None,
        window_days=3,
        lag=LagEvidence(-3.0, 40, 3.01, 3.2, None, ""),
        hours=HourEvidence({}, 0, 0, "too few"),
        mistakes=(Mistake("zone_mistaken", "UTC", "America/Sao_Paulo"),),
    )


def full_report(verdict="fail", **different):
    rules = ('IsComplete "triage_level"', "(RowCount > last()) and (ColumnCount = 5)", 'Mean "los_min" > 60')
    several = (Measured(5.0, None, None, "> last()", None), Measured(5.0, None, None, "= 5", True))
    findings = [
        finding(verdict, places=(Place("ed", "ED", 10, 2), Place("er", "", 5, 1)), samples=("k1.a",)),
        finding("warn", rule=rules[0], places=(Place("ed", "ED", 10, 2),), samples=("k1.a",)),
        replace(finding("pass", rule=rules[1], violations=0), measured=several, violations=None),
        replace(finding("warn", rule=rules[2]), violations=None),
        unjudged(rules[2]),
    ]
    return report(
        findings,
        [account({"TIME_UNREADABLE": 1}, last=AS_OF, delivered=4, applied=3, quarantined=1), account()],
        records={"k1.a": [SourceRecord("ed", "march.csv", 7, "k1.a"), SourceRecord("er", "b.csv", 1, "k1.a")]},
        past=[report([finding(), unjudged(rules[2])]) | {"run_id": "run-6"}],
        versions={"silver.encounters": "0123456789ab"},
        deviations=[too_few()],
        clocks=[wrong_clock()],
        **different,
    )


def test_the_schema_is_one_and_describes_every_field():
    def fields(node):
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and node.get("type") == "object":
                yield node["properties"], node
            for part in node.values():
                yield from fields(part)
        elif isinstance(node, list):
            for part in node:
                yield from fields(part)

    objects = list(fields(SCHEMA))

    Draft202012Validator.check_schema(SCHEMA)
    assert len(objects) >= 10
    assert [
        name for fields, _ in objects for name, field in fields.items() if not {"description", "$ref"} & field.keys()
    ] == []
    assert [node["properties"] for _, node in objects if node.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(
    "document",
    [
        report([finding("pass", violations=0)], [account(delivered=3, applied=3)]),
        report([finding("warn")]),
        full_report("warn"),
        full_report("fail"),
        full_report("fail", error=DataError("the file ends in the middle", next_step="Send it again.")),
        report([], error=KeyError("feed")),
        report([unjudged()], [account()]),
        report([], [account(refused=[refused(), refused("w.csv", FileFault.FILE_EMPTY, None)])]),
        report(),
    ],
    ids=[
        "pass",
        "warn",
        "much that warns",
        "fail",
        "fail and error",
        "error",
        "nothing to judge",
        "refused files",
        "no rules",
    ],
)
def test_a_report_is_as_its_schema_says(document):
    assert faults(document) == []
    assert fault_of(json.loads(json.dumps(document))) == ""


def changed(document, path, value):
    """Return a report in which one field is another; without it, where the value is `...`."""
    *outer, last = path
    copy = json.loads(json.dumps(document))
    place = copy
    for key in outer:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema_version"], 1),
        (["schema_version"], ...),
        (["patient_name"], "Ana"),
        (["verdict"], "fine"),
        (["verdict"], "error"),
        (["error"], "KeyError"),
        (["dq_risk_score"], None),
        (["dq_risk_score"], 101),
        (["as_of"], "yesterday"),
        (["days", "first"], "2026-02-30"),
        (["days", "count"], 0),
        (["rule_versions", "silver.encounters"], "latest"),
        (["rules", 0, "violations"], ...),
        (["rules", 0, "null_count"], 0),
        (["rules", 0, "violations"], -1),
        (["rules", 0, "violations"], 1.5),
        (["rules", 0, "severity"], "fatal"),
        (["rules", 0, "patient_id"], "1"),
        (["rules", 0, "samples", 0, "patient_id"], "1"),
        (["rules", 0, "samples", 0, "record_no"], 0),
        (["rules", 0, "places", 0, "sector_id"], None),
        (["rules", 0, "trend", 0, "verdict"], "error"),
        (["feeds", 0, "counts", "delivered"], ...),
        (["feeds", 0, "quarantined_by_reason", "TIME_UNREADABLE"], 0),
        (["feeds", 0, "delay", "is_late"], "no"),
        (["feeds"], ...),
        (["expectations", 0, "sentence"], ""),
        (["expectations", 0, "patient_id"], "1"),
        (["clocks", 0, "offset_h"], "three"),
        (["clocks"], ...),
    ],
    ids=lambda part: "-".join(map(str, part)) if isinstance(part, list) else str(part),
)
def test_a_document_that_is_no_report_is_told_from_one(path, value):
    sound = full_report("fail")

    assert faults(sound) == []
    assert faults(changed(sound, path, value)) != []
    assert fault_of(changed(sound, path, value)).startswith("report")


def test_a_score_that_is_no_number_is_seen_though_python_reads_it_as_json():
    assert (
        fault_of(changed(full_report(), ["dq_risk_score"], float("nan"))) == "report.dq_risk_score is no number or null"
    )


class UnknownZone(tzinfo):
    """A zone that cannot be asked."""

    def utcoffset(self, at):
        raise ArithmeticError("no rule of this zone is known")

    dst = tzname = utcoffset


def test_of_a_job_that_died_the_report_is_kept_even_if_no_cause_can_be_told():
    accounts = [account(refused=[refused()], delivered=2, applied=2)]

    found = report(accounts=accounts, error=DataError("too few days"), zone=UnknownZone())

    assert (found["verdict"], found["error"], found["causes"]) == ("error", "DataError: too few days", [])
    assert [file["source_file"] for file in found["feeds"][0]["refused_files"]] == ["v.csv"]
    assert not fault_of(found)


def test_a_job_that_lived_does_not_go_on_with_a_report_of_which_no_cause_can_be_told():
    accounts = [account(refused=[refused()], delivered=2, applied=2)]

    with pytest.raises(ArithmeticError):
        report(accounts=accounts, zone=UnknownZone())
