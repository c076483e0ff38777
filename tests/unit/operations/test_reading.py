from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.operations import stewards
from healthcare_ops.operations.reading import (
    findings_of,
    later_decision,
    newest_outline,
    newest_report,
    newest_reports,
    reports_before,
    sections_of,
    told_of,
)
from healthcare_ops.pipeline.quality.report.report import Report
from hospital import open_hospital
from unit.pipeline.quality.wording.sections import report_of_every_kind

RULES = [{"rule_id": "stay.short", "verdict": "warn"}, {"rule_id": "bed.known", "verdict": "pass"}]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hospital"), "2026-03-13T18:00:00-03:00") as found:
        yield found


@pytest.fixture
def platform(hospital):
    """Return the hospital with no report yet."""
    return replace(hospital.platform, context=replace(hospital.context, objects=MemoryObjects()))


def keep(platform, run_id, day, version=2, **more):
    key = f"gold/data_quality_runs/dt={day}/{run_id}.json"
    platform.context.objects.write(key, json.dumps(written(run_id, day, version, **more)).encode())


def written(run_id, day, version=2, days=1, **more):
    """Return a report of so many days, as it was kept on a day."""
    at = datetime(2026, 4, 1, tzinfo=UTC)
    report = Report(run_id, at, [at.date() - timedelta(days=back) for back in range(days)]).document(at)
    return report | {"written_at": f"{day}T00:00:00+00:00", "schema_version": version} | more


def test_without_any_report_one_is_told_how_to_make_one(platform):
    with pytest.raises(NotFoundError, match="no data-quality report yet") as refused:
        newest_report(platform)

    assert refused.value.next_step == "Run `hops dq check`."


def test_the_newest_report_is_the_one_that_was_written_last_whatever_day_it_is_of(platform):
    keep(platform, "daily-20260312T120000Z-a", "2026-03-12")
    keep(platform, "daily-20260311T120000Z-b", "2026-03-13")  # a replay of the day before

    assert newest_report(platform)["run_id"] == "daily-20260311T120000Z-b"


def test_a_report_of_a_few_days_that_a_decision_left_is_found_by_its_name_and_is_not_the_newest(platform):
    keep(platform, "daily-20260312T120000Z-a", "2026-03-12")
    keep(platform, "decision-20260313T120000Z-b", "2026-03-13", days=2)
    keep(platform, "decision-20260311T120000Z-c", "2026-03-11", days=1)

    newest = newest_report(platform)

    assert newest["run_id"] == "daily-20260312T120000Z-a"
    assert newest_report(platform, "decision-20260313")["run_id"] == "decision-20260313T120000Z-b"
    assert later_decision(platform, newest) == {"run_id": "decision-20260313T120000Z-b", "days": 2}
    assert later_decision(platform, newest | {"written_at": "2026-03-14T00:00:00+00:00"}) is None


def test_a_report_that_a_decision_left_is_shown_if_there_is_no_other(platform):
    keep(platform, "decision-20260313T120000Z-b", "2026-03-13")

    assert newest_report(platform)["run_id"] == "decision-20260313T120000Z-b"


def test_a_run_is_named_by_as_much_of_its_id_as_no_other_has(platform):
    keep(platform, "daily-20260312T120000Z-ab", "2026-03-12")
    keep(platform, "daily-20260312T120000Z-abc", "2026-03-13")

    assert newest_report(platform, "daily-20260312T120000Z-ab")["run_id"].endswith("-ab")
    assert newest_report(platform, "daily-20260312T120000Z-abc")["run_id"].endswith("-abc")
    with pytest.raises(NotFoundError, match="begins the ids of 2 runs"):
        newest_report(platform, "daily")
    with pytest.raises(NotFoundError, match="there is no report of run 'weekly'"):
        newest_report(platform, "weekly")


def test_a_report_of_an_earlier_form_is_not_shown_and_not_counted(platform):
    keep(platform, "daily-20260312T120000Z-new", "2026-03-12")
    keep(platform, "daily-20260313T120000Z-old", "2026-03-13", version=1)

    with pytest.raises(ConfigError, match="another version of the product: it has form 1, not 2"):
        newest_report(platform)
    assert [report["run_id"] for report in newest_reports(platform, 10)] == ["daily-20260312T120000Z-new"]


@pytest.mark.parametrize("version", [1, 2])
def test_of_a_report_of_an_earlier_form_there_is_an_outline(platform, version):
    told = {"verdict": "warn", "dq_risk_score": 11.25}
    keep(platform, "daily-20260313T120000Z-old", "2026-03-13", version=version, **told)

    found = newest_outline(platform)

    assert found["schema_version"] == version
    assert {name: found[name] for name in told} == told


