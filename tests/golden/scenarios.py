"""The golden scenarios: what was delivered, the way of it through the stages, and a lake for jobs on any engine."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from engines import StageEngine
from fakes import MemoryMetrics, MemoryObjects, MemoryRaw, MemorySecrets
from healthcare_ops.adapters.lake import arrow_schema
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.config import Settings
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import Table
from healthcare_ops.core.validated import read_toml
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.bronze import bronze_rows, bronze_table
from healthcare_ops.pipeline.quality.evaluate import Finding, Measured
from healthcare_ops.pipeline.quality.report.report import Report, report_key
from healthcare_ops.pipeline.quality.rules.checks import read_rules, shipped_rules
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser, Purpose
from healthcare_ops.pipeline.sources.readers import read_records
from healthcare_ops.ports import DayChanges, Delivery

KEY = Pseudonymiser("golden", b"a key that protects nobody: these patients are invented")
_IDENTIFIERS: Mapping[str, Purpose] = {"visit": "encounter", "patient": "patient", "event": "event"}


@dataclass(frozen=True)
class Scenario:
    """A folder of site, feeds, deliveries, a site's own rules, runs before, and what must come of them."""

    name: str
    deliveries: tuple[tuple[str, int], ...]
    ingested_at: datetime
    judged_at: datetime

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / self.name

    @cached_property
    def site(self) -> Site:
        return read_toml(self.folder / "site.toml", Site)

    @cached_property
    def feeds(self) -> Mapping[str, Feed]:
        return {name: read_toml(self.folder / "feeds" / f"{name}.toml", Feed) for name, _ in self.deliveries}

    @property
    def rules(self) -> dict[str, str]:
        """Return the product's rules, each file with the site's own at its end."""
        rules = shipped_rules()
        for path in sorted(self.folder.glob("rules/*.dqdl")):
            shipped, (_, _, own) = rules[path.stem], path.read_text().partition("Rules = [")
            rules[path.stem] = f"{shipped[: shipped.rindex(']')]}, {own}"
        return rules

    def ingest(self, engine: StageEngine, name: str, number: int) -> pa.Table:
        """Return the bronze rows of a delivery."""
        path, feed = self.folder / "delivered" / f"{name}-{number}.csv", self.feeds[name]
        delivery = Delivery(name, number, path.name, f"sha256 of {path.name}", self.ingested_at.date())
        batches = [
            map_records(batch, feed, source_sha256=delivery.source_sha256, pseudonymiser=KEY)
            for batch in read_records(path, feed)
        ]
        mapped = engine.table(pa.Table.from_batches(batches))
        return as_stored(engine.collect(bronze_rows(mapped, feed, delivery, self.ingested_at)), bronze_table(feed))

    def pseudonyms(self) -> Iterator[tuple[str, str]]:
        """Yield the pseudonym of every identifier that the delivered files name."""
        for path in sorted((self.folder / "delivered").glob("*.csv")):
            delimiter = self.feeds[path.stem.partition("-")[0]].delimiter or ","
            for row in csv.DictReader(path.read_text().splitlines(), delimiter=delimiter):
                for column, purpose in _IDENTIFIERS.items():
                    if row.get(column):
                        yield KEY.encode(pa.array([row[column]]), purpose)[0].as_py(), row[column]

    def context(self, engine: StageEngine) -> Context:
        """Return what jobs need, with bronze as delivered and the runs before as they are told."""
        lake, objects = StagedLake(engine), MemoryObjects()
        for name, number in self.deliveries:
            lake.add(bronze_table(self.feeds[name]), self.ingest(engine, name, number))
        for report in self._past():
            run_id = report["run_id"]
            objects.write(report_key(date.fromisoformat(run_id.partition("-")[2]), run_id), json.dumps(report).encode())
        return Context(
            lake=lake,
            pins=lake,
            engine=EngineOfStages(engine),
            raw=MemoryRaw(),
            objects=objects,
            secrets=MemorySecrets(),
            metrics=MemoryMetrics(),
            clock=AsOfClock(self.judged_at),
            settings=Settings(),
            site=self.site,
            feeds=self.feeds,
            rules=self.rules,
        )

    def _past(self) -> Iterator[dict[str, Any]]:
        """Yield the reports of runs before, as far as rules speak of them."""
        files = {table: read_rules(text, table) for table, text in self.rules.items()}
        versions = {table: file.version for table, file in files.items()}
        checks = {check.rule_id: check for file in files.values() for check in file.checks}
        path = self.folder / "past.json"
        for run_id, run in (json.loads(path.read_text()) if path.exists() else {}).items():
            at = datetime.fromisoformat(f"{run_id.partition('-')[2]}T08:00:00+00:00")
            days = [at.date() - timedelta(days=back) for back in range(run["days"])]
            findings = tuple(
                Finding(checks[name], "pass", 0, None, (Measured(value, limit="recorded"),))
                for name, value in run["values"].items()
            )
            yield Report(run_id, at, days, versions=versions, findings=findings).document(at)


