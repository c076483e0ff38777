"""`hops dq rules|whatif|check`: the hospital's own rules adopted, tried on the past and held against any file."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e2e.ward import BY, NO_ESCAPES, RULES, SHORT, TRIAGE, is_inert

# whatif


@pytest.mark.parametrize(
    ("threshold", "would_be"),
    [
        ("0.7", ["warn", "pass", "warn", "pass"]),
        ("0.9", ["warn", "warn", "warn", "pass"]),
        ("> 0.4", ["pass", "pass", "pass", "pass"]),
        ("between 0.4 and 0.8", ["pass", "warn", "pass", "warn"]),
    ],
)
def test_another_threshold_is_tried_on_past_runs(dq, threshold, would_be):
    document = dq("whatif", TRIAGE, "--threshold", threshold, "--json").document
    outcome = dq("whatif", TRIAGE, "--threshold", threshold)

    runs = document["runs"]
    assert [run["was"] for run in runs] == ["warn", "pass", "warn", "pass"]
    assert [run["would_be"] for run in runs] == would_be
    assert document["would_be"] == {"pass": would_be.count("pass"), "warn": would_be.count("warn"), "fail": 0}
    assert f"of 4 runs: pass 2 → {would_be.count('pass')}" in outcome.out


def test_runs_that_another_version_of_the_rule_judged_are_told(hops, dq, own_ward, tmp_path):
    state = ("--state", own_ward.state)
    file = tmp_path / "silver.encounters.dqdl"
    file.write_text(f'Rules = [ Completeness "care_start" >= 0.1 labels=["id"="{TRIAGE}", "severity"="warn"] ]')
    same = dq("whatif", TRIAGE, "--threshold", "0.7")
    hops("dq", "rules", "adopt", file, *BY, *state)

    other = hops("dq", "whatif", TRIAGE, "--threshold", "0.7", *state)
    runs = hops("dq", "whatif", TRIAGE, "--threshold", "0.7", *state, "--json").document["runs"]

    assert "another version" not in same.out
    assert "4 of them were judged by another version of the rule:" in other.out
    assert f'  {runs[0]["version"][:6]}: Completeness "triage_level" >= 0.80' in other.out
    assert [run["is_same"] for run in runs] == [False] * 4


def test_what_is_tried_on_the_share_of_rows_is_no_limit_of_their_values(dq):
    # 600 minutes limit the rows; the share of those that pass is 22 of 24.
    runs = dq("whatif", SHORT, "--threshold", "0.9", "--json").document["runs"]

    assert [(run["was"], run["would_be"]) for run in runs] == [("warn", "pass")]
    assert runs[0]["value"] == pytest.approx(22 / 24)


# rules


def test_the_rules_in_force_are_listed_with_whose_they_are(dq):
    rules = {rule["rule_id"]: rule for rule in dq("rules", "list", "--json").document["rules"]}
    outcome = dq("rules", "list")

    assert (rules[SHORT]["owner"], rules[SHORT]["is_quarantining"]) == ("site", True)
    assert rules["batch_accounts.quarantined.few"]["owner"] == "product"
    assert "encounters.care_start.complete" not in rules  # the hospital's own file has no such rule
    assert r"\x1b[31mEvil" in outcome.out
    assert is_inert(outcome.out)


def test_dropped_rules_leave_the_products_in_force_and_both_acts_are_told(hops, own_ward):
    state = ("--state", own_ward.state)

    dropped = hops("dq", "rules", "drop", "silver.encounters", *BY, *state, "--json")
    again = hops("dq", "rules", "drop", "silver.encounters", *BY, *state)

    listed = hops("dq", "rules", "list", *state, "--json").document["rules"]
    entries = hops("audit", "show", *state, "--json").document["entries"]
    told = dropped.document
    steps = " ".join(told.pop("next_steps"))
    assert told == {"schema_version": 1, "table": "silver.encounters", "by": "Ana Souza"}
    assert [command in steps for command in ("hops run", "hops dq check --from", "hops backfill --from")] == [True] * 3
    assert again.exit_code == 3
    assert {rule["owner"] for rule in listed} == {"product"}
    assert [entry["action"] for entry in entries] == ["dq.rules.drop", "dq.rules.adopt"]
    assert entries[0]["details"]["before"] == entries[1]["details"]["version"]


def test_past_reports_keep_the_version_that_they_were_judged_by(dq):
    runs = [one["run_id"] for one in dq("history", "--json").document["runs"]]

    versions = [dq("show", run, "--json").document["rule_versions"]["silver.encounters"] for run in runs]

    assert len(set(versions[1:])) == 1
    assert versions[0] != versions[1]


def test_rules_that_were_changed_behind_the_product_are_refused_until_somebody_adopts_them(hops, own_ward):
    state = ("--state", own_ward.state)
    (file,) = (own_ward.state / "rules").glob("*.dqdl")
    file.write_text(file.read_text(encoding="utf-8").replace("0.80", "0.10"), encoding="utf-8")

    refused = hops("dq", "check", *state)
    adopted = hops("dq", "rules", "adopt", own_ward.write("silver.encounters.dqdl", NO_ESCAPES), *BY, *state)
    listed = hops("dq", "rules", "list", *state)
    own_ward.write("silver.encounters.dqdl", RULES)

    assert refused.exit_code == 4
    assert "was changed after somebody adopted it" in refused.message
    assert (adopted.exit_code, listed.exit_code) == (0, 0)


def test_rules_that_nobody_adopted_are_refused(hops, own_ward):
    (own_ward.state / "rules" / "silver.stays.dqdl").write_text(NO_ESCAPES)

    outcome = hops("dq", "show", "--state", own_ward.state)

    assert outcome.exit_code == 4
    assert "nobody adopted it" in outcome.message


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("silver.encounters.dqdl", "Rules = [ IsComplete ]", "line 1, column 11"),
        ("silver.encounters.dqdl", 'Rules = [ IsComplete "shoe_size" ]', "there is no column 'shoe_size'"),
        ("silver.encounters.dqdl", 'Rules = [ CustomSql "select max(shoe) from primary" > 1 ]', "SQL of a rule fails"),
        ("silver.encounters.dqdl", 'Rules = [ RowCountMatch "gold.predictions" = 1 ]', "there is no table"),
        ("gold.predictions.dqdl", NO_ESCAPES, "of no table that is judged"),
        ("rules.dqdl", NO_ESCAPES, "of no table that is judged"),
        (
            "silver.stays.dqdl",
            'Rules = [ IsComplete "bed_id" labels=["on_failure"="quarantine"] ]',
            "rows of silver.stays are not held by themselves",
        ),
        (
            "silver.stays.dqdl",
            'Rules = [ IsComplete "bed_id" labels=["needs"="bed_id"] ]',
            "line 1, column 11: needs is 'bed_id', which no feed delivers; did you mean 'bed'?",
        ),
        (
            "silver.stays.dqdl",
            'Rules = [ IsComplete "bed_id" labels=["id"="SECTOR_MISSING"] ]',
            "line 1, column 11: id 'SECTOR_MISSING' is a reason code",
        ),
    ],
)
def test_rules_that_could_not_be_judged_at_night_are_not_adopted_by_day(hops, own_ward, tmp_path, name, text, why):
    file = tmp_path / name
    file.write_text(text)

    outcome = hops("dq", "rules", "adopt", file, *BY, "--state", own_ward.state)

    assert outcome.exit_code == 4
    assert why in outcome.message
    assert len(hops("audit", "show", "--state", own_ward.state, "--json").document["entries"]) == 1


@pytest.mark.parametrize(
    ("text", "rules", "analyzers", "said"),
    [
        ("Rules = [ RowCount > 1 ]", 1, 0, "silver.stays: 1 rule counts from the next run on"),
        ("Rules = [ RowCount > 1 ] Analyzers = [ RowCount ]", 1, 1, "silver.stays: 1 rule counts, 1 analyzer is told"),
        ("Analyzers = [ RowCount, ColumnCount ]", 0, 2, "silver.stays: NO RULE judges it, 2 analyzers are told"),
    ],
)
def test_who_adopts_a_file_is_told_how_many_rules_it_has_and_whether_it_judges_at_all(
    hops, own_ward, tmp_path, text, rules, analyzers, said
):
    file = tmp_path / "silver.stays.dqdl"
    file.write_text(text)

    outcome = hops("dq", "rules", "adopt", file, *BY, "--state", own_ward.state)
    document = hops("dq", "rules", "adopt", file, *BY, "--state", own_ward.state, "--json").document

    assert outcome.out.startswith(said)
    assert (document["rules"], document["analyzers"]) == (rules, analyzers)


def test_the_rules_that_count_can_be_printed_and_adopted_as_they_are(hops, dq, own_ward, tmp_path):
    file = tmp_path / "silver.stays.dqdl"
    file.write_text(dq("rules", "show", "silver.stays").out)

    adopted = hops("dq", "rules", "adopt", file, *BY, "--state", own_ward.state)

    assert "no longer count" not in adopted.out
    assert dq("rules", "show", "silver.stays", "--json").document["text"] == file.read_text()
    assert dq("rules", "show", "silver.stay").exit_code == 3


def test_who_leaves_out_rules_of_the_product_is_told_how_many_and_how_to_take_it_back(hops, dq, own_ward, tmp_path):
    counted = [rule for rule in dq("rules", "list", "--json").document["rules"] if rule["table"] == "silver.stays"]
    file = tmp_path / "silver.stays.dqdl"
    file.write_text("Rules = [ RowCount >= 0 ]")

    said = hops("dq", "rules", "adopt", file, *BY, "--state", own_ward.state).out.splitlines()

    failing = sum(rule["severity"] == "fail" for rule in counted)
    assert said[1:] == [
        f"{len(counted)} rules of the product's no longer count, {failing} of severity fail.",
        "undo: hops dq rules drop silver.stays --by NAME --reason WHY",
    ]


def test_rules_of_two_tables_that_share_an_id_are_shown_explained_and_tried_by_names_of_their_own(
    hops, own_ward, tmp_path
):
    state = ("--state", own_ward.state)
    for table in ("silver.encounters", "silver.stays"):
        file = tmp_path / f"{table}.dqdl"
        file.write_text('Rules = [ RowCount > 5000 labels=["id"="many", "severity"="warn"] ]')
        hops("dq", "rules", "adopt", file, *BY, *state)
    judged = hops("dq", "check", "--from", "2026-03-14", *state, "--json").document

    listed = hops("dq", "rules", "list", *state, "--json").document["rules"]
    explained = hops("dq", "explain", "silver.stays:many", *state, "--json").document
    tried = hops("dq", "whatif", "silver.stays:many", "--threshold", "1", *state, "--json").document
    given = hops("dq", "assign", "silver.stays:many", "--to", "Rui", "--by", "Ana", *state, "--json")
    unclear = hops("dq", "explain", "many", *state)

    names = {"silver.encounters:many", "silver.stays:many"}
    assert names <= {one["rule_id"] for one in listed} & set(judged["contributions"])
    assert explained["table"] == "silver.stays"
    assert tried["would_be"] == {"pass": 1, "warn": 0, "fail": 0}
    assert (given.exit_code, unclear.exit_code) == (0, 3)


# check


def test_a_broken_fail_rule_of_the_hospitals_own_ends_a_check_with_6(hops, own_ward, tmp_path):
    file = tmp_path / "silver.encounters.dqdl"
    file.write_text('Rules = [ RowCount > 5000 labels=["id"="visits.many", "next_step"="Ask the night shift."] ]')
    state = ("--state", own_ward.state)
    hops("dq", "rules", "adopt", file, *BY, *state)

    outcome = hops("dq", "check", "--from", "2026-03-14", *state, "--as-of", "2026-03-15T12:00:00-03:00", "--json")

    document = outcome.document
    assert outcome.exit_code == 6
    assert (document["verdict"], document["error"]["exit_code"]) == ("fail", 6)
    assert document["dq_risk_score"] >= 60
    assert "visits.many" in outcome.message
    assert "Ask the night shift." in outcome.next_step


# check of files

FILE_RULES = """
Rules = [
    IsComplete "stay",
    ColumnValues "minutes" between 0 and 1440 labels=["severity"="warn"] with threshold > 0.5
]
"""
ROWS = [("a", 10), ("b", 20), ("", 1500)]


def table_text(separator, rows=ROWS):
    return "".join(separator.join(map(str, row)) + "\n" for row in [("stay", "minutes"), *rows])


def laid_down(folder, name, rows=ROWS):
    """Write rows into a file of the kind that its name says; an empty text is no value."""
    path = folder / name
    if name.endswith(".parquet"):
        stays, minutes = [list(column) for column in zip(*rows, strict=True)] if rows else ([], [])
        columns = {
            "stay": pa.array([one or None for one in stays], pa.string()),
            "minutes": pa.array(minutes, pa.int64()),
        }
        pq.write_table(pa.table(columns), path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(table_text(",", rows).encode()))
    else:
        path.write_text(table_text("\t" if name.endswith(".tsv") else ",", rows))
    return path


@pytest.fixture
def judge_file(hops, tmp_path):
    """Return `hops dq check` of a file by rules, without any state directory."""

    def judge(data, rules=FILE_RULES, *more):
        file = tmp_path / "rules of stays.dqdl"
        file.write_text(rules, encoding="utf-8")
        return hops("dq", "check", "--rules", file, "--data", data, "--as-of", "2026-03-02T00:00:00+00:00", *more)

    return judge


KINDS = [
    "stays.parquet",
    "stays.csv",
    "stays.tsv",
    "stays.csv.gz",
    "STAYS.CSV",
    "s[1]*?.parquet",
    "s'[red]\x1b[31m.csv",
]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_any_kind_is_judged_and_a_broken_rule_ends_with_6(judge_file, tmp_path, name):
    laid_down(tmp_path, "s1xx.parquet", [("z", 1)])  # what a pattern of that name would find

    data = laid_down(tmp_path, name)
    outcome = judge_file(data)
    document = judge_file(data, FILE_RULES, "--json").document

    found = [(rule["line"], rule["verdict"], rule["checked"], rule["violations"]) for rule in document["rules"]]
    assert outcome.exit_code == 6
    assert found == [(3, "fail", 3, 1), (4, "pass", 3, 1)]
    assert document["data"] == str(data)
    assert (document["error"]["code"], document["error"]["exit_code"]) == ("DataQuality", 6)
    assert "✗ fail" in outcome.out
    assert 'the first: IsComplete "stay".' in outcome.message
    assert is_inert(outcome.out + outcome.err)


@pytest.mark.parametrize("name", ["stays.parquet", "stays.csv"])
def test_a_file_that_breaks_no_fail_rule_ends_well(judge_file, tmp_path, name):
    outcome = judge_file(laid_down(tmp_path, name, ROWS[:2]))

    assert (outcome.exit_code, outcome.err) == (0, "")


@pytest.mark.parametrize("name", ["stays.parquet", "stays.csv", "stays.tsv", "stays.csv.gz"])
def test_of_a_file_without_rows_there_is_nothing_to_judge(judge_file, tmp_path, name):
    document = judge_file(laid_down(tmp_path, name, []), FILE_RULES, "--json").document

    assert {rule["verdict"] for rule in document["rules"]} == {"not_applicable"}


@pytest.mark.parametrize(
    ("name", "content", "code", "why"),
    [
        ("nothing.csv", b"", 5, "Empty CSV file"),
        ("nothing.parquet", b"", 5, "cannot be read"),
        ("text.parquet", b"stay,minutes\n", 5, "cannot be read"),
        ("broken.csv.gz", b"stay,minutes\n", 5, "cannot be read"),
        ("stays.xlsx", b"stay,minutes\n", 4, "neither .parquet nor .csv nor .tsv"),
        ("stays.csv.zip", b"stay,minutes\n", 4, "neither .parquet nor .csv nor .tsv"),
        ("latin.csv", "stay,minutes\nJosé,1\n".encode("latin-1"), 5, "is not UTF-8"),
        ("twice.csv", b"stay,Stay,minutes\na,b,1\n", 5, "more than one column"),
        ("unnamed.csv", b"stay,,minutes\na,b,1\n", 5, "column 2 of"),
        ("ragged.csv", b"stay,minutes\nPATIENT-7,1,2\n", 5, "Expected 2 columns, got 3"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_a_row_of_it(judge_file, tmp_path, name, content, code, why):
    path = tmp_path / name
    path.write_bytes(content)

    outcome = judge_file(path)

    assert outcome.exit_code == code
    assert why in outcome.message
    assert "PATIENT-7" not in outcome.err


@pytest.mark.parametrize(
    ("name", "content", "step"),
    [
        ("stays.csv", "stay;minutes\nPATIENT-7;1\n", "separated by semicolons, not by commas"),
        ("stays.csv", "stay;minutes\nPATIENT-7;1,5\n", "separated by semicolons, not by commas"),
        ("stays.tsv", "stay,minutes\nPATIENT-7,1\n", "separated by commas, not by tabs"),
    ],
)
def test_a_file_with_another_separator_than_its_name_says_is_told_so(judge_file, tmp_path, name, content, step):
    path = tmp_path / name
    path.write_text(content)

    outcome = judge_file(path)

    assert outcome.exit_code == 5
    assert step in outcome.next_step
    assert "PATIENT-7" not in outcome.err


def test_a_pipe_is_refused_and_not_waited_for(judge_file, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")

    outcome = judge_file(tmp_path / "pipe.csv")

    assert outcome.exit_code == 5
    assert "is no file" in outcome.message


@pytest.mark.parametrize("missing", ["data", "rules"])
def test_a_missing_file_ends_with_3(hops, tmp_path, missing):
    data, rules = laid_down(tmp_path, "stays.csv"), tmp_path / "rules.dqdl"
    rules.write_text(FILE_RULES)
    {"data": data, "rules": rules}[missing].unlink()

    outcome = hops("dq", "check", "--rules", rules, "--data", data)

    assert outcome.exit_code == 3
    assert "there is no file" in outcome.message


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('Rules = [ IsComplete "shoe_size" ]', "line 1, column 11: IsComplete: there is no column 'shoe_size'"),
        ("Rules = [ RowCounts > 1 ]", "line 1, column 11"),
        ('Rules = [ ReferentialIntegrity "stay" "wards.stay" = 1 ]', "there is no table 'wards'"),
        ("", "there are no rules"),
        ('Rules = [ ColumnValues "\x1b[2J" = 1 ]', "there is no column"),
    ],
)
def test_rules_that_do_not_fit_the_file_are_refused_with_their_place(judge_file, tmp_path, rules, why):
    outcome = judge_file(laid_down(tmp_path, "stays.csv"), rules)

    assert outcome.exit_code == 4
    assert "rules of stays.dqdl" in outcome.message
    assert why in outcome.message
    assert is_inert(outcome.err)


def test_times_with_a_zone_are_instants_whatever_their_column_is_called(judge_file, tmp_path):
    at = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    zoned = pa.array([at], pa.timestamp("us", tz="America/Sao_Paulo"))
    pq.write_table(pa.table({'at "home"': zoned, "at": zoned}), tmp_path / "times.parquet")
    rules = 'Rules = [ ColumnValues "at" = "2026-03-01", DataFreshness "at" <= 1 hours, ColumnCount = 2 ]'

    outcome = judge_file(tmp_path / "times.parquet", rules)

    assert (outcome.exit_code, outcome.err) == (0, "")


def test_a_file_is_compared_with_another_one_by_its_alias(judge_file, tmp_path):
    wards = tmp_path / "wards.tsv"
    wards.write_text("name\na\n")
    rules = 'Rules = [ ReferentialIntegrity "stay" "wards.name" >= 0.5 ]'

    outcome = judge_file(laid_down(tmp_path, "stays.csv", ROWS[:2]), rules, "--reference", f"wards={wards}", "--json")

    (rule,) = outcome.document["rules"]
    assert (outcome.exit_code, rule["verdict"], rule["values"]) == (0, "pass", [0.5])
