from __future__ import annotations

import shutil

import ibis
import pytest

from accounts import state_directories, unaccounted
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS_RAW, QUARANTINE
from hospital import open_hospital, visit

DAY = "2026-03-02"


@pytest.fixture
def hospital(tmp_path):
    """Return a hospital with three visits of one day, one of them held; what a test spoils goes with it."""
    with open_hospital(tmp_path, "2026-03-03T12:00:00-03:00") as opened:
        rows = [visit("a", f"{DAY}T08:00"), visit("b", f"{DAY}T09:00"), visit("c", f"{DAY}T10:00", place="NOWHERE")]
        opened.deliver("visits", rows, "visits.csv")
        opened.refine("ingest_bronze", "bronze_to_silver")
        yield opened
    shutil.rmtree(tmp_path)


def spoil(hospital, table, change):
    """Put other rows in the place of a table's."""
    rows = hospital.platform.lake.read(table)
    days = {row["dt"] for row in hospital.context.engine.collect(rows).to_pylist()}
    hospital.platform.lake.replace_days(table, change(rows), sorted(days), {})


def test_a_hospital_that_lost_nothing_is_found_and_adds_up(hospital, tmp_path):
    (found,) = state_directories(tmp_path)

    assert found == hospital.state
    assert unaccounted(found) == []


def test_a_copy_of_a_hospital_is_not_asked(hospital, tmp_path):
    shutil.copytree(hospital.state, tmp_path / "copy")

    assert state_directories(tmp_path) == [hospital.state]


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        (ENCOUNTERS_RAW, lambda rows: rows.filter(rows.record_no > 1), "2 in bronze, 3 delivered, 3 have a fate"),
        (BATCH_ACCOUNTS, lambda rows: rows.mutate(applied=rows.applied - 1), "3 delivered, 2 have a fate"),
        (QUARANTINE, lambda rows: rows.filter(ibis.literal(False)), "0 in quarantine, 1 in the account"),
        (BATCH_ACCOUNTS, lambda rows: rows.filter(ibis.literal(False)), "3 records without an account"),
    ],
)
def test_what_was_lost_is_told(hospital, table, change, said):
    spoil(hospital, table, change)

    *_, line = unaccounted(hospital.state)
    assert said in line