SKIPPED_MIDNIGHT = Scenario(
    "skipped_midnight",
    (("visits", 1), ("visits", 2), ("movements", 1)),
    ingested_at=datetime(2018, 11, 5, 6),  # noqa: DTZ001  # naive UTC, as the columns are
    judged_at=datetime(2018, 11, 5, 7, tzinfo=UTC),
)
REPEATED_HOUR = Scenario(
    "repeated_hour",
    (("visits", 1), ("beds", 1)),
    ingested_at=datetime(2018, 2, 18, 7),  # noqa: DTZ001  # naive UTC, as the columns are
    judged_at=datetime(2018, 2, 18, 8, tzinfo=UTC),
)


def as_stored(rows: pa.Table, table: Table) -> pa.Table:
    """Return rows in the columns and types of a table of the lake."""
    return rows.select(list(table.column_names)).cast(arrow_schema(table))


@dataclass
class StagedLake:
    """A lake on the engine of a test, whichever it is; its markers count commits."""

    engine: StageEngine
    _rows: dict[str, pa.Table] = field(default_factory=dict)
    _read: dict[str, ir.Table] = field(default_factory=dict)
    _commits: dict[str, int] = field(default_factory=dict)
    _notes: dict[tuple[str, str], str] = field(default_factory=dict)
    _pinned: dict[tuple[str, str], pa.Table] = field(default_factory=dict)

    def add(self, table: Table, rows: pa.Table) -> None:
        """Add stored rows."""
        self._write(table, pa.concat_tables([self._stored(table), rows]), {})

    def read(
        self,
        table: Table,
        first: date | None = None,
        last: date | None = None,
        *,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> ir.Table:
        if table.id not in self._read:
            self._read[table.id] = self.engine.table(self._stored(table))
        rows = self._read[table.id]
        bounds = [*([rows.dt >= first] if first else []), *([rows.dt <= last] if last else [])]
        bounds += [] if days is None else [rows.dt.isin(sorted(days))]
        rows = rows.filter(bounds) if bounds else rows
        return rows.select(*columns) if columns else rows

    def append(self, table: Table, rows: ir.Table, notes: Mapping[str, str]) -> int:
        return self.replace_days(table, rows, [], notes)

    def replace_days(self, table: Table, rows: ir.Table, days: Sequence[date], notes: Mapping[str, str]) -> int:
        new, stored = as_stored(self.engine.collect(rows), table), self._stored(table)
        kept = stored.filter(pc.invert(pc.is_in(stored["dt"], pa.array(days, pa.date32()))))
        self._write(table, pa.concat_tables([kept, new]), notes)
        return int(new.num_rows)

    def changes(self, table: Table, since: str) -> DayChanges:
        marker = str(self._commits.get(table.id, ""))
        days = [] if marker == since else self._stored(table)["dt"].unique().to_pylist()
        return DayChanges(frozenset(days), marker)

    def note(self, table: Table, key: str) -> str:
        return self._notes.get((table.id, key), "")

    def pin(self, table: Table, name: str) -> None:
        self._pinned.setdefault((table.id, name), self._stored(table))

    def pinned(self, table: Table, name: str, first: date | None = None, last: date | None = None) -> ir.Table:
        rows = self.engine.table(self._pinned[table.id, name])
        bounds = [*([rows.dt >= first] if first else []), *([rows.dt <= last] if last else [])]
        return rows.filter(bounds) if bounds else rows

    def pins(self, table: Table) -> list[str]:
        return sorted(name for table_id, name in self._pinned if table_id == table.id)

    def unpin(self, table: Table, name: str) -> None:
        self._pinned.pop((table.id, name), None)

    def _stored(self, table: Table) -> pa.Table:
        return self._rows.get(table.id, arrow_schema(table).empty_table())

    def _write(self, table: Table, rows: pa.Table, notes: Mapping[str, str]) -> None:
        self._rows[table.id] = rows
        self._read.pop(table.id, None)
        self._commits[table.id] = self._commits.get(table.id, 0) + 1
        self._notes |= {(table.id, key): note for key, note in notes.items()}


@dataclass(frozen=True)
class EngineOfStages:
    """The engine of a test as jobs know one; what it stages stays until the end of the tests."""

    engine: StageEngine

    def collect(self, rows: ir.Table) -> pa.Table:
        return self.engine.collect(rows)

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        return self.engine.query(sql, tables)

    def stage(self, rows: ir.Table) -> AbstractContextManager[ir.Table]:
        return nullcontext(self.engine.stage(rows))

    def from_arrow(self, rows: pa.Table) -> AbstractContextManager[ir.Table]:
        return nullcontext(self.engine.table(rows))

    def from_batches(self, batches: Iterable[pa.RecordBatch]) -> AbstractContextManager[ir.Table | None]:
        parts = list(batches)
        return nullcontext(self.engine.table(pa.Table.from_batches(parts)) if parts else None)
