from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Patience, lock_state
from healthcare_ops.bootstrap.configuration import adopt_rules, adopted_rules, read_rule_files
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.jobs.quality_rules import DECISIONS, read_decisions
from healthcare_ops.operations import audit, rules
from healthcare_ops.operations.held import Wanted, look
from healthcare_ops.operations.quarantine import decide
from healthcare_ops.pipeline.quality.rules.checks import shipped_rules, version_of
from hospital import open_hospital, visit

NOW = "2026-03-13T18:00:00-03:00"
BY = {"by": "Ana", "reason": "why"}
TABLE = "silver.encounters"


@pytest.fixture
def state(tmp_path):
    """Return a state directory that nobody has open."""
    with open_hospital(tmp_path / "closed", NOW) as hospital:
        return hospital.state


def test_adopted_rules_count_until_they_are_dropped_and_every_version_is_kept(state, tmp_path):
    file = tmp_path / f"{TABLE}.dqdl"
    for text in ("\ufeffRules = [ RowCount > 1 ]\r\n", "Rules = [ RowCount > 2 ]"):
        file.write_text(text, encoding="utf-8", newline="")
        rules.adopt(state, file, **BY)
    in_force = read_rule_files(state)[TABLE]
    rules.drop(state, TABLE, **BY)

    assert in_force == "Rules = [ RowCount > 2 ]"
    assert read_rule_files(state) == shipped_rules()
    assert len(list((state / "rules").glob(f"{TABLE}.*.dqdl"))) == 2
    assert adopted_rules(state) == {}


def test_nothing_counts_that_nobody_answers_for(state, tmp_path):
    file = tmp_path / f"{TABLE}.dqdl"
    file.write_text("Rules = [ RowCount > 1 ]")

    with pytest.raises(ConfigError, match="--by"):
        rules.adopt(state, file, by=" ", reason="why")

    assert adopted_rules(state) == {}


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("triage_levl", "did you mean 'triage_level'?"),
        ("Sector_id", "did you mean 'sector'?"),
        ("los_min", "needs is 'los_min', which no feed delivers"),
    ],
)
def test_a_rule_that_waits_for_what_no_feed_delivers_is_not_adopted(state, tmp_path, needs, said):
    file = tmp_path / f"{TABLE}.dqdl"
    file.write_text(f'Rules = [\n  RowCount > 1,\n  RowCount > 2 labels=["needs"="{needs}"]\n]')

    with pytest.raises(ConfigError) as refused:
        rules.adopt(state, file, **BY)

    assert f"line 3, column 3: needs is {needs!r}" in refused.value.message
    assert said in refused.value.message
    assert adopted_rules(state) == {}


def test_two_rules_that_hold_rows_share_no_id_as_what_they_hold_is_known_by_it(state, tmp_path):
    for table in ("bronze.events_raw", TABLE):
        file = tmp_path / f"{table}.dqdl"
        file.write_text('Rules = [ IsComplete "encounter_id" labels=["id"="named", "on_failure"="quarantine"] ]')
        if table == TABLE:
            with pytest.raises(ConfigError, match=r"line 1, column 11: 'named' is the id of a rule of bronze\.events"):
                rules.adopt(state, file, **BY)
        else:
            rules.adopt(state, file, **BY)
            rules.adopt(state, file, **BY)  # it shares its id with itself alone

    assert list(adopted_rules(state)) == ["bronze.events_raw"]


def test_of_two_adoptions_at_once_the_later_one_is_held_against_the_earlier(state, tmp_path):
    for table in (TABLE, "bronze.events_raw"):
        file = tmp_path / f"{table}.dqdl"
        file.write_text('Rules = [ IsComplete "encounter_id" labels=["id"="named", "on_failure"="quarantine"] ]')
    with ExitStack() as other:
        other.enter_context(lock_state(state))

        def go_first(_):
            other.close()
            rules.adopt(state, tmp_path / f"{TABLE}.dqdl", **BY)

        with pytest.raises(ConfigError, match=rf"events_raw\.dqdl: line 1.*'named' is the id of a rule of {TABLE}"):
            rules.adopt(state, tmp_path / "bronze.events_raw.dqdl", patience=Patience(30.0, go_first), **BY)

    assert list(adopted_rules(state)) == [TABLE]


@pytest.mark.parametrize("code", ["TIME_UNREADABLE", "RULE_BROKEN"])
def test_a_rule_is_not_adopted_under_a_reason_code_by_which_other_records_are_held(state, tmp_path, code):
    file = tmp_path / f"{TABLE}.dqdl"
    file.write_text(f'Rules = [\n  RowCount > 1,\n  RowCount > 2 labels=["id"="{code}"]\n]')

    with pytest.raises(ConfigError, match=f"dqdl: line 3, column 3: id {code!r} is a reason code"):
        rules.adopt(state, file, **BY)

    assert adopted_rules(state) == {}


