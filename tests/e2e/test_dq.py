"""`hops dq` and `hops audit`: what broke, whose data it is, what people decide about it, and who decided."""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from e2e.command import rows_of
from e2e.deliveries import HOSTILE, changed, csv_text, visit
from e2e.ward import BY, LAST_DELIVERY, MISSING, SHORT, TRIAGE, is_inert


def section(document, rule):
    (found,) = [one for one in document["rules"] if one["rule_id"] == rule]
    return found


# show, explain, history


def test_a_report_names_the_rule_the_column_the_sector_and_the_records(dq):
    document = dq("show", "--json").document

    triage = section(document, TRIAGE)
    assert (document["schema_version"], document["verdict"]) == (2, "warn")
    assert (triage["table"], triage["columns"], triage["severity"]) == ("silver.encounters", ["triage_level"], "warn")
    assert (triage["null_count"], triage["checked"], triage["thresholds"]) == (12, 22, [">= 0.8"])
    assert {(place["sector_id"], place["violations"]) for place in triage["places"]} == {("OBS", 3), ("PS", 9)}
    assert {sample["source_file"] for sample in triage["samples"]} == {"visits 14.csv"}
    assert {sample["record_no"] for sample in triage["samples"]} <= set(range(1, 13))


def test_the_report_tells_people_what_broke_and_how_to_go_on(dq):
    outcome = dq("show")

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("WARN  risk score ")
    assert outcome.out.index(f"▲ {TRIAGE}: 12 of 22 rows") < outcome.out.index("▲ warn")
    assert "✓" not in outcome.out
    assert re.search(r"\d+ rules passed.*; --all shows them\.", outcome.out)
    assert "✓ pass" in dq("show", "--all").out
    assert "next:   hops dq explain RULE" in outcome.out
    assert "· hops dq quarantine\n" in outcome.out
    assert is_inert(outcome.out)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("show",), "ALERTA  risco "),
        (("show",), "Nestes dias, 2 de 24 registros"),
        (("explain", TRIAGE), "12 de 22 linhas a violam: alerta"),
        (("explain", "quarantine"), "Registros retidos em quarentena: `hops dq quarantine` mostra a lista."),
        (("notice", "visits"), "Assunto: visits: level"),
    ],
)
def test_people_who_ask_for_portuguese_are_told_in_portuguese_and_machines_in_english(dq, words, shown):
    told = dq(*words, "--lang", "pt-BR")
    machine = dq(*words, "--lang", "pt-BR", "--json")

    assert (told.exit_code, told.err) == (0, "")
    assert shown in told.out
    assert machine.out == dq(*words, "--json").out


def test_an_earlier_run_is_shown_by_its_id(dq):
    runs = [one["run_id"] for one in dq("history", "--json").document["runs"]]

    shown = [dq("show", run, "--json").document for run in runs]

    assert [document["run_id"] for document in shown] == runs
    assert [section(document, TRIAGE)["null_count"] for document in shown] == [12, 3, 12, 0]


def test_a_finding_is_explained_with_what_to_do_and_where(dq):
    outcome = dq("explain", TRIAGE)
    document = dq("explain", TRIAGE, "--json").document

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert "12 of 22 rows break it: warn" in outcome.out
    assert "visits 14.csv" in outcome.out
    assert r"Write to \x1b[31mEvil" in outcome.out
    assert is_inert(outcome.out)
    assert (document["rule_id"], document["null_count"]) == (TRIAGE, 12)
    assert document["contribution"] > 10


def test_what_is_explained_by_default_is_the_worst_finding(dq):
    contributions = dq("show", "--json").document["contributions"]

    document = dq("explain", "--json").document

    assert document["contribution"] == max(contributions.values())


@pytest.fixture
def passed_ward(hops, own_ward):
    """Return the ward with a newest report that passed, though a few records of very many are held."""
    path = report_file(hops, own_ward)
    report = json.loads(path.read_text(encoding="utf-8"))
    for rule in report["rules"]:
        rule["verdict"] = "pass"
    changed = report | {"verdict": "pass", "dq_risk_score": 0.0, "contributions": {"quarantine": 0.0}, "causes": []}
    path.write_text(json.dumps(changed), encoding="utf-8")
    return own_ward


