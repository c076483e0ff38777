from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.core.reasons import Reason
from healthcare_ops.entrypoints.cli.quality import explain, history
from healthcare_ops.entrypoints.cli.quality_findings import code_explained, explanation, print_explanation
from healthcare_ops.entrypoints.cli.quality_report import print_report
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.operations.reading import findings_of
from healthcare_ops.pipeline.quality.report.report import Report
from hospital import open_hospital
from unit.entrypoints.english import english_sentences
from unit.pipeline.quality.wording.sections import report_of_every_kind, rule_of


def kept(state, day, **names):
    """Keep a report of a day in which rules of some tables warn."""
    run_id = f"daily-202603{day}T120000Z-x"
    as_of = datetime(2026, 3, day, 12, tzinfo=UTC)
    found = {"verdict": "warn", "values": [float(day)], "checked": 9}
    rules = [
        rule_of("why", "what now", 1) | found | {"rule_id": name, "table": f"silver.{table}"}
        for table, name in names.items()
    ]
    report = Report(run_id, as_of, [as_of.date()]).document(as_of) | {"rules": rules, "dq_risk_score": 10.0}
    LocalObjects(state).write(f"gold/data_quality_runs/dt=2026-03-{day}/{run_id}.json", json.dumps(report).encode())


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Return a state directory with two reports; before the second one another table took the id of a rule."""
    with open_hospital(tmp_path_factory.mktemp("closed"), "2026-03-13T18:00:00-03:00") as hospital:
        found = hospital.state
    kept(found, 11, encounters="few")
    kept(found, 12, encounters="silver.encounters:few", stays="silver.stays:few")
    return found


def test_the_history_of_a_rule_goes_on_from_when_it_had_its_id_alone(state, capsys):
    history("silver.encounters:few", runs=30, state=state, as_json=True)

    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["measured"], run["days"], run["made_by"]) for run in runs] == [(12.0, 1, "run"), (11.0, 1, "run")]


@pytest.mark.parametrize(
    "told", [explain, lambda rule, **keys: history(rule, runs=30, **keys)], ids=["explain", "history"]
)
def test_of_an_id_that_several_tables_have_the_names_are_listed(state, told):
    with pytest.raises(NotFoundError) as refused:
        told("few", state=state, as_json=True)

    assert refused.value.next_step == "Say which: silver.encounters:few, silver.stays:few."


# In Portuguese


def printed(capsys, language, told):
    """Return what is printed of a report in a language, its lines joined as they were before a table folded them."""
    told(Words(language))
    return " ".join(capsys.readouterr().out.split())


def explained(report, words):
    for section in findings_of(report):
        print_explanation(report, section["rule_id"], explanation(report, section, words), 12.5, words)


@pytest.mark.parametrize(
    ("told", "least"),
    [(partial(print_report, every=True), 15), (explained, 60)],
    ids=["dq show", "dq explain"],
)
def test_whoever_asks_for_portuguese_reads_no_english_sentence(capsys, told, least):
    report = report_of_every_kind() | {"later_decision": {"run_id": "decision-8", "days": 2}}

    english, portuguese = (printed(capsys, language, partial(told, report)) for language in LANGUAGES)

    found = {part for part in english_sentences() if part in english}
    assert len(found) >= least
    assert {part for part in found if part in portuguese} == set()


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", "FAIL  risk score 90.00 of 100  (2026-03-01 to 2026-03-08, run daily-7)"),
        ("pt-BR", "REPROVADO  risco 90,00 de 100  (01/03/2026 a 08/03/2026, execução daily-7)"),
    ],
)
def test_a_report_begins_with_verdict_and_risk_as_the_language_writes_them(capsys, language, shown):
    print_report(report_of_every_kind(), Words(language))

    assert capsys.readouterr().out.startswith(shown)


@pytest.mark.parametrize(
    ("language", "judgement", "shown"),
    [
        ("en", None, "rule.1: Ana looks into it"),
        ("en", "rule too strict", "rule.1: Ana rule too strict: nights"),
        ("pt-BR", None, "rule.1: Ana está verificando"),
        ("pt-BR", "data corrupted", "rule.1: Ana diz que os dados estão corrompidos: nights"),
    ],
)
def test_what_a_steward_says_of_a_finding_is_told_in_the_language(capsys, language, judgement, shown):
    report = report_of_every_kind()
    given = {"rule_id": "rule.1", "steward": "Ana", "judgement": judgement, "reason": "nights"}
    runs = (report["run_id"], "daily-20260301T120000Z-a1")

    print_report(report | {"assignments": [given | {"run_id": run_id} for run_id in runs]}, Words(language))

    told = capsys.readouterr().out.splitlines()
    assert shown in told
    assert f"{shown} (run daily-20260301T120000Z-a1)" in told


def test_with_all_each_finding_is_shown_once_whether_it_is_told_by_a_cause_or_not(capsys):
    days = ("2026-03-05", "2026-03-06", "2026-03-07")
    report = report_of_every_kind()
    section = next(one for one in report["expectations"] if one["column"] == "los_min")
    report = report | {"expectations": [section | {"day": day} for day in days], "clocks": [], "shifts": []}
    report["causes"] = [one for one in report["causes"] if one["cause_id"] == section["rule_id"]]

    print_report(report, every=True)

    shown = capsys.readouterr().out
    assert [f"{section['rule_id']} {day}: " in " ".join(shown.split()) for day in days] == [True, True, True]
    assert shown.count(f"▲ {section['rule_id']} 2026-03-05") == 1


@pytest.mark.parametrize(
    ("language", "meaning", "step"),
    [
        ("en", "a time fits none of the declared formats", "compare times.formats in the feed file"),
        ("pt-BR", "um horário não segue nenhum", "confira times.formats na configuração da fonte"),
    ],
)
def test_a_reason_code_is_explained_in_both_languages(language, meaning, step):
    told = code_explained("TIME_UNREADABLE", language)

    assert told["meaning"].startswith(meaning)
    assert told["next_step"] == step


def test_every_reason_code_says_what_to_compare_and_another_name_is_none():
    assert [code for code in Reason if "next_step" not in code_explained(code, "en")] == []
    assert code_explained("FILE_EMPTY", "en")["meaning"] == "it is empty"
    assert code_explained("stay.short", "en") == {}


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "which takes 4 weeks besides the judged days: ED (0), OBS (3)."),
        ("pt-BR", "o que exige 4 semanas além dos dias avaliados: ED (0), OBS (3)."),
    ],
)
def test_all_of_a_report_names_the_places_that_no_past_judges(capsys, language, told):
    places = [{"by": "sector_id", "place": name, "weeks": weeks} for name, weeks in (("ED", 0), ("OBS", 3))]
    report = report_of_every_kind() | {"unjudged": places}

    assert told in printed(capsys, language, partial(print_report, report, every=True))
    assert told not in printed(capsys, language, partial(print_report, report))
