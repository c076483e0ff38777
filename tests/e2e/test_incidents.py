"""Incidents, from a run that really failed to the person who settles them."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import pytest

from e2e.deliveries import NOW
from e2e.failing import nowhere_to_report
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.core.emf import Measured, emf_line

BY = ("--by", "Ana", "--reason", "on-call")


def run_daily(hops, desk):
    return hops("run", "--date", "2026-03-01", "--state", desk.state, "--as-of", NOW, "--json")


def incidents_of(hops, desk, *more):
    return hops("incidents", "list", *more, "--state", desk.state, "--json").document["incidents"]


@pytest.fixture
def watched(own_loaded):
    """Return the hospital, whose alarms somebody judged a moment ago."""
    beat = Measured(datetime.now(UTC) - timedelta(minutes=1), {}, {"EvaluatorBeat": 1})
    LocalMetrics(own_loaded.state / METRICS_FOLDER).write([emf_line(beat)])
    return own_loaded


@pytest.fixture
def failed(hops, watched):
    """Return the hospital and the run that failed at RunDQ, for a cause that has since been mended."""
    with nowhere_to_report(watched):
        outcome = run_daily(hops, watched)
    assert outcome.exit_code != 0
    return watched, outcome.document["run_id"]


def test_a_run_that_fails_opens_one_incident_however_often_one_looks(hops, failed):
    desk, run_id = failed

    first, second = incidents_of(hops, desk), incidents_of(hops, desk)

    (incident,) = first
    assert first == second
    assert (incident["state"], incident["severity"], incident["runbook"]) == ("open", "critical", "INC-02")
    assert [(one["alarm"], one["of"]) for one in incident["symptoms"]] == [("PipelineFailure", {"RunType": "daily"})]
    assert incident["run_ids"] == [run_id]


def test_an_incident_is_shown_with_where_it_failed_what_may_be_done_and_what_was_not_checked(hops, failed):
    desk, run_id = failed
    incidents_of(hops, desk)

    shown = hops("incidents", "show", "last", "--state", desk.state)
    document = hops("incidents", "show", "last", "--state", desk.state, "--json").document

    (run,) = document["evidence"]["failed_runs"]
    assert (run["state"], run["job"], run["attempts"]) == ("RunDQ", "dq_check", 1)
    assert run["log"]["place"].startswith("adapters/local_files.py:")
    assert "NotADirectoryError" in run["log"]["text"]
    assert f"hops redrive {run_id}" in shown.out
    assert "What could not be looked at" in shown.out
    assert [one["event"] for one in document["timeline"]] == ["opened", "symptom", "diagnosed"]


def test_an_incident_is_acknowledged_resolved_and_taken_up_again_by_named_persons(hops, failed):
    desk, _ = failed
    state = ("--state", desk.state, "--json")
    incidents_of(hops, desk)

    acknowledged = hops("incidents", "ack", "last", *BY, *state).document
    resolved = hops("incidents", "resolve", "last", *BY, *state).document
    left = incidents_of(hops, desk)
    reopened = hops("incidents", "reopen", "last", *BY, *state).document

    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "Ana")
    assert (resolved["state"], left, reopened["state"]) == ("resolved", [], "reopened")
    audited = hops("audit", "show", *state).document["entries"][::-1]
    assert [(one["action"], one["details"]["before"], one["details"]["after"]) for one in audited] == [
        ("incidents.acknowledge", "open", "acknowledged"),
        ("incidents.resolve", "acknowledged", "resolved"),
        ("incidents.reopen", "resolved", "reopened"),
    ]
    assert hops("audit", "verify", "--state", desk.state).exit_code == 0


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("show", "INC-09"), 3),
        (("ack", "INC-09", *BY), 3),
        (("ack", "last", "--by", " ", "--reason", "on-call"), 4),
        (("reopen", "last", *BY), 4),
    ],
)
def test_what_cannot_be_done_to_an_incident_is_refused_and_changes_nothing(hops, failed, words, exit_code):
    desk, _ = failed
    (before,) = incidents_of(hops, desk)

    outcome = hops("incidents", *words, "--state", desk.state)

    assert outcome.exit_code == exit_code
    assert incidents_of(hops, desk) == [before]


def test_what_a_person_approves_is_carried_out_once_and_written_down(hops, failed):
    desk, run_id = failed
    state = ("--state", desk.state)
    incidents_of(hops, desk)

    done = hops("incidents", "approve", "last", "redrive", *BY, *state)

    document = hops("incidents", "show", "last", *state, "--json").document
    audited = hops("audit", "show", *state, "--json").document["entries"][::-1]
    assert (done.exit_code, f"done ({run_id})" in done.out) == (0, True)
    assert hops("runs", "show", run_id, *state, "--json").document["status"] == "SUCCEEDED"
    assert [one["event"] for one in document["timeline"]][3:] == ["approved", "action", "action"]
    assert [(one["who"], one["action"]) for one in audited] == [("Ana", "incidents.approve"), ("hops", "incidents.act")]
    assert audited[1]["reason"] == "approved by Ana: on-call"


@pytest.mark.parametrize(
    ("action", "message"),
    [("see_log", "see_log is for people to do."), ("fly", "the incident has no action 'fly'.")],
)
def test_what_is_no_action_of_the_platform_is_not_approved(hops, failed, action, message):
    desk, _ = failed
    incidents_of(hops, desk)

    refused = hops("incidents", "approve", "last", action, *BY, "--state", desk.state)

    assert (refused.exit_code, refused.message) == (4, message)
    assert hops("audit", "show", "--state", desk.state, "--json").document["entries"] == []


def test_a_complaint_opens_one_incident_and_is_told_once(hops, watched):
    words = ("complaint", "--sector", "PS", "--at", "2026-03-03T08:00:00-03:00", "--by", "Ana", "--reason", "too-low")
    state = ("--state", watched.state, "--json")

    first, second = hops(*words, *state).document, hops(*words, *state).document

    document = hops("incidents", "show", "last", *state).document
    assert first == second
    assert (first["runbook"], first["root"]["place"]) == ("INC-03", "PS")
    assert [one["event"] for one in document["timeline"]] == ["opened", "complaint", "diagnosed"]
    unchecked = [(one["what"], one["why"]) for one in document["diagnosis"]["unchecked"]]
    assert ("predictions", "absent") in unchecked


@pytest.mark.parametrize(
    ("sector", "at", "exit_code"),
    [("MOON", "2026-03-03T08:00:00-03:00", 3), ("PS", "2099-03-03T08:00:00-03:00", 4), ("PS", "yesterday", 2)],
)
def test_a_complaint_of_nothing_that_was_is_refused(hops, watched, sector, at, exit_code):
    words = ("complaint", "--sector", sector, "--at", at, "--by", "Ana", "--reason", "too-low")

    assert hops(*words, "--state", watched.state).exit_code == exit_code
    assert incidents_of(hops, watched) == []


@pytest.mark.parametrize(
    ("language", "headings", "who"),
    [
        ("en", ("What happened", "Timeline", "What could not be checked"), "the platform"),
        ("pt-BR", ("Como foi notado", "Linha do tempo", "O que não pôde ser verificado"), "a plataforma"),
    ],
)
def test_a_post_mortem_begins_with_what_is_known_in_the_language_of_the_people(hops, failed, language, headings, who):
    desk, run_id = failed
    incidents_of(hops, desk)
    hops("incidents", "approve", "last", "redrive", *BY, "--state", desk.state)

    draft = hops("incidents", "postmortem", "last", "--lang", language, "--state", desk.state).out

    assert draft.startswith("# Post-mortem ")
    assert all(f"\n## {heading}\n" in draft for heading in headings)
    assert run_id in draft
    assert f"{who}: redrive ({run_id})" in draft
    assert "{" not in draft


def test_a_hospital_where_nothing_rings_has_no_incidents(hops, watched, tmp_path):
    assert hops("incidents", "list", "--state", watched.state).out == "no open incidents\n"
    assert hops("incidents", "list", "--all", "--state", watched.state).out == "no incidents\n"
    assert hops("incidents", "list", "--state", tmp_path / "nothing").exit_code == 3


@pytest.mark.parametrize(("language", "state"), [("en", "open"), ("pt-BR", "aberto")])
def test_the_page_of_the_hospital_names_what_is_open_and_why(hops, failed, language, state):
    desk, _ = failed
    (incident,) = incidents_of(hops, desk)

    hops("report", "--lang", language, "--state", desk.state, "--as-of", NOW)

    page = (desk.state / "report.html").read_text(encoding="utf-8")
    assert f"<li>■ {incident['incident']} ({state}): " in page


def test_who_runs_the_platform_without_somebody_who_watches_has_no_incident_of_that(hops, own_loaded):
    state = ("--state", own_loaded.state)

    assert [hops("incidents", "list", *state).out for _ in range(2)] == ["no open incidents\n"] * 2
    assert "EvaluatorSilent" in hops("alarms", *state).out


def test_commands_that_an_incident_lists_name_the_state_directory(hops, failed):
    desk, run_id = failed
    incidents_of(hops, desk)

    told = " ".join(hops("incidents", "show", "last", "--state", desk.state).out.split())

    at_state = f"--state {shlex.quote(str(desk.state))}"
    assert f"hops redrive {run_id} {at_state}" in told
    assert f"redrive --by NAME --reason WHY {at_state}" in told