def test_of_a_report_that_passed_nothing_is_explained_but_what_is_asked_for(hops, passed_ward):
    explain = ("dq", "explain", "--state", passed_ward.state)

    worst, held, rule = hops(*explain), hops(*explain, "quarantine"), hops(*explain, TRIAGE)

    assert (worst.exit_code, worst.message, worst.out) == (3, "no rule is broken.", "")
    assert held.out.startswith("quarantine: no points of risk\nRecords held in quarantine: `hops dq")
    assert rule.out.startswith(f"{TRIAGE}: no points of risk\n")


def test_where_no_record_is_held_that_is_said(dq):
    first = dq("history", "--json").document["runs"][-1]["run_id"]

    outcome = dq("explain", "quarantine", "--run", first)

    assert (outcome.exit_code, outcome.message) == (3, f"in the days of run {first} no record is held.")


def test_one_run_before_is_one(dq):
    second = dq("history", "--json").document["runs"][-2]["run_id"]

    outcome = dq("explain", TRIAGE, "--run", second)

    assert "share of rows that break it, 1 run before: " in outcome.out


def test_history_tells_what_a_rule_measured_in_every_run(dq):
    runs = dq("history", TRIAGE, "--json").document["runs"]
    outcome = dq("history", TRIAGE, "--runs", "2")

    assert [(run["verdict"], run["broken"]) for run in runs] == [
        ("warn", 12),
        ("pass", 3),
        ("warn", 12),
        ("pass", 0),
    ]
    assert runs[0]["as_of"] == "2026-03-15T15:00:00+00:00"
    assert "oldest ▇▁ newest" in outcome.out.replace("█", "▇")
    assert outcome.out.count("bulk-") == 2


CLOCK = {
    "rule_id": "clock.visits",
    "feed_id": "visits",
    "day": "2026-03-14",
    "verdict": "warn",
    "offset_h": 3.0,
    "explanation": "",
    "lag_q05_h": 3.0,
    "lag_q50_h": 3.25,
    "log_likelihood_ratio": None,
    "window_days": 3,
    "arrivals": 62,
    "sentence": f"3 h ahead {HOSTILE}",
}
SHIFT = {
    "rule_id": "clock.flow.visits",
    "feed_id": "flow",
    "other_feed_id": "visits",
    "milestone": "arrival",
    "other_milestone": "triage",
    "day": "2026-03-14",
    "verdict": "fail",
    "offset_h": 3.0,
    "pairs": 62,
    "median_h": 3.5,
    "spread_h": 0.1,
    "sentence": "they disagree",
}
FIGURE = {
    "rule_id": "expected.nulls.encounters.ED.bed",
    "rule": "nulls",
    "table": "silver.encounters",
    "by": "sector_id",
    "place": "ED",
    "column": "bed",
    "day": "2026-03-14",
    "verdict": "warn",
    "sentence": "12 are missing",
    "start": "2026-03-14T14:00:00",
    "end": "2026-03-14T20:00:00",
    "observed": 12.0,
    "expected": 2.0,
    "lower": 0.0,
    "upper": 5.0,
    "score": 9.0,
    "limit": 6.0,
}
PAST = {
    "verdict": "fail",
    "dq_risk_score": 90.0,
    "clocks": [CLOCK, CLOCK | {"day": "2026-03-15", "verdict": "fail"}],
    "shifts": [SHIFT],
    "expectations": [FIGURE],
    "contributions": {CLOCK["rule_id"]: 60.0, SHIFT["rule_id"]: 20.0, FIGURE["rule_id"]: 10.0},
}


@pytest.fixture
def past_ward(hops, own_ward):
    """Return the ward, with a newest report, of before causes were told, of two clocks and a figure."""
    report = hops("dq", "show", "--state", own_ward.state, "--json").document
    path = own_ward.state / "gold" / "data_quality_runs" / "dt=2026-03-15" / f"{report['run_id']}.json"
    changed = json.loads(path.read_text(encoding="utf-8")) | PAST
    del changed["causes"]
    schema = json.loads(files("healthcare_ops.pipeline.quality.report").joinpath("report.schema.json").read_bytes())
    Draft202012Validator(schema).validate(changed)
    path.write_text(json.dumps(changed), encoding="utf-8")
    return own_ward


