from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.acceptances import ACCEPT, WITHDRAW, acceptances, details_of
from healthcare_ops.operations import audit
from healthcare_ops.operations.acceptance import with_acceptances
from healthcare_ops.pipeline.quality.report.acceptance import seen_of
from healthcare_ops.pipeline.quality.report.refusals import refused_section
from unit.pipeline.quality.wording.sections import clock, figure, report_of_every_kind

AT = datetime(2026, 3, 8, 7, tzinfo=UTC)


@pytest.mark.parametrize("section", [figure(), clock()], ids=["figure", "clock"])
def test_what_is_accepted_is_read_back_as_it_was_seen(section):
    objects = MemoryObjects()
    details = details_of(section["rule_id"], [seen_of(section, is_over=False)])
    audit.record(objects, AT, who="Ana Souza", action=ACCEPT, reason="closed", details=details)

    (found,) = acceptances(objects)

    assert found.seen == seen_of(section, is_over=False)


@pytest.mark.parametrize(
    "different", [{"is_over": "yes"}, {"start": "morning"}, {"start": 8}, {"end": "2026-03-07T20:00:00+00:00"}]
)
def test_an_entry_that_does_not_tell_what_was_accepted_is_no_acceptance(different):
    objects, section = MemoryObjects(), figure()
    details = {"rule": section["rule_id"], "findings": [asdict(seen_of(section)) | different]}
    audit.record(objects, AT, who="Ana Souza", action=ACCEPT, reason="closed", details=details)

    with pytest.raises(ConfigError, match=r"00000001\.json does not tell what was accepted"):
        acceptances(objects)


@pytest.fixture
def ward():
    """A hospital of which nothing is known but what people answer for."""
    return SimpleNamespace(context=SimpleNamespace(objects=MemoryObjects(), feeds={}))


def say(ward, action, sections):
    details = details_of(sections[0]["rule_id"], [seen_of(section) for section in sections])
    audit.record(ward.context.objects, AT, who="Ana Souza", action=action, reason="a test", details=details)


def cause_of(report, cause_id):
    return next(cause for cause in report["causes"] if cause["cause_id"] == cause_id)


def clocks_of(report):
    return [one for one in report["clocks"] if one["rule_id"] == "clock.visits"]


def test_an_acceptance_since_the_report_makes_a_warning_of_the_finding_and_of_its_cause(ward):
    before = with_acceptances(ward, report_of_every_kind())
    say(ward, ACCEPT, clocks_of(before))

    after = with_acceptances(ward, before)

    assert {one["verdict"] for one in clocks_of(before)} == {"fail", "warn"}
    assert {(one["verdict"], one["accepted"]["by"]) for one in clocks_of(after)} == {("warn", "Ana Souza")}
    assert [cause_of(one, "clock.visits")["verdict"] for one in (before, after)] == ["fail", "warn"]
    assert "hops dq accept" not in cause_of(after, "clock.visits")["next_step"]
    assert (after["verdict"], after["dq_risk_score"]) == (before["verdict"], before["dq_risk_score"])


def test_taken_back_since_the_report_the_finding_counts_as_if_nobody_had_accepted_it(ward):
    before = with_acceptances(ward, report_of_every_kind())
    say(ward, ACCEPT, clocks_of(before))
    stored = with_acceptances(ward, before)
    say(ward, WITHDRAW, clocks_of(before))

    assert with_acceptances(ward, stored) == before


def test_of_a_finding_accepted_anew_the_report_names_who_answers_for_it_now(ward):
    report = report_of_every_kind()
    say(ward, ACCEPT, clocks_of(report))
    stored = with_acceptances(ward, report)
    for clock_ in clocks_of(stored):
        clock_["accepted"]["by"] = "Rui Costa"

    assert {one["accepted"]["by"] for one in clocks_of(with_acceptances(ward, stored))} == {"Ana Souza"}


def test_a_refused_file_that_was_taken_back_since_the_report_is_waited_for_no_more_and_may_be_again(ward):
    before = with_acceptances(ward, report_of_every_kind())
    (flow,) = (feed for feed in before["feeds"] if feed["feed_id"] == "flow")
    file = refused_section(flow["refused_files"][0], "flow")
    say(ward, ACCEPT, [file])
    after = with_acceptances(ward, before)
    say(ward, WITHDRAW, [file])

    (told,) = (feed for feed in after["feeds"] if feed["feed_id"] == "flow")
    assert file["source_file"] in cause_of(before, "refused.flow")["next_step"]
    assert file["source_file"] not in cause_of(after, "refused.flow")["next_step"] + told["next_step"]
    assert told["refused_files"][0]["accepted"]["reason"] == "a test"
    assert with_acceptances(ward, after) == before


def test_the_reason_is_told_beside_the_report_and_does_not_stand_in_it(ward):
    report = report_of_every_kind()
    say(ward, ACCEPT, clocks_of(report)[:1])

    (kept,) = (one.document for one in acceptances(ward.context.objects))
    shown = next(one for one in with_acceptances(ward, report)["clocks"] if "accepted" in one)["accepted"]

    assert kept == {"by": "Ana Souza", "at": AT.isoformat(), "entry": 1}
    assert (shown["entry"], shown["reason"]) == (1, "a test")
