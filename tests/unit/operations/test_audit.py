from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.audit_log import entries
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


def test_every_act_is_kept_with_who_and_why_in_its_order(objects):
    found = entries(objects)

    assert [(entry.number, entry.details["rule"]) for entry in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert {(entry.who, entry.reason, entry.at) for entry in found} == {
        ("Ana Souza", "seen in the chart", "2026-03-13T21:00:00+00:00")
    }
    assert audit.breaks(found) == []


@pytest.mark.parametrize("field", ["who", "reason", "at", "action"])
def test_an_entry_that_was_changed_afterwards_is_found(objects, field):
    changed = json.loads(objects.read(KEYS[1])) | {field: "somebody else's"}
    objects.write(KEYS[1], json.dumps(changed).encode())

    assert audit.breaks(entries(objects)) == ["entry 3 does not follow what is there before it"]


def test_an_entry_that_was_taken_out_is_found(objects):
    found = entries(objects)

    assert audit.breaks([found[0], found[2]]) == [
        "entry 2 is missing",
        "entry 3 does not follow what is there before it",
    ]


@pytest.mark.parametrize("nothing", ["", "   ", "Ana\n\x1b[2J"])
def test_nobody_and_no_reason_are_refused(objects, nothing):
    for given in ({"who": nothing, "reason": "x"}, {"who": "Ana", "reason": nothing}):
        with pytest.raises(ConfigError, match="names nothing"):
            audit.record(objects, AT, action="dq.release", details={}, **given)

    assert len(entries(objects)) == 3


def test_what_is_no_entry_beside_the_entries_changes_none_of_them(objects):
    before = [objects.read(key) for key in KEYS]
    for name in ("copy-00000001.json", "00000002 (1).json", "zzz.txt"):
        objects.write(f"ops/audit/{name}", objects.read(KEYS[0]))

    audit.record(objects, AT, who="Eve", action="dq.hold", reason="why", details={})

    assert [objects.read(key) for key in KEYS] == before
    assert [entry.number for entry in entries(objects)] == [1, 2, 3, 4]
    assert audit.breaks(entries(objects)) == []


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