def test_a_wrong_clock_is_told_explained_and_given_to_a_steward_as_a_broken_rule_is(hops, past_ward):
    state = ("--state", past_ward.state)

    shown = hops("dq", "show", *state)
    explained = hops("dq", "explain", *state)
    given = hops("dq", "assign", "clock.visits", "--to", "Rui", "--by", "Ana", *state)

    assert "\n✗ clock.visits 2026-03-15: 3 h ahead" in shown.out
    assert "with it: clock.flow.visits\n" in shown.out
    assert "explains: clock.flow.visits; with them 80.00 points\n" in explained.out
    assert explained.out.startswith("clock.visits: 60.00 of the 90.00 points")
    assert "2026-03-14: 3 h ahead" in explained.out
    assert (shown.exit_code, explained.exit_code, given.exit_code) == (0, 0, 0)
    assert is_inert(shown.out + explained.out)


@pytest.mark.parametrize(
    ("name", "verdict", "evidence", "step"),
    [
        (
            CLOCK["rule_id"],
            "fail; gold keeps what it had",
            "the lag of records is 3.25 h (median; 5 % below 3 h); the hours of 62 arrivals, "
            "log likelihood ratio – over 3 days",
            "Ask the owner of feed visits what its clock says",
        ),
        (
            SHIFT["rule_id"],
            "fail; gold keeps what it had",
            "62 encounters that both tell of; median difference 3.5 h, quartiles 0.1 h apart",
            "Ask the owners of feeds flow and visits",
        ),
        (
            FIGURE["rule_id"],
            "warn; gold takes the days",
            "12 seen, 2 expected, 0 to 5 usual; score 9, told beyond 6",
            "Ask the feed's owner since when bed is left out",
        ),
    ],
)
def test_what_the_past_says_is_explained_with_verdict_evidence_and_what_to_do(
    hops, past_ward, name, verdict, evidence, step
):
    outcome = hops("dq", "explain", name, "--state", past_ward.state)
    document = hops("dq", "explain", name, "--state", past_ward.state, "--json").document

    assert f"\nverdict:  {verdict}\n" in outcome.out
    assert f"\nevidence: {evidence}\n" in outcome.out
    assert f"\nnext:     {step}" in outcome.out
    assert document["next_step"].startswith(step)
    assert (document["verdict"], document["contribution"]) == (verdict[:4], PAST["contributions"][name])
    assert [found["day"] for found in document["findings"]][:1] == ["2026-03-14"]


def test_what_somebody_answers_for_is_told_beside_the_finding_until_it_is_taken_back(hops, past_ward):
    state, who = ("--state", past_ward.state), ("--by", "Ana Souza", "--reason", "a test of the clock")
    one = (SHIFT["rule_id"], "--day", SHIFT["day"])

    done = hops("dq", "accept", *one, *who, *state)
    again = hops("dq", "accept", SHIFT["rule_id"], *who, *state)
    shown, explained = (hops("dq", *command, *state) for command in (("show",), ("explain", SHIFT["rule_id"])))
    told = hops("dq", "show", "--lang", "pt-BR", *state)
    back = hops("dq", "withdraw", *one, *who, *state)
    after = hops("dq", "show", *state)

    assert (done.exit_code, again.exit_code, back.exit_code) == (0, 0, 0)
    assert f"undo: hops dq withdraw {SHIFT['rule_id']} --day {SHIFT['day']}" in done.out
    assert "accepted already, by Ana Souza" in again.out
    assert "accepted by Ana Souza on" in shown.out
    assert "accepted by Ana Souza on" in explained.out
    assert "aceito por Ana Souza em" in told.out
    assert "accepted by" not in after.out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--day", "yesterday"), 2, "yesterday"),
        (("--day", "2026-03-15:2026-03-14"), 2, "2026-03-14 is before 2026-03-15"),
        (("--day", "2026-03-01"), 3, "is not told of 2026-03-01"),
        ((), 4, "Say which is accepted: --day DAY"),
    ],
)
def test_it_must_be_said_which_day_is_accepted(hops, past_ward, options, code, words):
    outcome = hops("dq", "accept", "clock.visits", *options, "--by", "Ana", "--reason", "x", "--state", past_ward.state)

    assert outcome.exit_code == code
    assert words in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    "command",
    [
        "dq show",
        "dq explain",
        "dq history",
        "dq notice visits",
        "dq whatif stays.few --threshold 1",
        "dq assign stays.few --to Rui --by Ana",
        "dq judge stays.few --verdict corrupted --by Rui --reason x",
        "report",
    ],
)
def test_a_report_whose_values_were_changed_by_hand_is_refused_by_name(hops, past_ward, command):
    path = Path(hops("dq", "show", "--state", past_ward.state, "--json").document["path"])
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"dq_risk_score": "low"}))

    outcome = hops(*command.split(), "--state", past_ward.state)

    assert outcome.exit_code == 4
    assert "was changed since it was written: report.dq_risk_score is no number or null" in outcome.message
    assert "hops dq check --from" in outcome.next_step


