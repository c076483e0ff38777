"""A small hospital on a state directory of its own, for tests of jobs and runs: rows in, tables out."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog

from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.tables import Table
from healthcare_ops.jobs import REFINE_JOBS
from healthcare_ops.jobs.context import Context
from healthcare_ops.operations import bulk

Row = dict[str, Any]

SITE = """\
facility_id = "h"
name = "Hospital"
zone = "America/Sao_Paulo"
max_stay_days = 1
hospital_beds = 100

[[sectors]]
sector_id = "ED"
name = "Emergency"
functional_capacity = 10

[[sectors]]
sector_id = "WARD"
name = "Ward"
kind = "ward"
functional_capacity = 20
"""
_USUAL = """
zone = "America/Sao_Paulo"
owner = { name = "IT", email = "it@hospital.example" }
plausible = { first = 2025-01-01, last = 2027-12-31 }
cadence = { every_min = 60, late_after_min = 120 }
"""
VISITS = f"""\
feed_id = "visits"
format = "csv"
shape = "encounters"
{_USUAL}
[columns]
encounter_id = "visit"
patient_id = "patient"
version_time = "changed"
arrival_time = "arrival"
care_start = "care"
discharge_time = "left"
sector = "place"
triage_level = "level"
"""
FLOW = f"""\
feed_id = "flow"
format = "ndjson"
shape = "events"
{_USUAL}
[columns]
encounter_id = "visit"
patient_id = "patient"
source_event_id = "id"
event_type = "code"
event_time = "at"
sector = "place"
bed = "bed"

[values.event_type]
IN = "arrival"
MD = "care_start"
ADM = "admit"
MOVE = "transfer"
OUT = "discharge"
GONE = "left"
LAB = "ignore"
"""


def visit(name: str, arrival: str, **different: Any) -> Row:
    """Return a row of the visits feed: seen after half an hour, gone after three, told about a day later."""
    arrived = datetime.fromisoformat(arrival)
    usual = {
        "visit": name,
        "patient": f"PATIENT-{name}",
        "changed": arrived + timedelta(days=1),
        "arrival": arrived,
        "care": arrived + timedelta(minutes=30),
        "left": arrived + timedelta(hours=3),
        "place": "ED",
        "level": 3,
    }
    return usual | different


def event(name: str, code: str, at: str, **different: Any) -> Row:
    """Return a line of the flow feed."""
    return {"id": f"EVENT-{name}-{code}-{at}", "visit": name, "patient": f"PATIENT-{name}", "code": code, "at": at} | (
        different
    )


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a file as the feed's supplier would: a line an event, or a table of visits."""
    if path.suffix == ".ndjson":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(visit("", "2026-03-01")))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


class Hospital:
    """A state directory with the two feeds, open for work at one instant."""

    def __init__(self, platform: Platform, inbox: Path) -> None:
        self.platform = platform
        self._inbox = inbox

    @property
    def state(self) -> Path:
        return self.platform.state

    @property
    def context(self) -> Context:
        return self.platform.context

    def at(self, now: str) -> None:
        """Let it be another instant."""
        context = replace(self.context, clock=AsOfClock(datetime.fromisoformat(now)))
        self.platform = replace(self.platform, context=context)

    def deliver(self, feed_id: str, rows: Iterable[Row], name: str) -> Path:
        """Put a file of rows into raw."""
        path = self._inbox / name
        write_rows(path, list(rows))
        self.redeliver(feed_id, path)
        return path

    def redeliver(self, feed_id: str, path: Path) -> None:
        """Put a file that is there into raw."""
        bulk.land(self.platform, self.context.feeds[feed_id], {path: bulk.sha256_of(path)})

    def refine(self, *jobs: str, days: Iterable[date] = ()) -> Mapping[str, Any]:
        """Run the jobs (all that refine, if none is named) and return their outcomes."""
        done = bulk.refine(self.platform, lambda name: None, jobs=jobs or REFINE_JOBS, days=frozenset(days))
        return done["jobs"]

    def rows(self, table: Table, *without: str) -> list[Row]:
        """Return a table's rows in the order of its key, without some columns."""
        read = self.platform.lake.read(table).order_by(list(table.key))
        return [
            {name: value for name, value in row.items() if name not in without}
            for row in self.context.engine.collect(read).to_pylist()
        ]

    def files(self, table: Table) -> dict[int, set[str]]:
        """Return day of the month → the files that hold it now."""
        found: dict[int, set[str]] = {}
        catalog = SqlCatalog("hops", uri=f"sqlite:///{self.state.resolve() / 'lake' / 'catalog.db'}")
        for task in catalog.load_table(table.id).scan().plan_files():
            day = date.fromisoformat(Path(task.file.file_path).parent.name.removeprefix("dt="))
            found.setdefault(day.day, set()).add(task.file.file_path)
        return found


@contextmanager
def open_hospital(folder: Path, now: str, secrets: Path | None = None, site: str = SITE) -> Iterator[Hospital]:
    """Make a state directory in the folder, with the key of another one if its secrets are given, and open it."""
    inbox, state, clock = folder / "inbox", folder / "state", AsOfClock(datetime.fromisoformat(now))
    inbox.mkdir(parents=True)
    for name, text in (("site", site), ("visits", VISITS), ("flow", FLOW)):
        (inbox / f"{name}.toml").write_text(text)
    if secrets:
        shutil.copytree(secrets, state / "secrets")
    create_state(state, inbox / "site.toml", clock)
    for feed in ("visits", "flow"):
        add_feed(state, inbox / f"{feed}.toml")
    with open_platform(state, clock) as platform:
        yield Hospital(platform, inbox)
