"""`hops dq quarantine`: what a steward sees of held records before deciding about them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from e2e.deliveries import HOSTILE, csv_text, visit
from e2e.ward import BY, LAST_DELIVERY, SHORT, is_inert

NEXT_DELIVERY = "visits-000005"
START = datetime(2026, 3, 15, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
IDENTIFIERS = [f"{kind}-{number}" for number in range(9001, 9010) for kind in ("V", "PATIENT")]


def faulty():
    """Return a file in which every record but the last is held, each for another reason."""
    return csv_text(
        [
            visit(9001, START, place=f"Sala-9001 {HOSTILE}"),
            visit(9002, START, level="7"),
            visit(9003, START) | {"arrival": "2026-03-15 25:99"},
            visit(9004, START, care=(START - timedelta(minutes=20)).isoformat()),
            visit(9005, START, left=(START + timedelta(days=9)).isoformat()),
            visit(9006, START, left=(START + timedelta(hours=19)).isoformat()),
            visit(9007, START) | {"visit": ""},
            visit(9008, START) | {"arrival": "Maria-9008"},
            visit(9009, START),
        ]
    )


AT_FAULT = {
    1: ("SECTOR_UNKNOWN", ["sector like aaaa-####"]),
    2: ("TRIAGE_UNKNOWN", ["triage_level 7"]),
    3: ("TIME_UNREADABLE", ["arrival_time 2026-03-15 25:99"]),
    4: ("EVENTS_REVERSED", ["arrival_time 2026-03-15 00:05:00", "care_start 2026-03-14 23:45:00"]),
    5: ("STAY_TOO_LONG", ["los_min 12,960"]),
    6: (SHORT, ["los_min 1,140"]),
    7: ("ENCOUNTER_ID_MISSING", ["encounter_id is missing"]),
    8: ("TIME_UNREADABLE", ["arrival_time like aaaaa-####"]),
}


@pytest.fixture
def faults(hops, own_ward):
    """Return `hops dq …` on the ward, to which the file of faults came too."""
    state = ("--state", own_ward.state)
    file = own_ward.write("visits 15.csv", faulty())
    loaded = hops("load", file, "--feed", own_ward.feed, *state, "--as-of", "2026-03-16T12:00:00-03:00")
    assert loaded.exit_code in (0, 6), loaded.err
    return lambda *words: hops("dq", *words, *state)


def records(outcome):
    return [(record["batch_id"], record["record_no"]) for record in outcome.document["records"]]


def test_each_held_record_is_shown_with_the_column_and_the_value_at_fault(faults):
    outcome = faults("quarantine")

    lines = [line.split(maxsplit=2) for line in outcome.out.splitlines() if line.startswith(f"  {NEXT_DELIVERY}")]
    shown = {int(number): rest for _, number, rest in lines}
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("Records in quarantine: 10 held; 0 released, 0 rejected\n")
    assert shown.keys() == AT_FAULT.keys()
    for number, (rule, texts) in AT_FAULT.items():
        assert not [text for text in (rule, *texts) if text not in shown[number]], shown[number]
    assert is_inert(outcome.out)


def test_a_terminal_of_a_hundred_columns_is_wide_enough(faults):
    for line in faults("quarantine", "--rule", SHORT).out.splitlines():
        assert len(line.rstrip()) <= 100


def test_no_identifier_and_no_name_is_in_the_list(faults):
    outcomes = [faults("quarantine"), faults("quarantine", "--json")]

    texts = [outcome.out for outcome in outcomes]
    assert not [name for name in (*IDENTIFIERS, "Evil", 'encounter_id":', "k1.") for text in texts if name in text]


def test_rules_and_deliveries_are_counted_by_what_became_of_their_records(faults):
    faults("release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY)
    faults("reject", "--rule", "TIME_UNREADABLE", "--batch", NEXT_DELIVERY, *BY)

    document = faults("quarantine", "--json").document

    groups = {
        (one["rule"], one["batch_id"]): (one["held"], one["released"], one["rejected"]) for one in document["groups"]
    }
    assert document["counts"] == {"held": 6, "released": 2, "rejected": 2}
    assert groups[SHORT, LAST_DELIVERY] == (0, 2, 0)
    assert groups["TIME_UNREADABLE", NEXT_DELIVERY] == (0, 0, 2)
    assert groups[SHORT, NEXT_DELIVERY] == groups["SECTOR_UNKNOWN", NEXT_DELIVERY] == (1, 0, 0)
    assert [r["evidence"] for r in document["records"] if r["state"] == "released"] == [
        [{"rule": SHORT, "column": "los_min", "form": "value", "value": 1200.0}]
    ] * 2
    assert len(faults("quarantine", "--only", "held", "--json").document["records"]) == 6


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--rule", SHORT), [(LAST_DELIVERY, 21), (LAST_DELIVERY, 22), (NEXT_DELIVERY, 6)]),
        (("--rule", SHORT, "--batch", NEXT_DELIVERY), [(NEXT_DELIVERY, 6)]),
        (("--file", "visits 14.csv"), [(LAST_DELIVERY, 21), (LAST_DELIVERY, 22)]),
        (("--day", "2026-03-14"), [(LAST_DELIVERY, 21), (LAST_DELIVERY, 22)]),
        (("--feed", "visits", "--limit", "1"), [(LAST_DELIVERY, 21)]),
        (("--feed", "flow"), []),
        (("--only", "rejected"), []),
    ],
)
def test_the_list_can_be_narrowed(faults, words, found):
    assert records(faults("quarantine", *words, "--json")) == found


def test_a_rule_that_there_is_not_is_not_found(faults):
    outcome = faults("quarantine", "--rule", "stay.shorter")

    assert (outcome.exit_code, outcome.out) == (3, "")
    assert f"Did you mean {SHORT}?" in outcome.message


def test_of_a_long_list_the_first_records_are_shown_and_how_many_more_there_are(faults):
    outcome = faults("quarantine", "--limit", "3")

    assert "\n7 more records: --limit N, or --json\n" in outcome.out
    assert faults("quarantine", "--limit", "3", "--json").document["more"] == 7


@pytest.mark.parametrize("words", [("--only", "lost"), ("--day", "soon"), ("--limit", "0")])
def test_what_cannot_be_asked_is_refused(dq, words):
    assert dq("quarantine", *words).exit_code == 2


def test_who_decides_what_is_decided_already_is_told_so_and_nothing_is_written(hops, own_ward):
    state = ("--state", own_ward.state)
    about = ("--rule", SHORT, "--batch", LAST_DELIVERY, *state)
    held = hops("dq", "hold", *about, *BY)
    rejected = hops("dq", "reject", *about, *BY)
    again = hops("dq", "reject", *about, "--by", "Rui", "--reason", "the same")
    document = hops("dq", "reject", *about, *BY, "--json").document

    entries = hops("audit", "show", *state, "--json").document["entries"]
    assert [held.exit_code, rejected.exit_code, again.exit_code] == [0, 0, 0]
    assert f"They are already held by {SHORT} since 2026-03-15T15:00+00:00: nothing was written." in held.out
    assert "They are already rejected by Ana Souza since 20" in again.out
    assert "(seen in the [bold]chart[/bold] <b>): nothing was written.\n" in again.out
    assert (document["already"]["by"], document["jobs"]) == ("Ana Souza", {})
    assert [entry["action"] for entry in entries] == ["dq.reject", "dq.rules.adopt"]


def test_a_decision_counts_equal_records_of_other_deliveries_too(hops, own_ward):
    state = ("--state", own_ward.state)
    header, *rows = (own_ward.folder / "visits 14.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    again = own_ward.write("visits 14, again.csv", header + rows[20])
    hops("load", again, "--feed", own_ward.feed, *state, "--as-of", "2026-03-16T12:00:00-03:00")

    outcome = hops("dq", "release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY, *state)

    told = f"Records of {LAST_DELIVERY} that {SHORT} holds: 1 (2026-03-14), and 1 equal record of 1 other delivery; "
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{told}2 of them are let in.\nundo: ")