def test_history_counts_a_clock_or_a_figure_once_as_the_score_does(hops, past_ward):
    state = ("--state", past_ward.state, "--json")

    whole = hops("dq", "history", *state).document["runs"][0]
    of_clock = hops("dq", "history", CLOCK["rule_id"], *state).document["runs"]

    rules = [rule["verdict"] for rule in hops("dq", "show", *state).document["rules"]]
    assert (whole["failed"], whole["warned"]) == (rules.count("fail") + 2, rules.count("warn") + 1)
    assert [(run["verdict"], run["measured"]) for run in of_clock] == [("fail", None)]


# files that were refused at the door


def test_a_refused_file_stands_in_the_next_report_until_one_of_its_name_is_taken(hops, own_ward, tmp_path):
    state = ("--state", own_ward.state)
    start = datetime(2026, 3, 15, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    good = csv_text([visit(number, start) for number in range(9000, 9024)])
    file = own_ward.write("visits 15.csv", good + "V-9999,PATIENT-9999\n")
    page = tmp_path / "quality.html"

    refused = hops("ingest", file, "--feed", "visits", *state, "--as-of", "2026-03-16T04:00:00-03:00")
    hops("run", "--date", "2026-03-15", *state, "--as-of", "2026-03-16T12:00:00-03:00")
    shown, told = hops("dq", "show", *state, "--html", page), hops("dq", "show", *state, "--json").document
    explained = hops("dq", "explain", "refused.visits", *state)
    letter = hops("dq", "notice", "visits", *state)
    file.write_text(good, encoding="utf-8")
    hops("ingest", file, "--feed", "visits", *state, "--as-of", "2026-03-16T13:00:00-03:00")
    hops("run", "--date", "2026-03-15", *state, "--as-of", "2026-03-16T14:00:00-03:00")
    after = hops("dq", "show", *state, "--json").document

    (of_feed,) = told["feeds"]
    sentence = "file visits 15.csv was refused on 2026-03-16 07:00 UTC: line 26: a record in it cannot be read"
    assert refused.exit_code == 5
    assert [(one["reason_code"], one["line"]) for one in of_feed["refused_files"]] == [("FILE_RECORD_UNREADABLE", 26)]
    assert sentence[1:] in of_feed["diagnosis"]
    assert "for visits 15.csv again" in of_feed["next_step"]
    assert told["verdict"] == "warn"
    assert told["contributions"]["refused.visits"] > 10
    assert f"▲ refused.visits 2026-03-16: {sentence}" in shown.out
    assert sentence in page.read_text(encoding="utf-8")
    assert "evidence: FILE_RECORD_UNREADABLE; SHA-256 " in explained.out
    assert "next:     Ask the owner of feed visits for the file again" in explained.out
    assert is_inert(shown.out + explained.out)
    assert "- file visits 15.csv was refused on 2026-03-16 07:00 UTC: line 26: " in letter.out
    assert "-9999" not in letter.out
    assert "PATIENT-9999" not in json.dumps(told) + page.read_text(encoding="utf-8")
    assert [feed["refused_files"] for feed in after["feeds"]] == [[]]
    assert "refused.visits" not in after["contributions"]


def test_a_refused_file_that_is_accepted_is_told_to_count_no_more_in_the_next_report(hops, own_ward):
    state = ("--state", own_ward.state)
    file = own_ward.write("20260315", "milk,eggs\n")
    hops("ingest", file, "--feed", "visits", *state, "--as-of", "2026-03-16T04:00:00-03:00")

    done = hops("dq", "accept", "refused.visits", *BY, *state)

    assert done.exit_code == 0
    assert "The next report counts it no more.\nundo: hops dq withdraw refused.visits --file 20260315 " in done.out


# reports that are not what they were


def report_file(hops, ward):
    report = hops("dq", "show", "--state", ward.state, "--json").document
    return ward.state / "gold" / "data_quality_runs" / "dt=2026-03-15" / f"{report['run_id']}.json"


def test_a_check_shows_its_own_report_whatever_others_say_of_later_instants(hops, own_ward):
    state = ("--state", own_ward.state)
    path = report_file(hops, own_ward)
    path.write_text(path.read_text(encoding="utf-8").replace('"written_at": "2026', '"written_at": "2027'))

    checked = hops("dq", "check", "--from", "2026-03-14", "--to", "2026-03-14", *state, "--json").document

    assert checked["run_id"] != path.stem
    assert (checked["days"]["first"], checked["days"]["last"]) == ("2026-03-14", "2026-03-14")


@pytest.mark.parametrize(
    ("first", "last", "code", "why"),
    [
        ("2027-01-01", "2027-01-02", 3, "silver holds no day from 2027-01-01 to 2027-01-02"),
        ("2026-03-14", "2026-03-13", 2, "2026-03-13 is before 2026-03-14"),
    ],
)
def test_without_a_day_to_judge_a_check_shows_no_report_of_others(hops, own_ward, first, last, code, why):
    outcome = hops("dq", "check", "--from", first, "--to", last, "--state", own_ward.state)

    assert (outcome.exit_code, outcome.out) == (code, "")
    assert why in outcome.err


def test_a_day_of_which_every_record_is_held_is_judged_and_one_without_a_record_is_named(hops, own_ward):
    state = ("--state", own_ward.state)
    start = datetime(2026, 3, 20, 8)  # noqa: DTZ001  # the hospital's wall clock
    rows = [visit(number, start, place="nowhere") for number in range(9100, 9110)]
    file = own_ward.write("nowhere.csv", csv_text(rows))
    hops("ingest", file, "--feed", "visits", *state, "--as-of", "2026-03-21T04:00:00-03:00")
    hops("run", "--date", "2026-03-20", *state, "--as-of", "2026-03-21T06:00:00-03:00")

    days = ("--from", "2026-03-20", "--to", "2026-03-22")
    check = ("dq", "check", *days, *state, "--as-of", "2026-03-23T06:00:00-03:00")
    checked, said = hops(*check, "--json"), hops(*check)

    (feed,) = checked.document["feeds"]
    (warning,) = checked.document["warnings"]
    assert (checked.exit_code, checked.document["verdict"]) == (6, "fail")
    assert (feed["counts"]["delivered"], feed["counts"]["quarantined"]) == (10, 10)
    assert warning["code"] == "NO_RECORDS"
    assert "no delivery has a record of 2026-03-21 to 2026-03-22" in warning["message"]
    assert warning["message"] in said.err


@pytest.mark.parametrize("text", ["{}", '{"run_id": "x', "[]"])
@pytest.mark.parametrize("words", [("show",), ("history",), ("explain",)])
def test_a_damaged_report_is_named_with_what_to_do(hops, own_ward, words, text):
    path = report_file(hops, own_ward)
    path.write_text(text)

    outcome = hops("dq", *words, "--state", own_ward.state)

    assert outcome.exit_code == 4
    assert f"{path.name} cannot be read" in outcome.message.replace("\n", "")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("quality_decisions.json", ("release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY)),
        ("quality_findings.json", ("show",)),
    ],
)
def test_a_damaged_file_of_decisions_or_findings_is_named(hops, own_ward, file, words):
    (own_ward.state / "ops" / file).write_text("[{")

    outcome = hops("dq", *words, "--state", own_ward.state)

    assert outcome.exit_code == 4
    assert f"{file} cannot be read" in outcome.message.replace("\n", "")


# notice


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "^To: it@hospital.example\nSubject: visits: level\n",
                "2026-03-14",
                "- column level, sector PS: 9 of 17 records without a value",
                "Records to look at",
                r"- visits 14\.csv, \d+\n",
            ],
        ),
        (
            "pt-BR",
            [
                "^Para: it@hospital.example\nAssunto: visits: level\n",
                "14/03/2026",
                "- coluna level, setor PS: 9 de 17 registros sem valor",
                "Registros a verificar",
                r"- visits 14\.csv, \d+\n",
            ],
        ),
    ],
)
def test_a_notice_tells_the_supplier_what_is_missing_where_and_when(dq, language, words):
    outcome = dq("notice", "visits", "--lang", language)

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert not [word for word in words if not re.search(word, outcome.out)]
    assert is_inert(outcome.out)


