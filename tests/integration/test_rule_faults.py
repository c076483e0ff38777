"""Rules that pass every look at their text, and fail on the rows."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from dataclasses import replace

import pytest

from healthcare_ops.core.errors import ConfigError, QualityError, Reason
from healthcare_ops.core.tables import ENCOUNTERS, ENCOUNTERS_RAW
from healthcare_ops.jobs.rule_faults import ask_once, judge_each
from healthcare_ops.pipeline.quality.evaluate import Finding
from healthcare_ops.pipeline.quality.wording.rules import fault_text
from hospital import open_hospital, visit
from unit.pipeline.quality.judging import checks_of

NOW = "2026-03-13T18:00:00-03:00"
NAME = "MARIA 12345678900"
OVERFLOW = 'RowCount = 0 where "triage_level * 9223372036854775807 > 1" labels=["id"="too.large", "severity"="{}"]'
SOUND = 'RowCount > 0 labels=["id"="some"]'


def judged_by(hospital, table, text):
    """Let two visits be judged by these rules; return the report, and what the job ended with."""
    context = replace(hospital.context, rules={**hospital.context.rules, table.id: text})
    hospital.platform = replace(hospital.platform, context=context)
    hospital.deliver(
        "visits", [visit("V-1", "2026-03-12T10:00:00"), visit("V-2", "2026-03-12T11:00:00", place=NAME)], "a.csv"
    )
    failure = None
    try:
        hospital.refine()
    except QualityError as error:
        failure = error
    (key,) = hospital.context.objects.list("gold/data_quality_runs/")
    return json.loads(hospital.context.objects.read(key)), failure


@pytest.mark.parametrize("severity", ["warn", "fail"])
def test_a_rule_that_overflows_counts_as_broken_and_the_others_are_judged(tmp_path, severity):
    text = f"Rules = [\n {OVERFLOW.format(severity)},\n {SOUND}\n]"
    with open_hospital(tmp_path, NOW) as hospital:
        report, failure = judged_by(hospital, ENCOUNTERS, text)

    found = {rule["rule_id"]: rule for rule in report["rules"]}
    fault, step = found["too.large"]["fault"], found["too.large"]["next_step"]
    assert (found["some"]["verdict"], found["too.large"]["verdict"], report["verdict"]) == ("pass", severity, severity)
    assert fault.startswith("rules/silver.encounters.dqdl, line 2: it cannot be judged: ")
    assert "`hops dq rules adopt`" in step
    assert "`hops dq rules drop silver.encounters`" in step
    assert (failure is None) == (severity == "warn")
    assert failure is None or ("rule too.large" in failure.message and step in failure.next_step)


def test_what_a_query_fails_on_is_not_told(tmp_path):
    text = f'Rules = [ CustomSql "select count(*) from primary where sector = 5" = 0, {SOUND} ]'
    with open_hospital(tmp_path, NOW) as hospital:
        report, failure = judged_by(hospital, ENCOUNTERS_RAW, text)

    (fault,) = (rule["fault"] for rule in report["rules"] if "fault" in rule)
    assert "conversion" in fault
    assert NAME not in str(failure)
    assert NAME not in json.dumps(report)


@pytest.mark.parametrize(
    "query", ["select max(triage_level) from primary where 1 = 0", "select max(encounter_id) from primary"]
)
def test_a_query_that_gives_no_number_of_rows_that_are_there_breaks_its_rule(tmp_path, query):
    text = f'Rules = [ CustomSql "{query}" > 0 labels=["id"="odd", "severity"="warn"], {SOUND} ]'
    with open_hospital(tmp_path, NOW) as hospital:
        report, _ = judged_by(hospital, ENCOUNTERS, text)

    told = {rule["rule_id"]: rule for rule in report["rules"]}["odd"]
    assert (told["verdict"], told["fault_code"]) == ("warn", "no_number")
    assert told["fault"].endswith("line 1: it cannot be judged: its query gives no number.")
    assert fault_text(told, "pt-BR").endswith("linha 1: não pode ser avaliada: sua consulta não resulta em um número.")


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (ENCOUNTERS, 'ColumnValues "triage_level" > 0 where "triage_level * 9223372036854775807 > 1"'),
        (ENCOUNTERS_RAW, 'ColumnValues "sector" != "X" where "length(sector) * 9223372036854775807 > 1"'),
    ],
    ids=lambda value: getattr(value, "id", "rule"),
)
def test_a_rule_that_holds_rows_and_fails_on_them_holds_none_and_is_told(tmp_path, table, rule):
    held = f'{rule} labels=["id"="too.large", "severity"="warn", "on_failure"="quarantine"]'
    with open_hospital(tmp_path, NOW) as hospital:
        report, failure = judged_by(hospital, table, f"Rules = [ {held}, {SOUND} ]")
        encounters = hospital.rows(ENCOUNTERS)

    told = {one["rule_id"]: one for one in report["rules"]}["too.large"]
    assert failure is None
    assert len(encounters) == 1  # of the other the sector is unknown
    assert (told["verdict"], told["fault_code"]) == ("warn", "stopped")


def overflowing(*ids):
    def judge(checks):
        if any(check.rule_id in ids for check in checks):
            raise OverflowError(NAME)
        return [Finding(check, "pass", 1, 0) for check in checks]

    return judge


def test_of_many_rules_those_that_fail_are_told_in_their_places():
    checks = checks_of(", ".join(f'RowCount > {n} labels=["id"="r{n}"]' for n in range(9)))

    found = judge_each(checks, overflowing("r0", "r7"), probe=lambda: None)

    assert [one.rule_id for one in found] == [f"r{n}" for n in range(9)]
    assert {one.rule_id for one in found if one.fault} == {"r0", "r7"}
    assert NAME not in str([one.fault for one in found])


def test_where_the_table_itself_cannot_be_read_no_rule_is_blamed():
    def probe():
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        judge_each(checks_of(SOUND), overflowing("some"), probe)


def test_a_full_disk_is_the_machine_s_fault_and_no_rule_s():
    def judge(checks):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ConfigError, match="No space left") as raised:
        judge_each(checks_of(SOUND), judge, probe=lambda: None)

    assert raised.value.reason is Reason.DISK_FULL


def test_an_analyzer_that_cannot_be_evaluated_tells_nothing_and_breaks_nothing():
    (analyzer,) = (replace(check, is_recorded=True) for check in checks_of(SOUND))

    (found,) = judge_each([analyzer], overflowing("some"), probe=lambda: None)

    assert (found.verdict, bool(found.fault)) == ("not_applicable", True)


def test_a_query_that_took_too_long_is_not_asked_again():
    asked = []

    def ask(sql):
        asked.append(sql)
        raise ConfigError("it takes longer than 60 s")

    once = ask_once(ask)
    for _ in range(3):
        with suppress(ConfigError):
            once("select 1")

    assert asked == ["select 1"]