def adopted_long_ago(state, table, text):
    """Let rules count as a version of the product did that took them."""
    details = {"table": table, "version": version_of(text), "before": version_of(shipped_rules()[table])}
    at = datetime(2026, 3, 1, tzinfo=UTC)
    audit.record(LocalObjects(state), at, who="Ana", action="dq.rules.adopt", reason="why", details=details)
    adopt_rules(state, table, text)


def test_rules_that_cannot_be_read_any_more_are_named_and_bar_nobody_from_mending_them(state, tmp_path):
    broken = 'Rules = [ RowCount > 1 labels=["severity"="fatal"] ]'
    file = tmp_path / f"{TABLE}.dqdl"
    file.write_text("Rules = [ RowCount > 1 ]")
    adopted_long_ago(state, "silver.stays", broken)

    with (
        open_platform(state, exclusive=False) as upgraded,
        pytest.raises(ConfigError, match=r"rules/silver\.stays\.dqdl: line 1, column 11: severity is 'fatal'"),
    ):
        rules.rules_in_force(upgraded)
    rules.adopt(state, file, **BY)
    rules.drop(state, TABLE, **BY)
    rules.adopt(state, file.rename(tmp_path / "silver.stays.dqdl"), **BY)

    assert read_rule_files(state)["silver.stays"] == "Rules = [ RowCount > 1 ]"


def test_rules_of_one_table_that_cannot_be_read_hide_no_id_of_another(state, tmp_path):
    holding = 'Rules = [ IsComplete "encounter_id" labels=["id"="named", "on_failure"="quarantine"] ]'
    file = tmp_path / f"{TABLE}.dqdl"
    file.write_text(holding)
    adopted_long_ago(state, "bronze.events_raw", "Rules = [")
    adopted_long_ago(state, "bronze.encounters_raw", holding)

    with pytest.raises(ConfigError, match=r"'named' is the id of a rule of bronze\.encounters_raw"):
        rules.adopt(state, file, **BY)


@pytest.fixture
def adopted(state, tmp_path):
    """Return a state directory whose site let a second version of its rules count."""
    file = tmp_path / f"{TABLE}.dqdl"
    for text in ("Rules = [ RowCount > 1 ]", "Rules = [ RowCount > 2 ]"):
        file.write_text(text)
        rules.adopt(state, file, **BY)
    return state


OLDER = json.dumps({TABLE: version_of("Rules = [ RowCount > 1 ]")})


@pytest.mark.parametrize(
    "kept", [None, "{}", OLDER, "{", "[]"], ids=["missing", "empty", "older", "cut short", "a list"]
)
def test_rules_are_not_loosened_behind_the_audit_log_until_somebody_answers_for_it(adopted, tmp_path, kept):
    file = adopted / "rules" / "adopted.json"
    whole = file.read_text()
    file.unlink() if kept is None else file.write_text(kept)

    with pytest.raises(ConfigError, match=r"adopted\.json .*Next: Put the file back"):
        read_rule_files(adopted)

    file.write_text(whole)
    assert read_rule_files(adopted)[TABLE] == "Rules = [ RowCount > 2 ]"


@pytest.mark.parametrize("kept", [None, OLDER], ids=["missing", "older"])
def test_who_answers_for_rules_can_adopt_or_drop_them_whatever_the_file_says(adopted, tmp_path, kept):
    file = adopted / "rules" / "adopted.json"

    file.unlink() if kept is None else file.write_text(kept)
    rules.adopt(adopted, tmp_path / f"{TABLE}.dqdl", **BY)
    in_force = read_rule_files(adopted)[TABLE]
    file.unlink() if kept is None else file.write_text(kept)
    rules.drop(adopted, TABLE, **BY)

    assert in_force == "Rules = [ RowCount > 2 ]"
    assert read_rule_files(adopted) == shipped_rules()


def test_rules_that_no_entry_of_the_audit_log_tells_of_do_not_count(state):
    text = "Rules = [ RowCount > 0 ]"
    adopt_rules(state, TABLE, text)

    with pytest.raises(ConfigError, match=f"by the audit log the product's rules.*drop {TABLE}"):
        read_rule_files(state)


# records that two rules hold

TWO = """
Rules = [
    ColumnValues "los_min" <= 300 labels=["id"="stay", "severity"="warn", "on_failure"="quarantine"],
    ColumnValues "triage_level" > 1 labels=["id"="triage", "severity"="warn", "on_failure"="quarantine"]
]
"""