def test_a_notice_to_a_feed_that_is_not_there_names_those_that_are(dq):
    outcome = dq("notice", "nofeed")

    assert outcome.exit_code == 3
    assert outcome.message.endswith(" tells of no feed 'nofeed'; it tells of: visits.")


def test_a_notice_for_machines_has_both_languages(dq):
    document = dq("notice", "visits", "--json").document

    assert (document["feed_id"], document["to"]) == ("visits", "it@hospital.example")
    assert document["text"].keys() == {"en", "pt-BR"}


# quarantine


def figures(state):
    """Return the hours of the day on which records are held, and of the next one."""
    days = ("'dt': datetime.date(2026, 3, 14)", "'dt': datetime.date(2026, 3, 15)")
    return [row for row in rows_of(state)["gold.ops_metrics_hourly"] if any(day in row for day in days)]


def test_a_release_lets_records_in_as_if_they_had_never_been_held_and_can_be_undone(hops, own_ward):
    state = ("--state", own_ward.state)
    about = ("--rule", SHORT, "--batch", LAST_DELIVERY, *BY, *state)
    held, without = rows_of(own_ward.state), figures(own_ward.state)

    released = hops("dq", "release", *about)
    after_release = figures(own_ward.state)
    undone = hops("dq", "hold", *about, "--json")
    after_hold = rows_of(own_ward.state)
    hops("dq", "rules", "drop", "silver.encounters", *BY, *state)
    rebuilt = hops("backfill", "--from", "2026-03-13", "--to", "2026-03-15", *state)

    assert (released.exit_code, released.err) == (0, "")
    assert f"Records of {LAST_DELIVERY} that {SHORT} holds: 2 (2026-03-14); 2 of them are let in." in released.out
    assert f"undo: hops dq hold --rule {SHORT} --batch {LAST_DELIVERY}" in released.out
    assert [undone.document[name] for name in ("kind", "records", "days")] == ["hold", 2, ["2026-03-14"]]
    assert (undone.exit_code, rebuilt.exit_code, after_hold) == (0, 0, held)
    assert after_release == figures(own_ward.state)
    assert after_release != without


