"""`hops dq lint`: rules of quality checked before they judge anything."""

from __future__ import annotations

import json

import pytest

from e2e.ward import is_inert

SOUND = 'Rules = [ IsComplete "encounter_id", Completeness "triage_level" > 0.95 ]'
MISSPELT = 'Rules = [\n  RowCount > 0,\n  IsComplet "encounter_id"\n]'
OF_FILES = 'Rules = [ FileSize "s3://bucket/" > 1 KB ]'


@pytest.fixture
def laid(tmp_path):
    """Return a function that lays down a file of text."""

    def lay(name, text):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return lay


def lines_of(*cases):
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in cases)


def test_sound_rules_are_said_to_be_sound(hops, laid):
    encounters, stays = laid("encounters.dqdl", SOUND), laid("stays.dqdl", SOUND)

    outcome = hops("dq", "lint", encounters, stays)

    said = "sound; held against no table (--table names one)."
    assert (outcome.exit_code, outcome.out) == (0, f"{encounters}: {said}\n{stays}: {said}\n")


def test_a_fault_is_told_with_file_line_and_column(hops, laid):
    sound, misspelt = laid("encounters.dqdl", SOUND), laid("stays.dqdl", MISSPELT)

    outcome = hops("dq", "lint", sound, misspelt)

    assert outcome.exit_code == 4
    assert outcome.out.splitlines()[1:] == [
        f"{misspelt}:3:3: there is no rule type IsComplet; IsComplete is the nearest.",
        '     3 │   IsComplet "encounter_id"',
        "       │   ^",
    ]
    assert outcome.message == "1 of 2 files of rules cannot be used."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'Rules = [\n\tCompleteness "a" >= 0,95\n]',
            ['     2 │  Completeness "a" >= 0,95', "       │                      ^"],
        ),
        ("Rules = [\r\n  RowCount => 1\r\n]", ["     2 │   RowCount => 1", "       │            ^"]),
        (
            'Rules = [ ColumnValues "体温" == 1 ]',
            ['     1 │ Rules = [ ColumnValues "体温" == 1 ]', f"       │ {' ' * 30}^"],
        ),
        (
            'Rules = [ IsComplete "\x1b[2J" ; ]',
            ['     1 │ Rules = [ IsComplete "\\x1b[2J" ; ]', f"       │ {' ' * 31}^"],
        ),
        (
            f"Rules = [ {'RowCount > 1, ' * 20}RowCount => 1, {'RowCount > 1, ' * 20} RowCount > 1 ]",
            [
                "     1 │ …1, RowCount > 1, RowCount > 1, RowCount => 1, RowCount > 1, RowCount >…",
                f"       │ {' ' * 41}^",
            ],
        ),
        ('Rules = [\n  IsComplete "a"\n\n', ['     2 │   IsComplete "a"', "     4 │ ", "       │ ^"]),
        (" \n", []),
    ],
    ids=["a tab", "Windows", "wide letters", "not printable", "a long line", "the end", "an empty file"],
)
def test_the_line_of_a_fault_is_shown_with_a_mark_below_it(hops, laid, text, shown):
    outcome = hops("dq", "lint", laid("stays.dqdl", text))

    assert outcome.out.splitlines()[1:] == shown
    assert is_inert(outcome.out)


def test_files_are_told_to_machines_one_by_one(hops, laid):
    sound, elsewhere = laid("encounters.dqdl", SOUND), laid("feeds.dqdl", OF_FILES)

    document = hops("dq", "lint", sound, elsewhere, "--json").document

    assert document["invalid"] == 1
    told = [(one["file"], one["parses"], one["compiles"], one["line"], one["column"]) for one in document["files"]]
    assert told == [(str(sound), True, True, None, None), (str(elsewhere), True, False, 1, 11)]
    assert [one["table"] for one in document["files"]] == [None, None]


