from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fakes import VirtualTime
from healthcare_ops.adapters.local_folders import replacing_folder
from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.adapters.state_lock import lock_state
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import ConfigError, LockedError
from healthcare_ops.operations.follow import follow
from healthcare_ops.operations.generate import FAULTS_FILE, MANIFEST, Order, generate

SITE_FILE = """
facility_id = "h"
name = "Hospital"
zone = "America/Sao_Paulo"
sectors = [{ sector_id = "ED", name = "Emergency", kind = "ed", functional_capacity = 9 }]
"""
DAY = date(2025, 3, 3)
MIDNIGHT = datetime(2025, 3, 3, 3, tzinfo=UTC)


@pytest.fixture
def order(tmp_path):
    site = tmp_path / "site.toml"
    site.write_text(SITE_FILE)
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("")
    options = {"feeds": ("events",), "every_min": 30, "is_clean": True, "scenario_file": scenario}
    return Order(site, tmp_path / "made", DAY, DAY, **options)


def delivered(order):
    return sorted(path.name for path in (order.out / "deliveries" / "events").iterdir())


class Stopped(Exception):
    """Ends a test's waiting."""


# A folder that is whole or not there


def test_a_generation_that_fails_leaves_the_earlier_one(order, tmp_path):
    generate(order)
    before = {path: path.read_bytes() for path in order.out.rglob("*") if path.is_file()}

    def fail(step):
        if step.startswith("events"):
            raise Stopped

    with pytest.raises(Stopped):
        generate(order, fail)

    assert {path: path.read_bytes() for path in order.out.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "scenario.toml", "site.toml"]