def test_after_a_decision_the_report_of_the_run_is_still_the_one_that_people_see(hops, own_ward):
    state = ("--state", own_ward.state)
    before = hops("dq", "show", *state, "--json").document

    hops("dq", "release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY, *state)
    hops("dq", "check", "--from", "2026-03-05", "--to", "2026-03-08", *state, "--as-of", "2026-03-10T12:00:00-03:00")
    shown = hops("dq", "show", before["run_id"], *state)
    runs = hops("dq", "history", *state, "--json").document["runs"]

    made = {run["made_by"]: run for run in runs}
    assert [run["made_by"] for run in runs].count("run") == len(MISSING)
    assert (made["decision"]["days"], made["check"]["days"]) == (1, 2)
    assert made["check"]["run_id"].startswith("check-20260310T150000Z-")
    assert "later:" not in shown.out  # who names a run wants no other


def test_a_decision_leaves_its_own_report_beside_the_newest_and_says_so(hops, own_ward):
    state = ("--state", own_ward.state)
    before = hops("dq", "show", *state, "--json").document

    hops("dq", "release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY, *state)
    after = hops("dq", "show", *state, "--json").document
    shown, given = hops("dq", "show", *state), hops("dq", "assign", TRIAGE, "--to", "Rui", "--by", "Ana", *state)
    noticed = hops("dq", "notice", "visits", *state)
    history = hops("dq", "history", *state)

    later = after["later_decision"]
    assert (before["later_decision"], after["run_id"], later["days"]) == (None, before["run_id"], 1)
    assert f"later:  a report of 1 day after a decision: hops dq show {later['run_id']}" in shown.out
    assert f"looks into {TRIAGE} of run {before['run_id']}" in given.out.replace("\n", " ")
    assert noticed.exit_code == 0
    assert "made by" in history.out
    assert hops("dq", "show", later["run_id"], *state, "--json").document["days"]["count"] == 1


def test_rejected_records_stay_out_and_say_so(hops, own_ward):
    state = ("--state", own_ward.state)

    outcome = hops("dq", "reject", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY, *state)

    shown = hops("dq", "quarantine", *state, "--json").document["records"]
    assert outcome.exit_code == 0
    assert "they stay out, and are marked as rejected" in outcome.out
    assert [record["state"] for record in shown] == ["rejected", "rejected"]


def test_who_releases_without_a_name_or_a_reason_releases_nothing(hops, own_ward):
    about = ("dq", "release", "--rule", SHORT, "--batch", LAST_DELIVERY, "--state", own_ward.state)

    nobody = hops(*about, "--by", " ", "--reason", "x")
    hostile = hops(*about, "--by", "Ana", "--reason", HOSTILE)
    unsaid = hops(*about, "--by", "Ana")

    shown = hops("dq", "quarantine", "--state", own_ward.state, "--json").document["records"]
    assert [outcome.exit_code for outcome in (nobody, hostile, unsaid)] == [4, 4, 2]
    assert is_inert(hostile.err)
    assert {record["state"] for record in shown} == {"held"}


# stewards


def test_a_finding_is_given_to_a_steward_whose_judgement_the_report_shows(hops, own_ward):
    state = ("--state", own_ward.state)
    given = hops("dq", "assign", TRIAGE, "--to", "Rui [red]Costa", "--by", "Ana Souza", *state)
    looks = hops("dq", "show", *state).out
    judged = hops("dq", "judge", TRIAGE, "--verdict", "too-strict", "--by", "Rui Costa", "--reason", "a form", *state)

    shown = hops("dq", "show", *state).out
    (kept,) = hops("dq", "show", *state, "--json").document["assignments"]
    entries = hops("audit", "show", *state, "--limit", 2, "--json").document["entries"]
    assert (given.exit_code, judged.exit_code) == (0, 0)
    assert f"{TRIAGE}: Rui [red]Costa looks into it" in looks
    assert f"{TRIAGE}: Rui Costa rule too strict: a form" in shown
    assert f"next:   hops dq whatif {TRIAGE}" in judged.out
    assert (kept["judgement"], kept["reason"], kept["steward"]) == ("rule too strict", "a form", "Rui Costa")
    assert [(entry["action"], entry["who"]) for entry in entries] == [
        ("dq.judge", "Rui Costa"),
        ("dq.assign", "Ana Souza"),
    ]


# audit


def test_the_audit_log_shows_who_did_what_and_why(hops, first_ward):
    outcome = hops("audit", "show", "--state", first_ward.state)
    verified = hops("audit", "verify", "--state", first_ward.state)
    document = hops("audit", "verify", "--state", first_ward.state, "--json").document

    assert (outcome.exit_code, verified.exit_code) == (0, 0)
    assert "Ana Souza" in outcome.out
    assert "seen in the [bold]chart[/bold] <b>" in outcome.out
    assert verified.out == "Entries: 1, and each follows the one before it.\n"
    assert (document["entries"], document["faults"], len(document["newest_hash"])) == (1, [], 64)


@pytest.mark.parametrize("damage", ["changed", "gone", "no entry"])
def test_an_audit_log_that_somebody_wrote_in_is_found(hops, own_ward, damage):
    state = ("--state", own_ward.state)
    for _ in range(2):
        hops("dq", "assign", TRIAGE, "--to", "Rui", "--by", "Ana", *state)
    second = own_ward.state / "ops" / "audit" / "00000002.json"
    if damage == "gone":
        second.unlink()
    else:
        second.write_text(
            second.read_text().replace("Rui", "Eve") if damage == "changed" else '{"who": "\x1b[2J"}', encoding="utf-8"
        )

    outcome = hops("audit", "verify", *state)

    assert outcome.exit_code == 4
    assert "the audit log is not whole" in outcome.message
    assert is_inert(outcome.out + outcome.err)


# exit codes

COMMANDS_WITHOUT_SUBJECT = [
    ["show", "no-such-run"],
    ["explain", "no.such.rule"],
    ["history", "no.such.rule"],
    ["notice", "no-such-feed"],
    ["whatif", "no.such.rule", "--threshold", "1"],
    ["rules", "adopt", "no-such-folder/silver.encounters.dqdl", *BY],
    ["rules", "drop", "silver.events", *BY],
    ["release", "--rule", "no.such.rule", "--batch", LAST_DELIVERY, *BY],
    ["release", "--rule", SHORT, "--batch", "visits-000001", *BY],
    ["reject", "--rule", f"{SHORT},{SHORT}", "--batch", LAST_DELIVERY, *BY],
    ["hold", "--rule", "no.such.rule", "--batch", LAST_DELIVERY, *BY],
    ["assign", "no.such.rule", "--to", "Rui", *BY],
    ["judge", "no.such.rule", "--verdict", "corrupted", *BY],
]


@pytest.mark.parametrize("words", COMMANDS_WITHOUT_SUBJECT, ids=lambda words: " ".join(words[:2]))
def test_what_is_not_there_ends_with_3_and_a_next_step(dq, words):
    outcome = dq(*words)

    assert outcome.exit_code == 3
    assert outcome.next_step
    assert outcome.out == ""


def test_a_run_is_not_guessed_from_letters_that_several_begin_with(dq):
    outcome = dq("show", "bulk-2026")

    assert outcome.exit_code == 3
    assert "begins the ids of 4 runs" in outcome.message


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["whatif", TRIAGE, "--threshold", "a\x1b[2Jb"], 4),
        (["whatif", TRIAGE, "--threshold", "nan"], 4),
        (["whatif", TRIAGE, "--threshold", '0.5 where "1 = 1"'], 4),
        (["whatif", TRIAGE], 2),
        (["whatif", TRIAGE, "--threshold", "1", "--runs", "0"], 2),
        (["notice", "visits", "--lang", "la\x1btin"], 2),
        (["judge", TRIAGE, "--verdict", "fine\x1b", *BY], 2),
        (["assign", TRIAGE, "--to", "Rui\x1b[2J", *BY], 4),
        (["assign", TRIAGE, "--to", " ", *BY], 4),
        (["release", "--rule", "TIME_UNREADABLE", "--batch", LAST_DELIVERY, *BY], 4),
        (["check", "--rules", "a.dqdl"], 2),
        (["check", "--data", "a.csv"], 2),
        (["check", "--reference", "b=b.csv"], 2),
        (["check", "--rules", "a.dqdl", "--data", "a.csv", "--from", "2026-03-01"], 2),
        (["check", "--rules", "a.dqdl", "--data", "a.csv", "--reference", "b.csv"], 2),
        (["check", "--rules", "a.dqdl", "--data", "a.csv", "--reference", "primary=b.csv"], 2),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else str(value),
)
def test_what_cannot_be_meant_is_refused(dq, words, code):
    outcome = dq(*words)

    assert outcome.exit_code == code
    assert is_inert(outcome.out + outcome.err)


