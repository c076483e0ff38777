"""`hops audit verify`, and what is refused while the log of what people decided is not whole."""

from __future__ import annotations

import json

import pytest

from accounts import put_back
from e2e.ward import BY, LAST_DELIVERY, SHORT, TRIAGE, is_inert

ABOUT = ("--rule", SHORT, "--batch", LAST_DELIVERY, *BY)


def entry_file(ward, number):
    return ward.state / "ops" / "audit" / f"{number:08d}.json"


@pytest.fixture
def broken(hops, own_ward):
    """Return the ward after four acts, of which somebody changed the second."""
    state = ("--state", own_ward.state)
    hops("dq", "release", *ABOUT, *state)
    for _ in range(2):
        hops("dq", "assign", TRIAGE, "--to", "Rui", "--by", "Ana", *state)
    file = entry_file(own_ward, 2)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"who": "Eve \x1b[2J"}))
    return own_ward


def test_the_changed_entry_is_named_with_its_file_what_it_was_and_when(hops, broken):
    outcome = hops("audit", "verify", "--state", broken.state)
    document = hops("audit", "verify", "--state", broken.state, "--json").document

    (fault,) = document["faults"]
    at = json.loads(entry_file(broken, 2).read_text())["at"]
    assert outcome.exit_code == 4
    assert outcome.out == f"{fault['sentence']}\n"
    assert fault["sentence"].startswith(f"entry 2 (dq.release, {at}, ops/audit/00000002.json) was changed")
    assert (fault["number"], fault["action"], document["error"]["exit_code"]) == (2, "dq.release", 4)
    assert "Keep a copy of ops/audit/" in outcome.next_step
    assert is_inert(outcome.out + outcome.err)


@pytest.mark.parametrize(
    "words",
    [
        ("rules", "adopt", "{rules}", *BY),
        ("rules", "drop", "silver.encounters", *BY),
        ("release", "--rule", SHORT, "--batch", LAST_DELIVERY, *BY),
        ("reject", *ABOUT),
        ("hold", *ABOUT),
        ("assign", TRIAGE, "--to", "Rui", "--by", "Ana"),
        ("judge", TRIAGE, "--verdict", "corrupted", *BY),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_nobody_decides_anything_while_the_log_is_not_whole(hops, broken, words):
    if words[0] == "release":
        entry_file(broken, 4).unlink()  # a release that is new: the standing one would write nothing
        (broken.state / "ops" / "quality_decisions.json").unlink()
    before = {
        path: path.read_bytes() for path in broken.state.rglob("*") if path.is_file() and "lake" not in path.parts
    }

    told = [word.format(rules=broken.folder / "silver.encounters.dqdl") for word in words]
    outcome = hops("dq", *told, "--state", broken.state)

    after = {path: path.read_bytes() for path in broken.state.rglob("*") if path.is_file() and "lake" not in path.parts}
    assert (outcome.exit_code, outcome.out) == (4, "")
    assert "not whole, so nothing was done: entry 2" in outcome.message
    assert "`hops audit verify`" in outcome.next_step
    assert after == before


def test_a_log_that_is_put_back_from_a_backup_goes_on(hops, own_ward, tmp_path):
    state = ("--state", own_ward.state)
    with put_back(own_ward.state / "ops" / "audit", tmp_path / "backup"):
        entry_file(own_ward, 1).write_text("{}")
        refused = hops("dq", "assign", TRIAGE, "--to", "Rui", "--by", "Ana", *state)

    assert refused.exit_code == 4
    assert hops("dq", "assign", TRIAGE, "--to", "Rui", "--by", "Ana", *state).exit_code == 0
    assert hops("audit", "verify", *state).exit_code == 0


def test_without_a_backup_a_new_log_begins_in_which_somebody_answers_for_all_that_counts(hops, broken):
    state = ("--state", broken.state)
    (broken.state / "ops" / "audit").rename(broken.state / "ops" / "audit-broken")

    ignored = hops("dq", "check", *state)
    adopted = hops("dq", "rules", "adopt", broken.folder / "silver.encounters.dqdl", *BY, *state)
    undecided = hops("backfill", "--from", "2026-03-14", "--to", "2026-03-14", *state)
    released = hops("dq", "release", *ABOUT, *state)
    checked = hops("dq", "check", *state)
    verified = hops("audit", "verify", *state)

    assert (ignored.exit_code, undecided.exit_code) == (4, 4)
    assert "the audit log" in ignored.message
    assert "hops dq hold" in undecided.next_step
    assert [outcome.exit_code for outcome in (adopted, released, checked, verified)] == [0, 0, 0, 0]
    assert verified.out == "Entries: 2, and each follows the one before it.\n"
