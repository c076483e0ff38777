from __future__ import annotations

import sqlite3

import pytest

from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.operations.drills.catalogue import DRILLS, chosen
from healthcare_ops.operations.drills.injectors import (
    AtState,
    CatalogHeld,
    Denied,
    cut_short,
    rename_column,
    spoil_bytes,
)

VISITS = "encounter_id,arrival_time\nV-1,2026-03-01 08:00:00\nV-2,2026-03-01 09:00:00\n"


@pytest.fixture
def state(tmp_path):
    (tmp_path / "lake").mkdir()
    with sqlite3.connect(tmp_path / "lake" / "catalog.db") as catalog:
        catalog.execute("CREATE TABLE iceberg_tables (name TEXT)")
    return tmp_path


def names_in(state):
    catalog = sqlite3.connect(state / "lake" / "catalog.db", timeout=0)
    try:
        return catalog.execute("SELECT name FROM iceberg_tables").fetchall()
    finally:
        catalog.close()


def test_nobody_reads_a_catalog_that_is_held_and_everybody_once_it_is_let_go(state):
    held = CatalogHeld(state)

    held.hold()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        names_in(state)
    held.let_go()

    assert names_in(state) == []


def test_a_fault_at_a_state_strikes_the_first_run_that_enters_it_and_no_other():
    struck = []
    fault = AtState("RunDQ", struck.append)

    for state in ("RunBronzeIngest", "RunDQ", "RunDQ"):
        fault({"event": "entered", "state": state})

    assert struck == [{"event": "entered", "state": "RunDQ"}]


def test_a_folder_that_was_denied_has_its_rights_back(tmp_path):
    tmp_path.chmod(0o750)

    with Denied(tmp_path):
        denied = tmp_path.stat().st_mode & 0o777

    assert (denied, tmp_path.stat().st_mode & 0o777) == (0, 0o750)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_file_that_is_cut_short_ends_in_the_middle_of_a_line(tmp_path, keep):
    path = tmp_path / "visits.csv"
    path.write_text(VISITS)

    cut_short(path, keep)

    assert VISITS.startswith(path.read_text())
    assert not path.read_text().endswith("\n")


def test_bytes_that_are_no_text_cannot_be_read_as_text(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text(VISITS)

    spoil_bytes(path, 0.5)

    with pytest.raises(UnicodeDecodeError):
        path.read_text(encoding="utf-8")


def test_a_column_that_was_renamed_keeps_its_values(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text(VISITS)

    rename_column(path, "arrival_time")

    assert path.read_text() == VISITS.replace("arrival_time", "arrival_time_x")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("01c", ["01c"]), ("02", ["02a", "02b"]), ("all", [drill.drill_id for drill in DRILLS])],
)
def test_drills_are_chosen_by_their_id_or_its_beginning(wanted, found):
    assert [drill.drill_id for drill in chosen(wanted)] == found


@pytest.mark.parametrize("wanted", ["04a", "x", ""])
def test_a_drill_that_is_not_there_is_named_with_those_that_are(wanted):
    with pytest.raises(NotFoundError, match=r"there are 01a, 01b"):
        chosen(wanted)