# no identifier


def test_no_identifier_of_a_patient_leaves_raw_by_way_of_data_quality(hops, own_ward, tmp_path):
    state = ("--state", own_ward.state)
    start = datetime(2026, 3, 15, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    # Where a wrong mapping would put them, too.
    misplaced = [
        visit(9001, start, place="PATIENT-9001"),
        visit(9002, start, level="V-9002"),
        visit(9003, start) | {"arrival": "PATIENT-9003"},
        visit(9004, start, place="V-4711"),  # another patient's
    ]
    file = own_ward.write("misplaced.csv", csv_text(misplaced))
    # The place is the bed's, too.
    feed = own_ward.state / "feeds" / "visits.toml"
    feed.write_text(changed(feed.read_text("utf-8"), 'sector = "place"\n', 'sector = "place"\nbed = "place"\n'))
    page = tmp_path / "quality.html"
    outcomes = [
        hops("ingest", file, "--feed", "visits", *state),
        hops("run", "--date", "2026-03-15", "--as-of", "2026-03-16T12:00:00-03:00", *state),
        *(
            hops("dq", *words, *state)
            for words in (
                ("show", "--html", page),
                ("show", "--json"),
                ("quarantine",),
                ("quarantine", "--json"),
                ("explain",),
                ("explain", TRIAGE, "--json"),
                ("notice", "visits", "--run", "bulk-20260315"),
                ("notice", "visits", "--run", "bulk-20260315", "--lang", "pt-BR"),
                ("assign", TRIAGE, "--to", "Rui Costa", "--by", "Ana Souza", "--run", "bulk-20260315"),
                ("release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY),
            )
        ),
    ]

    kept = [page, *(path for name in ("gold", "ops", "rules") for path in (own_ward.state / name).rglob("*.*"))]
    texts = [outcome.out + outcome.err for outcome in outcomes] + [path.read_text(encoding="utf-8") for path in kept]
    numbers = [4711, 9001, 9002, 9003, 9004, *(day * 100 + hour for day in MISSING for hour in range(24))]
    identifiers = [f"{kind}-{number}" for number in numbers for kind in ("V", "PATIENT")]
    assert [outcome.exit_code for outcome in outcomes] == [0] * len(outcomes)
    assert {path.suffix for path in kept} >= {".html", ".json", ".jsonl", ".dqdl"}
    assert not {name for name in identifiers for text in texts if name in text}
    # They were there to be found.
    assert "V-1423,PATIENT-1423," in (own_ward.folder / "visits 14.csv").read_text(encoding="utf-8")
