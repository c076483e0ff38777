from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.audit_log import entries, entry_key, kept_entries
from healthcare_ops.operations import audit

AT = datetime(2026, 3, 13, 21, tzinfo=UTC)
KEYS = [f"ops/audit/0000000{number}.json" for number in (1, 2, 3)]


@pytest.fixture
def objects():
    found = MemoryObjects()
    for rule in "abc":
        audit.record(
            found, AT, who="Ana Souza", action="dq.release", reason="seen in the chart", details={"rule": rule}
        )
    return found


def rewrite(objects, number, /, *, is_sealed=False, **different):
    """Change what an entry says, and with it the hash that was written with it if somebody thinks of it."""
    key = entry_key(number)
    changed = json.loads(objects.read(key)) | different
    objects.write(key, json.dumps(changed).encode())
    if is_sealed:
        objects.write(key, json.dumps(changed | {"seal": kept_entries(objects)[number].hash}).encode())


def faults(objects):
    """Return the number of each entry that does not fit, and what is wrong with it."""
    return [(fault.number, fault.sentence.partition(") ")[2]) for fault in audit.breaks(kept_entries(objects))]


def test_every_act_is_kept_with_who_and_why_in_its_order(objects):
    found = entries(objects)

    assert [(entry.number, entry.details["rule"]) for entry in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert {(entry.who, entry.reason, entry.at) for entry in found} == {
        ("Ana Souza", "seen in the chart", "2026-03-13T21:00:00+00:00")
    }
    assert faults(objects) == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("field", ["who", "reason", "at", "action", "previous"])
def test_an_entry_that_was_changed_afterwards_is_named_and_not_the_one_after_it(objects, field, number):
    rewrite(objects, number, **{field: "somebody else's"})

    assert faults(objects) == [(number, "was changed: its hash is not the one that was written with it")]


def test_an_entry_is_named_with_what_it_was_and_when(objects):
    rewrite(objects, 2, who="Eve")

    (fault,) = audit.breaks(kept_entries(objects))

    assert (fault.number, fault.key, fault.action, fault.at) == (2, KEYS[1], "dq.release", AT.isoformat())
    assert fault.sentence.startswith(f"entry 2 (dq.release, {AT.isoformat()}, {KEYS[1]}) was changed")


def test_an_entry_whose_hash_was_written_anew_too_is_named_by_those_after_it(objects):
    rewrite(objects, 1, who="Eve", is_sealed=True)

    assert faults(objects) == [(1, "was changed or replaced: entry 2 was written after another one")]


def test_of_the_two_newest_nothing_tells_which_was_written_anew(objects):
    rewrite(objects, 2, who="Eve", is_sealed=True)

    (fault,) = audit.breaks(kept_entries(objects))

    assert fault.number == 2
    assert "or else entry 3 (dq.release, 2026-03-13T21:00:00+00:00)" in fault.sentence


def test_of_entries_before_a_changed_one_nothing_tells_which_was_written_anew(objects):
    rewrite(objects, 1, who="Eve", is_sealed=True)
    rewrite(objects, 3, who="Eve")

    assert [number for number, _ in faults(objects)] == [1, 3]
    assert "no newer one tells which" in faults(objects)[0][1]


def test_an_entry_without_its_hash_among_others_that_have_theirs_was_changed(objects):
    rewrite(objects, 2, seal="")

    assert faults(objects) == [(2, "was changed: the hash that was written with it is gone")]


@pytest.mark.parametrize("changed", [None, 1])
def test_entries_that_were_written_before_there_were_seals_count_as_they_did(objects, changed):
    for number in (1, 2, 3):
        rewrite(objects, number, seal="")
    if changed:
        rewrite(objects, changed, who="Eve")

    assert [number for number, _ in faults(objects)] == ([changed] if changed else [])


def test_a_first_entry_that_follows_another_one_is_not_the_first(objects):
    alone = MemoryObjects()
    alone.write(KEYS[0], objects.read(KEYS[0]))
    rewrite(alone, 1, previous="a" * 64, is_sealed=True)

    assert faults(alone) == [(1, "was written after another one, which is gone")]


@pytest.mark.parametrize(
    ("gone", "told"), [([2], "entry 2 is missing"), ([1, 2], "entries 1 to 2 are missing"), ([1], "entry 1 is missing")]
)
def test_entries_that_were_taken_out_are_named(objects, gone, told):
    kept = {number: entry for number, entry in kept_entries(objects).items() if number not in gone}

    assert [fault.sentence for fault in audit.breaks(kept)] == [told]


@pytest.mark.parametrize(
    "damage", [{"who": "Eve"}, {"number": 3}, {"details": []}, {"who": "Eve", "is_sealed": True}], ids=str
)
def test_nothing_is_added_to_a_log_that_is_not_whole(objects, damage):
    rewrite(objects, 1, **damage)
    before = [objects.read(key) for key in objects.list("")]

    with pytest.raises(
        ConfigError, match=r"not whole, so nothing was done: entry 1 \(.*ops/audit/00000001\.json"
    ) as told:
        audit.record(objects, AT, who="Ana", action="dq.hold", reason="why", details={})

    assert "`hops audit verify`" in told.value.next_step
    assert [objects.read(key) for key in objects.list("")] == before


@pytest.mark.parametrize(
    ("nothing", "why"),
    [
        ("", "names nothing"),
        ("   ", "names nothing"),
        ("Ana\n\x1b[2J", "holds a line break"),
        ("\u202eAna", "turns text"),
    ],
)
def test_nobody_and_no_reason_are_refused(objects, nothing, why):
    for given in ({"who": nothing, "reason": "x"}, {"who": "Ana", "reason": nothing}):
        with pytest.raises(ConfigError, match=why):
            audit.record(objects, AT, action="dq.release", details={}, **given)

    assert len(entries(objects)) == 3


def test_an_entry_that_names_somebody_twice_is_none(objects):
    objects.write(KEYS[1], objects.read(KEYS[1]).replace(b'"who": "', b'"who": "Eve", "who": "'))

    assert [number for number, _ in faults(objects)] == [2]


def test_a_name_of_a_thousand_letters_is_refused_with_the_limit(objects):
    with pytest.raises(ConfigError, match="--by has 1,000 characters, more than 500"):
        audit.record(objects, AT, who="A" * 1000, action="dq.release", reason="why", details={})


def test_what_is_no_entry_beside_the_entries_changes_none_of_them(objects):
    before = [objects.read(key) for key in KEYS]
    for name in ("copy-00000001.json", "00000002 (1).json", "zzz.txt"):
        objects.write(f"ops/audit/{name}", objects.read(KEYS[0]))

    audit.record(objects, AT, who="Eve", action="dq.hold", reason="why", details={})

    assert [objects.read(key) for key in KEYS] == before
    assert [entry.number for entry in entries(objects)] == [1, 2, 3, 4]
    assert faults(objects) == []


@pytest.mark.parametrize("damage", [{"number": "3"}, {"number": None}, {"at": None}, {"details": []}])
def test_an_entry_that_is_none_any_more_is_told_by_name(objects, damage):
    objects.write(KEYS[2], json.dumps(json.loads(objects.read(KEYS[2])) | damage).encode())

    with pytest.raises(ConfigError, match=r"00000003\.json is no entry any more"):
        entries(objects)
    with pytest.raises(ConfigError, match="the audit log is not whole"):
        audit.record(objects, AT, who="Eve", action="dq.hold", reason="why", details={})


def test_no_entry_is_written_over_where_the_newest_says_another_number(objects):
    objects.write(KEYS[2], json.dumps(json.loads(objects.read(KEYS[2])) | {"number": 1}).encode())

    with pytest.raises(ConfigError, match="says that it is entry 1"):
        audit.record(objects, AT, who="Eve", action="dq.hold", reason="why", details={})


@pytest.mark.parametrize("who", ["hops", " HOPS ", "ｈｏｐｓ"])
def test_nobody_decides_under_the_name_of_the_platform(objects, who):
    with pytest.raises(ConfigError, match="is the platform, no person"):
        audit.record(objects, AT, who=who, action="dq.release", reason="looks fine", details={})

    assert len(entries(objects)) == 3


def test_what_the_platform_does_by_itself_stands_under_its_name(objects):
    entry = audit.record(objects, AT, who="hops", action="incidents.act", reason="passes", details={})

    assert entry.who == "hops"
