"""Has every record of bronze a fate, and is every held one in quarantine? Asked of what each test leaves behind."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.adapters.lake import IcebergLake
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, ENCOUNTERS_RAW, EVENTS_RAW, FATES, QUARANTINE, Table

_BATCH = ("feed_id", "delivery_seq", "source_sha256", "dt")


def state_directories(folder: Path) -> list[Path]:
    """Return those below a folder: a site with a lake.

    A copy is none, for its catalog names the files of the other; nor is one whose catalog a test made unreadable.
    """
    catalogs = (catalog for catalog in folder.rglob("lake/catalog.db") if (catalog.parents[1] / SITE_FILE).exists())
    return sorted(catalog.parents[1] for catalog in catalogs if _is_original(catalog))


def _is_original(catalog: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as opened:
            found = opened.execute("select metadata_location from iceberg_tables").fetchall()
    except sqlite3.DatabaseError:
        return False
    return all(Path(location).is_relative_to(catalog.parent.resolve()) for (location,) in found)


@contextmanager
def put_back(state: Path, kept: Path) -> Iterator[None]:
    """Let a state directory be written to; ask it, and put it back in any case.

    In its place: an Iceberg table knows its files by their full paths, so that a copy elsewhere would not be one.
    """
    shutil.copytree(state, kept)
    try:
        yield
        assert not unaccounted(state)
    finally:
        shutil.rmtree(state)
        shutil.copytree(kept, state)


def unaccounted(state: Path) -> list[str]:
    """Return what does not add up: a line a batch and day.

    Bronze is counted here and not taken from the account, so that records that no fate was given to are missed too.
    The lake alone is opened: tests leave directories whose other files the product refuses.
    """
    with TemporaryDirectory() as spilled:
        engine = DuckDBEngine(Path(spilled), memory_limit_mb=500, threads=1)
        return list(_unaccounted(engine, IcebergLake((state / "lake").resolve(), engine, keep_snapshots=20)))


def _unaccounted(engine: DuckDBEngine, lake: IcebergLake) -> Iterator[str]:
    def rows(table: Table) -> list[dict[str, Any]]:
        wanted = [*_BATCH, *({*table.column_names} & {"delivered", *FATES, "state"})]
        found: list[dict[str, Any]] = engine.collect(lake.read(table).select(wanted)).to_pylist()
        return found

    accounts = {_batch(row): row for row in rows(BATCH_ACCOUNTS)}
    delivered = Counter(_batch(row) for table in (ENCOUNTERS_RAW, EVENTS_RAW) for row in rows(table))
    held = Counter(_batch(row) for row in rows(QUARANTINE) if row["state"] != "released")
    for batch, account in accounts.items():
        fates = sum(account[fate] for fate in FATES)
        if not delivered[batch] == account["delivered"] == fates:
            yield f"{batch}: {delivered[batch]} in bronze, {account['delivered']} delivered, {fates} have a fate"
        if held[batch] != account["quarantined"]:
            yield f"{batch}: {held[batch]} in quarantine, {account['quarantined']} in the account"
    yield from (f"{batch}: {held[batch]} in quarantine, and no account" for batch in held.keys() - accounts)
    if _is_refined(lake):
        yield from (f"{batch}: {delivered[batch]} records without an account" for batch in delivered.keys() - accounts)


def _is_refined(lake: IcebergLake) -> bool:
    """Tell whether silver was made from bronze as it is now; a test may end before."""
    return not any(
        lake.changes(table, lake.note(ENCOUNTERS, f"from.{table.id}")).days for table in (ENCOUNTERS_RAW, EVENTS_RAW)
    )


def _batch(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _BATCH)