@pytest.mark.parametrize("version", [0, 3])
def test_of_a_report_of_an_unknown_form_there_is_none(platform, version):
    keep(platform, "daily-20260313T120000Z-odd", "2026-03-13", version=version)

    with pytest.raises(ConfigError, match=f"it has form {version}, not 2"):
        newest_outline(platform)


@pytest.mark.parametrize(
    "read",
    [newest_report, newest_outline, lambda platform: newest_reports(platform, 10)],
    ids=["report", "outline", "reports"],
)
def test_a_report_that_was_changed_by_hand_is_refused_with_where_it_differs(platform, read):
    keep(platform, "daily-20260313T120000Z-a", "2026-03-13", dq_risk_score="low")

    with pytest.raises(ConfigError, match=r"was changed since it was written: report\.dq_risk_score is no number"):
        read(platform)


def test_a_report_whose_causes_name_nothing_is_not_whole(platform):
    cause = next(one for one in report_of_every_kind()["causes"] if one["kind"] == "loss")
    keep(platform, "daily-20260313T120000Z-a", "2026-03-13", causes=[cause])

    with pytest.raises(ConfigError, match=r"report\.causes\[0\] names no finding of the report"):
        newest_report(platform)


@pytest.mark.parametrize(
    "changed", [{"rules": [{"rule_id": 7}]}, {"contributions": 7, "dq_risk_score": "low"}, {"verdict": "fine"}]
)
def test_a_report_of_an_earlier_form_that_was_changed_by_hand_has_no_outline(platform, changed):
    keep(platform, "daily-20260313T120000Z-a", "2026-03-13", version=1, **changed)

    with pytest.raises(ConfigError, match="was changed since it was written"):
        newest_outline(platform)


def test_a_report_does_not_say_itself_where_it_lies(platform):
    keep(platform, "daily-20260313T120000Z-a", "2026-03-13", path="/etc/passwd")

    with pytest.raises(ConfigError, match="cannot be read: it is cut short, or was changed") as refused:
        newest_report(platform)

    assert "/etc/passwd" not in refused.value.message


def test_a_report_of_a_decision_that_was_changed_by_hand_is_refused_too(platform):
    keep(platform, "daily-20260312T120000Z-a", "2026-03-12")
    keep(platform, "decision-20260313T120000Z-b", "2026-03-13", rules="none")

    with pytest.raises(ConfigError, match=r"report\.rules is no array"):
        later_decision(platform, newest_report(platform))


def test_past_reports_are_those_of_the_newest_runs(platform):
    for day in range(5):
        keep(platform, f"daily-2026031{day}T120000Z-x", f"2026-03-1{day}")

    runs = [report["run_id"][6:14] for report in newest_reports(platform, 3)]

    assert runs == ["20260314", "20260313", "20260312"]


def kept_days(platform, *days, kind="daily"):
    """Keep a report of each of some days of March and April."""
    for day in days:
        run_id = f"{kind}-{day:%Y%m%d}T120000Z-x"
        report = json.dumps(written(run_id, day))
        platform.context.objects.write(f"gold/data_quality_runs/dt={day}/{run_id}.json", report.encode())


MARCH = [date(2026, 3, day) for day in range(1, 32)]


@pytest.mark.parametrize(
    ("wanted", "days"),
    [
        (1, [28, 27, 26, 25]),  # four times as many
        (10, range(28, 15, -1)),  # two weeks with the day that is shown
    ],
)
def test_the_reports_before_some_are_those_by_which_rules_judged_the_oldest_of_them(platform, wanted, days):
    kept_days(platform, *MARCH)
    kept_days(platform, *MARCH, kind="tick")
    shown = [report for report in newest_reports(platform, 10) if report["run_id"].startswith("daily")][:3]

    found = reports_before(platform, shown, wanted)

    assert [report["run_id"] for report in shown][-1].startswith("daily-20260329")
    assert [report["run_id"] for report in found] == [f"daily-202603{day}T120000Z-x" for day in days]


@pytest.mark.parametrize("text", [b"{", json.dumps(written("daily-x", "2026-03-02", rules=[{}])).encode()])
def test_a_report_before_that_cannot_be_read_is_left_out(platform, text):
    kept_days(platform, *MARCH[:3])
    platform.context.objects.write("gold/data_quality_runs/dt=2026-03-02/daily-20260302T120000Z-x.json", text)

    found = reports_before(platform, newest_reports(platform, 1), 10)

    assert [report["run_id"] for report in found] == ["daily-20260301T120000Z-x"]


def told(run_id, **names):
    """Return a report of rules by the tables that have them."""
    return {"run_id": run_id, "rules": [{"rule_id": n, "table": t, "verdict": "warn"} for t, n in names.items()]}