def test_what_another_rule_holds_as_well_stays_held_and_its_release_can_be_undone(tmp_path):
    rows = [
        visit(f"V-{name}", "2026-03-12T10:00:00", left="2026-03-12T20:00:00", level=level)
        for name, level in (("a", 1), ("b", 3))
    ]
    about = {"batch_id": "visits-000001", **BY}
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TWO}))
        hospital.deliver("visits", rows, "march.csv")
        hospital.refine()
        before = look(hospital.platform, Wanted()).records
        released = decide(hospital.platform, "release", rule="stay", **about)
        undone = decide(hospital.platform, "hold", rule="stay", **about)
        after = look(hospital.platform, Wanted()).records

    assert [record["rule_ids"] for record in before] == ["stay,triage", "stay"]
    assert (released.records, released.let_in) == (2, 1)
    assert (undone.records, undone.let_in) == (2, 0)
    assert after == before


def test_what_is_held_for_another_reason_is_not_counted_when_a_release_is_undone(tmp_path):
    rows = [
        visit("V-a", "2026-03-12T10:00:00", left="2026-03-12T20:00:00", level=1),
        visit("V-b", "2026-03-12T10:00:00", place="nowhere"),
    ]
    about = {"rule": "stay", "batch_id": "visits-000001", **BY}
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TWO}))
        hospital.deliver("visits", rows, "march.csv")
        hospital.refine()
        counts = [decide(hospital.platform, kind, **about).records for kind in ("release", "release", "reject", "hold")]
        told = [entry.details["records"] for entry in entries(hospital.context.objects)]

    assert (counts, told) == ([1, 1, 1, 1], [1, 1, 1])  # the second release is none


def test_a_decision_that_only_the_audit_log_tells_of_is_missed_until_it_is_decided_again(tmp_path):
    about = {"rule": "stay", "batch_id": "visits-000001", **BY}
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TWO}))
        hospital.deliver("visits", [visit("V-a", "2026-03-12T10:00:00", left="2026-03-12T20:00:00")], "march.csv")
        hospital.refine()
        decide(hospital.platform, "release", **about)
        hospital.context.objects.write(DECISIONS, b"[]")

        with pytest.raises(ConfigError, match=r"entry 1 of the audit log tells of a release of stay .* lacks"):
            read_decisions(hospital.context)
        decide(hospital.platform, "release", **about)

        assert [decision.kind for decision in read_decisions(hospital.context)] == ["release"]


@pytest.mark.parametrize(
    "change", [{"kind": "release"}, {"by": "Eve"}, {"batch_id": "visits-000002"}, {"rule": "triage"}]
)
def test_a_decision_that_the_audit_log_does_not_tell_of_lets_nothing_in(tmp_path, change):
    about = {"rule": "stay", "batch_id": "visits-000001", **BY}
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TWO}))
        hospital.deliver("visits", [visit("V-a", "2026-03-12T10:00:00", left="2026-03-12T20:00:00")], "march.csv")
        hospital.refine()
        decide(hospital.platform, "reject", **about)
        objects = hospital.context.objects
        (kept,) = json.loads(objects.read(DECISIONS))
        objects.write(DECISIONS, json.dumps([kept | change]).encode())

        with pytest.raises(ConfigError, match=r"the audit log does not tell of .*Next: Decide again"):
            read_decisions(hospital.context)
        with pytest.raises(ConfigError, match="the audit log does not tell of"):
            hospital.refine("bronze_to_silver", days=[date(2026, 3, 12)])


def test_an_earlier_decision_does_not_count_once_more_when_the_newest_is_taken_out(tmp_path):
    about = {"rule": "stay", "batch_id": "visits-000001", **BY}
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TWO}))
        hospital.deliver("visits", [visit("V-a", "2026-03-12T10:00:00", left="2026-03-12T20:00:00")], "march.csv")
        hospital.refine()
        for kind in ("release", "hold"):
            decide(hospital.platform, kind, **about)
        objects = hospital.context.objects
        objects.write(DECISIONS, json.dumps(json.loads(objects.read(DECISIONS))[:1]).encode())

        with pytest.raises(ConfigError, match="holds a release of stay in visits-000001"):
            read_decisions(hospital.context)
        decide(hospital.platform, "hold", **about)

        assert [decision.kind for decision in read_decisions(hospital.context)] == ["hold"]


@pytest.mark.parametrize("kind", ["release", "reject", "hold"])
@pytest.mark.parametrize("rule", ["", " ", "stay,triage", "stay.dropped", "days"])
def test_nothing_is_decided_about_a_rule_that_holds_no_records(tmp_path, kind, rule):
    only_tells = 'RowCount > 0 labels=["id"="days", "severity"="warn"],'
    texts = {TABLE: TWO.replace("Rules = [", f"Rules = [ {only_tells}")}
    row = visit("V-a", "2026-03-12T10:00:00", left="2026-03-12T20:00:00", level=1)
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.platform = replace(hospital.platform, context=replace(hospital.context, rules=texts))
        hospital.deliver("visits", [row], "march.csv")
        hospital.refine()

        with pytest.raises(NotFoundError, match=r"no rule .* holds records"):
            decide(hospital.platform, kind, rule=rule, batch_id="visits-000001", **BY)

        assert entries(hospital.context.objects) == []