def test_a_generation_that_fails_leaves_nothing_where_nothing_was(order, tmp_path):
    def fail(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(order, fail)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["scenario.toml", "site.toml"]


def test_another_generation_replaces_the_earlier_one_whole(order):
    generate(order)
    (order.out / "deliveries" / "events" / "left_over.csv").write_text("")

    generate(order)

    assert "left_over.csv" not in delivered(order)


def test_a_folder_stays_when_its_replacement_fails(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")

    def replace():
        with replacing_folder(tmp_path / "folder") as new:
            (new / "half").write_text("half")
            raise Stopped

    with pytest.raises(Stopped):
        replace()

    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]


@pytest.mark.parametrize("content", [{"thesis.txt": "mine"}, {"deliveries": "mine"}])
def test_a_folder_of_somebody_else_is_refused_before_anything_is_simulated(order, content):
    order.out.mkdir()
    for name, text in content.items():
        (order.out / name).write_text(text)

    with pytest.raises(ConfigError, match="did not make"):
        generate(order, pytest.fail)


def test_an_empty_folder_may_be_filled(order):
    order.out.mkdir()

    generate(order)

    assert (order.out / MANIFEST).exists()


# Time goes by


def test_each_file_comes_when_it_is_due(order):
    time, came = VirtualTime(MIDNIGHT), []

    def wait(seconds):
        came.append((time.now(), len(delivered(order))))
        time.sleep(seconds)

    done = follow(order, time, wait)

    assert not done.is_interrupted
    assert done.document["feeds"][0]["files"] == 48
    for now, files in came:
        assert files == (now - MIDNIGHT) // timedelta(minutes=30)
    assert time.slept_s == [1800.0] * 48


def test_what_is_overdue_comes_at_once_and_the_rest_in_time(order):
    time = VirtualTime(MIDNIGHT + timedelta(hours=20))

    def wait(seconds):
        raise KeyboardInterrupt

    done = follow(order, time, wait)

    assert done.is_interrupted
    assert len(delivered(order)) == 40


def test_following_goes_on_where_it_ended(order):
    first, second, late = (AsOfClock(MIDNIGHT + timedelta(hours=hours)) for hours in (6, 6, 50))

    counts = [follow(order, clock, None).document["feeds"] for clock in (first, second, late)]

    assert [sum(feed["files"] for feed in feeds) for feeds in counts] == [12, 0, 36]
    assert len(delivered(order)) == 48


@pytest.mark.parametrize("left", [b"", b'{"fault": 0, "kind": "nul'])
def test_what_a_crash_left_of_the_record_of_faults_is_mended(order, left):
    order.scenario_file.write_text('[[faults]]\nkind = "nulls"\ncolumn = "sector"\n')
    early, late = (AsOfClock(MIDNIGHT + timedelta(hours=hours)) for hours in (12, 50))
    record, mark = order.out / "truth" / FAULTS_FILE, order.out / "delivered_until.txt"
    follow(order, early, None)
    delivered_until = mark.read_bytes()

    follow(order, late, None)
    whole = record.read_bytes()
    mark.write_bytes(delivered_until)
    record.write_bytes(whole + left)
    follow(order, late, None)

    assert record.read_bytes() == whole
    assert whole.count(b"\n") > 5


def test_two_at_once_do_not_deliver_into_one_folder(order):
    def wait(seconds):
        with pytest.raises(LockedError, match=r"another process delivers into .*made\."):
            follow(order, AsOfClock(MIDNIGHT + timedelta(hours=5)), None)
        raise KeyboardInterrupt

    follow(order, VirtualTime(MIDNIGHT), wait)

    assert follow(order, AsOfClock(MIDNIGHT + timedelta(hours=5)), None).document["feeds"]


def test_what_a_killed_process_had_begun_to_write_is_removed(order):
    follow(order, AsOfClock(MIDNIGHT + timedelta(hours=3)), None)
    left = order.out / "deliveries" / "events" / ".new-abc"
    left.write_bytes(b"half a fi")

    follow(order, AsOfClock(MIDNIGHT + timedelta(hours=6)), None)

    assert not left.exists()
    assert len(delivered(order)) == 12


def test_a_disk_is_not_replaced(order):
    with pytest.raises(ConfigError, match="/ is where a disk is mounted") as refused:
        generate(replace(order, out=Path("/")))

    assert refused.value.next_step == "Give a folder below it as --out."


def test_following_does_not_go_on_with_other_versions_and_names_them(order):
    follow(order, AsOfClock(MIDNIGHT), None)
    manifest = order.out / MANIFEST
    facts = json.loads(manifest.read_text())
    facts["made_with"]["holidays"] = "1.0"
    manifest.write_text(json.dumps(facts))

    with pytest.raises(ConfigError, match=r"made with holidays 1\.0, now \d") as refused:
        follow(order, AsOfClock(MIDNIGHT), None)

    assert facts["made_with"].keys() == {"healthcare-ops", "pyarrow", "holidays", "tzdata"}
    assert "install those versions" in refused.value.next_step


def test_a_state_directory_in_use_gets_its_files_later(order, tmp_path):
    state, time = tmp_path / "state", VirtualTime(MIDNIGHT + timedelta(hours=10))
    in_use, seen = ExitStack(), []

    def landed():
        return {delivery.source_file for delivery in LocalRaw(state / "raw").deliveries("events")}

    def wait(seconds):
        at = time.now() - MIDNIGHT
        if at == timedelta(hours=10):
            in_use.enter_context(lock_state(state))
            seen.append(landed())
        elif at == timedelta(hours=11):
            seen.append(landed())
            in_use.close()
        elif at > timedelta(hours=12):
            raise KeyboardInterrupt
        time.sleep(seconds)

    follow(order, time, wait, state=state)

    assert seen[0] == seen[1] < landed() == with_rows(order)


def with_rows(order):
    """Return the files that hold a row: of those that do not, raw keeps only the first."""
    texts = {path.name: path.read_text() for path in (order.out / "deliveries" / "events").iterdir()}
    empty = sorted(name for name, text in texts.items() if text.count("\n") == 1)
    return texts.keys() - set(empty[1:])


def test_without_waiting_a_state_directory_in_use_is_an_error_and_nothing_is_forgotten(order, tmp_path):
    state, clock = tmp_path / "state", AsOfClock(MIDNIGHT + timedelta(hours=12))
    follow(order, AsOfClock(MIDNIGHT), None, state=state)

    with lock_state(state), pytest.raises(LockedError):
        follow(order, clock, None, state=state)
    follow(order, clock, None, state=state)

    landed = {delivery.source_file for delivery in LocalRaw(state / "raw").deliveries("events")}
    assert len(delivered(order)) == 24
    assert landed == with_rows(order)