OF_BOTH = told("c", stays="stays:few", events="events:few")
OF_HOLDING = told("b", stays="few", events="events:few")  # one that holds rows keeps its id alone
OF_ONE = told("a", stays="few")


@pytest.mark.parametrize(
    ("reports", "name", "runs"),
    [
        ([OF_BOTH, OF_HOLDING, OF_ONE], "stays:few", ["c", "b", "a"]),
        ([OF_BOTH, OF_HOLDING, OF_ONE], "events:few", ["c", "b"]),
        ([OF_HOLDING, OF_ONE], "few", ["b", "a"]),
        ([OF_ONE, OF_BOTH], "few", ["a", "c"]),
        ([OF_ONE], "stays:few", ["a"]),
        ([told("d", stays="many"), OF_ONE], "few", ["a"]),
    ],
)
def test_a_rule_is_remembered_though_another_table_took_its_id_and_with_it_what_it_is_called(reports, name, runs):
    found = told_of(name, reports)

    assert [report["run_id"] for report, _ in found] == runs
    assert len({section["table"] for _, section in found}) == 1


def test_an_id_that_several_tables_have_is_not_the_name_of_one_rule():
    with pytest.raises(NotFoundError, match="2 tables have a rule 'few'") as refused:
        told_of("few", [OF_BOTH, OF_ONE])

    assert refused.value.next_step == "Say which: events:few, stays:few."


REPORT = {
    "run_id": "daily-1",
    "rules": RULES,
    "expectations": [{"rule_id": "expected.volume.ED", "verdict": "warn"}],
    "clocks": [{"rule_id": "clock.visits", "verdict": "fail"}],
}


def test_what_the_past_says_and_wrong_clocks_are_findings_as_well():
    names = [section["rule_id"] for section in sections_of(REPORT)]

    assert names == ["stay.short", "bed.known", "clock.visits", "expected.volume.ED"]


def test_the_refused_files_of_a_feed_are_one_finding_and_reports_of_before_have_none():
    file = {
        "source_file": "a.csv",
        "refused_at": "2026-03-02T04:00:00+00:00",
        "reason_code": "FILE_EMPTY",
        "line": None,
    }
    feeds = [{"feed_id": "visits", "refused_files": [file, file]}, {"feed_id": "flow"}]

    found = findings_of({"rules": [], "feeds": feeds})

    assert [(one["rule_id"], one["verdict"], one["day"]) for one in found] == [("refused.visits", "warn", "2026-03-02")]
    assert found[0]["sentence"] == "file a.csv was refused on 2026-03-02 04:00 UTC: it is empty"


def test_a_figure_of_several_days_is_one_finding_as_bad_as_its_worst_day():
    days = [
        {"rule_id": "expected.volume.ED", "verdict": verdict, "day": verdict} for verdict in ("warn", "fail", "warn")
    ]

    found = findings_of({"rules": RULES, "expectations": days})

    assert [(one["rule_id"], one["verdict"]) for one in found] == [
        ("stay.short", "warn"),
        ("bed.known", "pass"),
        ("expected.volume.ED", "fail"),
    ]


# stewards


@pytest.mark.parametrize("rule", ["stay.short", "expected.volume.ED", "clock.visits"])
def test_any_finding_can_be_given_to_a_steward_and_judged(platform, rule):
    stewards.assign(platform, REPORT, rule, steward=" Rui ", by="Ana", reason="why")
    given = stewards.assignments(platform)
    stewards.judge(platform, REPORT, rule, "data corrupted", by="Rui", reason=" a test file ")

    (judged,) = stewards.assignments(platform)
    assert [(one.steward, one.judgement) for one in given] == [("Rui", None)]
    assert (judged.judgement, judged.reason, judged.assigned_at) == (
        "data corrupted",
        "a test file",
        given[0].assigned_at,
    )


def test_a_judgement_of_one_run_leaves_that_of_another_alone(platform):
    for run in ("daily-1", "daily-2"):
        stewards.judge(platform, REPORT | {"run_id": run}, "stay.short", "rule too strict", by="Rui", reason=run)

    assert [(one.run_id, one.reason) for one in stewards.assignments(platform)] == [
        ("daily-1", "daily-1"),
        ("daily-2", "daily-2"),
    ]


def test_what_nothing_broke_is_given_to_nobody(platform):
    with pytest.raises(NotFoundError, match=r"nothing broke rule 'bed\.known'"):
        stewards.assign(platform, REPORT, "bed.known", steward="Rui", by="Ana", reason="why")
    with pytest.raises(ConfigError, match="--to '' names nothing"):
        stewards.assign(platform, REPORT, "stay.short", steward="", by="Ana", reason="why")

    assert stewards.assignments(platform) == []
