"""A person answers for what nobody can mend: the run goes on with its days, and nothing else is let pass."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.jobs.refusals import keep_refused
from healthcare_ops.operations.acceptance import accept, with_acceptances, withdraw
from healthcare_ops.operations.reading import newest_report
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile
from weeks import LAST, arrivals, open_with_a_past, visits

ED = "expected.volume.silver.encounters.ED"
FULL = 'Rules = [ RowCount > 100 labels=["id"="day.full", "severity"="fail"] ]'
BY = {"by": "Ana Souza", "reason": "the ward was closed"}


@pytest.fixture
def hospital(tmp_path):
    with open_with_a_past(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def gap(tmp_path_factory):
    """A hospital of which a third of a day came, and nobody has said anything about it."""
    with open_with_a_past(tmp_path_factory.mktemp("gap")) as opened:
        deliver(opened, 0.3)
        yield opened


def deliver(hospital, share, name="day", day=LAST):
    """Let so much of a usual day come and be judged."""
    hospital.deliver("visits", visits(arrivals(day, np.random.default_rng(6), share), name), f"{name}.csv")
    with suppress(QualityError):  # the report says why
        hospital.refine()


def failed(hospital):
    """Return what of the newest report fails, by name and day."""
    report = newest_report(hospital.platform)
    told = [*report["rules"], *report["expectations"], *report["clocks"]]
    return {(one["rule_id"], one.get("day")) for one in told if one["verdict"] == "fail"}


def days_in_gold(hospital):
    return {row["dt"] for row in hospital.rows(OPS_METRICS_HOURLY) if row["arrivals_count"]}


def accept_all(hospital):
    """Accept what fails, one finding after the other, as the report names them; return what came of the last."""
    done, accepted = None, []
    while names := sorted(failed(hospital)):
        assert names[0] not in accepted  # nothing fails on once somebody has accepted it
        accepted.append(names[0])
        done = accept(hospital.platform, names[0][0], [names[0][1]], **BY)
    return done


def test_gold_takes_a_day_once_somebody_answers_for_all_that_fails_of_it(hospital):
    deliver(hospital, 0.3)
    before, score = days_in_gold(hospital), newest_report(hospital.platform)["dq_risk_score"]

    done = accept_all(hospital)

    report = newest_report(hospital.platform)
    (told,) = (one for one in report["expectations"] if one["rule_id"] == ED)
    assert LAST not in before
    assert LAST in days_in_gold(hospital)
    assert done.failure is None
    assert (report["verdict"], told["verdict"], told["accepted"]["verdict"]) == ("warn", "warn", "fail")
    assert (told["accepted"]["by"], "reason" in told["accepted"]) == ("Ana Souza", False)
    assert 10 <= report["contributions"][ED] <= 20
    assert report["dq_risk_score"] < 60 <= score


def test_a_day_that_waits_for_weeks_fails_as_it_did_when_it_was_due(hospital):
    deliver(hospital, 0.3)
    due = failed(hospital)
    hospital.at(f"{LAST + timedelta(days=36)}T00:10:00-03:00")

    with suppress(QualityError):
        hospital.refine()

    assert due
    assert failed(hospital) == due
    assert LAST not in days_in_gold(hospital)


def test_of_a_history_that_was_loaded_at_once_the_report_says_that_its_past_judges_nothing(hospital):
    at_once = newest_report(hospital.platform)["unjudged"]
    deliver(hospital, 1.0)

    assert at_once == [
        {"by": "feed_id", "place": "visits", "weeks": 0},
        {"by": "sector_id", "place": "ED", "weeks": 0},
    ]
    assert newest_report(hospital.platform)["unjudged"] == []


def test_what_fails_says_by_which_command_a_person_accepts_it(gap):
    with pytest.raises(QualityError) as error:
        gap.refine()

    (told,) = (one for one in newest_report(gap.platform)["expectations"] if one["rule_id"] == ED)
    command = f"`hops dq accept {ED} --day {LAST} --by NAME --reason WHY`"
    assert command in told["next_step"]
    assert command in error.value.next_step


def test_one_accepted_finding_hides_no_other_of_the_same_day(hospital):
    context = replace(hospital.context, rules={**hospital.context.rules, ENCOUNTERS.id: FULL})
    hospital.platform = replace(hospital.platform, context=context)
    deliver(hospital, 0.3)

    done = accept(hospital.platform, ED, [f"{LAST}"], **BY)

    assert "rule day.full" in done.failure.message
    assert failed(hospital) == {("day.full", None)}
    assert LAST not in days_in_gold(hospital)


@pytest.mark.parametrize(
    ("more", "fault"),
    [(3.0, "doubled"), (0.02, "as it was")],
)
def test_an_accepted_gap_lets_no_flood_of_the_same_day_pass(hospital, more, fault):
    deliver(hospital, 0.3)
    accept_all(hospital)

    deliver(hospital, more, "more")

    assert (failed(hospital) == set()) == (fault == "as it was")


def test_another_day_is_not_accepted_by_what_was_said_of_the_one_before(hospital):
    deliver(hospital, 0.3)
    accept_all(hospital)
    tomorrow = LAST + timedelta(days=1)
    hospital.at("2026-03-14T00:10:00-03:00")

    deliver(hospital, 0.3, "tomorrow", tomorrow)

    assert (ED, f"{tomorrow}") in failed(hospital)
    assert tomorrow not in days_in_gold(hospital)


def test_accepted_twice_nothing_is_written_and_it_is_told_who_did(hospital):
    deliver(hospital, 0.3)
    accept_all(hospital)
    before = entries(hospital.context.objects)

    again = accept(hospital.platform, ED, [f"{LAST}"], by="Rui Costa", reason="closed")

    assert entries(hospital.context.objects) == before
    assert (again.already.by, again.jobs) == ("Ana Souza", {})


def test_taken_back_the_finding_fails_again_and_gold_keeps_what_it_took(hospital):
    deliver(hospital, 0.3)
    accept_all(hospital)

    back = withdraw(hospital.platform, ED, [], by="Rui Costa", reason="it was open")
    written = len(entries(hospital.context.objects))
    again = withdraw(hospital.platform, ED, [f"{LAST}"], by="Rui Costa", reason="it was open")

    shown = with_acceptances(hospital.platform, newest_report(hospital.platform))
    (told,) = (one for one in shown["expectations"] if one["rule_id"] == ED)
    assert (told["verdict"], "accepted" in told) == ("fail", False)
    assert shown["causes"][0]["verdict"] == "fail"
    assert "ED has" in back.failure.message
    assert LAST in days_in_gold(hospital)
    assert again.already.by == "Rui Costa"
    assert len(entries(hospital.context.objects)) == written


def test_an_acceptance_is_an_entry_of_the_audit_log_that_counts_as_long_as_it_is_there(hospital):
    deliver(hospital, 0.3)
    accept(hospital.platform, ED, [f"{LAST}"], **BY)

    (entry,) = entries(hospital.context.objects)
    assert (entry.action, entry.who, entry.reason) == ("dq.accept", "Ana Souza", "the ward was closed")
    assert (entry.details["rule"], entry.details["of"]) == (ED, f"{LAST}")
    (hospital.state / "ops" / "audit" / "00000001.json").unlink()
    with pytest.raises(QualityError):
        hospital.refine("dq_check", days=[LAST])
    assert (ED, f"{LAST}") in failed(hospital)


@pytest.mark.parametrize(
    ("rule_id", "of", "error", "words"),
    [
        (ED, ["2026-03-11"], NotFoundError, "not told of 2026-03-11"),
        ("expected.volume.silver.encounters.WARD", [], NotFoundError, "found nothing by the name"),
        ("batch_accounts.quarantined.few", [], ConfigError, "is a rule"),
        ("refused.visits", [], NotFoundError, "no file of a feed 'visits'"),
    ],
)
def test_only_what_the_report_tells_of_the_past_can_be_accepted(gap, rule_id, of, error, words):
    with pytest.raises(error, match=words):
        accept(gap.platform, rule_id, of, **BY)

    assert entries(gap.context.objects) == []


def refused(name="list.csv", digest="0"):
    return RefusedFile(name, digest * 64, datetime(2026, 3, 13, 3, tzinfo=UTC), FileFault.FILE_EMPTY)


def test_a_refused_file_that_was_never_the_supplier_s_is_taken_back_by_name(hospital):
    keep_refused(hospital.context.objects, "visits", [refused(), refused("other.csv", "1")])
    accept(hospital.platform, "refused.visits", ["list.csv"], by="Ana Souza", reason="my shopping list")

    deliver(hospital, 1.0)

    report = newest_report(hospital.platform)
    (feed,) = (feed for feed in report["feeds"] if feed["feed_id"] == "visits")
    files = {file["source_file"]: file.get("accepted", {}).get("by") for file in feed["refused_files"]}
    assert files == {"list.csv": "Ana Souza", "other.csv": None}
    assert "list.csv" not in feed["diagnosis"] + feed["next_step"]
    assert "other.csv" in feed["next_step"]
    assert report["contributions"]["refused.visits"] == pytest.approx(10 * (1 + 1 / 3), abs=0.01)


def test_another_file_of_a_name_that_was_taken_back_is_told(hospital):
    keep_refused(hospital.context.objects, "visits", [refused()])
    accept(hospital.platform, "refused.visits", [], by="Ana Souza", reason="my shopping list")
    keep_refused(hospital.context.objects, "visits", [refused(digest="2")])

    deliver(hospital, 1.0)

    assert newest_report(hospital.platform)["contributions"]["refused.visits"] > 10


def test_a_report_with_an_acceptance_is_as_the_schema_says(hospital):
    keep_refused(hospital.context.objects, "visits", [refused()])
    accept(hospital.platform, "refused.visits", [], by="Ana Souza", reason="my shopping list")
    deliver(hospital, 0.3)
    accept(hospital.platform, ED, [], **BY)
    path = Path(newest_report(hospital.platform)["path"])

    schema = json.loads(files("healthcare_ops.pipeline.quality.report").joinpath("report.schema.json").read_bytes())
    report = json.loads(path.read_text(encoding="utf-8"))
    assert any("accepted" in one for one in report["expectations"])
    assert list(Draft202012Validator(schema).iter_errors(report)) == []