def test_a_file_that_is_named_after_a_table_is_held_against_it_which_is_said(hops, laid):
    named, other = laid("silver.encounters.dqdl", SOUND), laid("silver.stays.dqdl", SOUND)

    outcome = hops("dq", "lint", named, other)
    document = hops("dq", "lint", named, other, "--json").document

    fault = "Completeness: there is no column 'triage_level'; there are: encounter_id, facility_id, sector_id, bed_id"
    lines = outcome.out.splitlines()
    assert lines[0] == f"{named}: sound for silver.encounters."
    assert lines[1].startswith(f"{other}:1:38: {fault}")
    assert lines[-1] == "       = held against silver.stays"
    assert [one["table"] for one in document["files"]] == ["silver.encounters", "silver.stays"]
    assert [one["compiles"] for one in document["files"]] == [True, False]


def test_a_file_of_any_name_is_held_against_the_table_that_is_named(hops, laid):
    file = laid("silver.stays.dqdl", SOUND)

    assert hops("dq", "lint", file, "--table", "silver.encounters").out == f"{file}: sound for silver.encounters.\n"
    assert hops("dq", "lint", file, "--table", "silver.stays").exit_code == 4
    assert hops("dq", "lint", file, "--table", "silver.stay").exit_code == 3


def test_a_file_of_windows_is_read_as_any_other(hops, laid):
    outcome = hops("dq", "lint", laid("encounters.dqdl", "\ufeff" + MISSPELT.replace("\n", "\r\n")))

    assert ":3:3: " in outcome.out


def test_cases_are_checked_one_by_one_whatever_becomes_of_the_others(hops, laid):
    cases = laid(
        "cases.jsonl",
        lines_of(
            {"id": "good", "text": SOUND},
            "",
            "{",
            {"id": "misspelt", "text": MISSPELT},
            {"id": "elsewhere", "text": OF_FILES},
            {"id": "no text"},
        ),
    )

    outcome = hops("dq", "lint", "--batch", cases)

    results = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.exit_code, outcome.message) == (4, "4 of 5 cases failed.")
    assert [(r["id"], r["parses"], r["compiles"], r["line"], r["column"]) for r in results] == [
        ("good", True, True, None, None),
        (None, False, False, None, None),
        ("misspelt", False, False, 3, 3),
        ("elsewhere", True, False, 1, 11),
        ("no text", False, False, None, None),
    ]
    assert results[0]["message"] is None
    assert results[1]["message"].startswith("line 3 is not JSON")
    assert results[4]["message"] == 'line 6 is not {"id": ..., "text": "..."}.'
    assert hops("dq", "lint", "--batch", cases, "--json").document["cases"] == results


def test_a_case_may_name_the_table_of_its_rules_and_results_keep_their_form(hops, laid):
    tables = ("silver.encounters", "silver.stays", None)
    cases = laid("cases.jsonl", lines_of(*({"id": name, "text": SOUND, "table": name} for name in tables)))

    alone = [json.loads(line) for line in hops("dq", "lint", "--batch", cases).out.splitlines()]
    of_stays = hops("dq", "lint", "--batch", cases, "--table", "silver.stays", "--json").document["cases"]

    assert [(one["id"], one["compiles"]) for one in alone] == [(tables[0], True), (tables[1], False), (None, True)]
    assert [one["compiles"] for one in of_stays] == [True, False, False]
    assert set(alone[0]) == {"id", "parses", "compiles", "line", "column", "message"}


def test_cases_that_are_all_sound_end_well(hops, laid):
    assert hops("dq", "lint", "--batch", laid("cases.jsonl", lines_of({"id": 1, "text": SOUND}))).exit_code == 0


def test_a_file_that_is_not_there_is_not_found(hops, tmp_path):
    assert hops("dq", "lint", tmp_path / "nothing.dqdl").exit_code == 3


def test_a_file_that_is_no_text_is_refused(hops, tmp_path):
    (tmp_path / "rules.dqdl").write_bytes(b"Rules = [\xff]")

    outcome = hops("dq", "lint", tmp_path / "rules.dqdl")

    assert outcome.exit_code == 4
    assert "is not UTF-8" in outcome.message


@pytest.mark.parametrize("arguments", [[], ["rules.dqdl", "--batch", "cases.jsonl"]])
def test_files_and_a_batch_go_one_without_the_other(hops, arguments):
    assert hops("dq", "lint", *arguments).exit_code == 2
