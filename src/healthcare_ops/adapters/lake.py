"""The lake as Apache Iceberg tables through PyIceberg, with an SQLite catalog beside the data."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import TableProperties
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from healthcare_ops.adapters.catalog import LakeCatalog
from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.adapters.local_files import sync
from healthcare_ops.adapters.remembered import RememberedFiles
from healthcare_ops.adapters.snapshots import Snapshots, day_of, partition_of
from healthcare_ops.core.days import day_runs, days_between
from healthcare_ops.core.errors import ConfigError, NotFoundError, Reason, TransientError
from healthcare_ops.core.tables import Column, ColumnType, Table
from healthcare_ops.ports import DayChanges

_DAYS = "hops.days"
_NOTE = "hops.note."
_MOVED = "If the state directory was moved or copied, move it back, or load its raw files into a new one."
_ICEBERG_TYPES: Mapping[ColumnType, IcebergType] = {
    "string": StringType(),
    "int64": LongType(),
    "float64": DoubleType(),
    "boolean": BooleanType(),
    "timestamp": TimestamptzType(),
    "date": DateType(),
}
_ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}
_STORED_TYPES = {**_ARROW_TYPES, "timestamp": pa.timestamp("us", tz="UTC")}
# More rows than years of a hospital have in most tables; what a load reads is beyond it, and read once.
_MOST_ROWS = 250_000
_REMEMBERED = RememberedFiles(most_bytes=96 << 20)


class IcebergLake:
    """Tables of `core.tables` in one folder; files are written first, then added in one atomic commit."""

    def __init__(self, root: Path, engine: DuckDBEngine, *, keep_snapshots: int) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._engine = engine
        self._catalog = LakeCatalog(root)
        self._snapshots = Snapshots(self._catalog, keep=keep_snapshots)

    def read(
        self,
        table: Table,
        first: date | None = None,
        last: date | None = None,
        *,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> ir.Table:
        """Return the rows of the days `first`…`last`, instants as naive UTC."""
        iceberg = self._load(table)
        if days:
            first, last = max(min(days), first or min(days)), min(max(days), last or max(days))
        files = self._snapshots.files(iceberg, first, last) if iceberg else []
        files = files if days is None else [file for file in files if day_of(file) in days]
        if columns and files and sum(file.record_count for file in files) <= _MOST_ROWS:
            return self._remembered(table, files, columns)
        rows = self._rows(table, iceberg, files)
        return rows.select([name for name in table.column_names if name in columns]) if columns else rows

    def pin(self, table: Table, name: str) -> None:
        """Tag the newest snapshot, unless a snapshot has the tag; of a table that was never written, nothing."""
        iceberg = self._load(table)
        if iceberg is not None:
            self._snapshots.tag(iceberg, name)

    def pinned(self, table: Table, name: str, first: date | None = None, last: date | None = None) -> ir.Table:
        """Return the rows of a tagged snapshot."""
        iceberg = self._load(table)
        snapshot = iceberg.snapshot_by_name(name) if iceberg else None
        if iceberg is None or snapshot is None:
            raise NotFoundError(f"{table.id} has no state named {name!r}.", next_step="See its tags.")
        return self._rows(table, iceberg, self._snapshots.files(iceberg, first, last, snapshot))

    def pins(self, table: Table) -> list[str]:
        """Return the tags."""
        iceberg = self._load(table)
        return sorted(name for name in iceberg.refs() if name != MAIN_BRANCH) if iceberg else []

    def unpin(self, table: Table, name: str) -> None:
        """Remove a tag; the next commit expires its snapshot."""
        iceberg = self._load(table)
        if iceberg is not None:
            self._snapshots.untag(iceberg, name)

    def _remembered(self, table: Table, files: Sequence[DataFile], columns: Sequence[str]) -> ir.Table:
        types = {name: kind for name, kind in table.types().items() if name in columns}
        stored = {name: _STORED_TYPES[kind] for name, kind in types.items()}
        return self._engine.over(_REMEMBERED.read(table.id, [file.file_path for file in files], stored), types)

    def _rows(self, table: Table, iceberg: IcebergTable | None, files: Sequence[DataFile]) -> ir.Table:
        paths = [file.file_path for file in files]
        if iceberg is None or not paths:
            return self._engine.empty(arrow_schema(table))
        # Columns that came later are not in files of before; to look for them in each file takes time.
        has_grown = len(iceberg.schemas()) > 1 or bool(_missing(table, iceberg))
        return self._engine.read_files(paths, table.types(), may_lack_columns=has_grown)

    def append(self, table: Table, rows: ir.Table, notes: Mapping[str, str]) -> int:
        """Add rows in one commit."""
        return self._commit(table, rows, days=(), notes=notes)

    def replace_days(self, table: Table, rows: ir.Table, days: Sequence[date], notes: Mapping[str, str]) -> int:
        """Put `rows` in the place of `days` in one commit."""
        return self._commit(table, rows, days=days, notes=notes)

    def changes(self, table: Table, since: str) -> DayChanges:
        """Return the days written since; those that hold rows where the marker is empty or, with the last, expired.

        Of a marker that has expired (more commits ago than are kept) nobody knows which days were emptied since.
        """
        iceberg = self._load(table)
        head = iceberg.current_snapshot() if iceberg else None
        if iceberg is None or head is None:
            return DayChanges(frozenset(), "")
        if not since:
            return DayChanges(frozenset(self._days(table)), str(head.snapshot_id))
        changed: set[date] = set()
        for snapshot in _lineage(iceberg):
            if str(snapshot.snapshot_id) == since:
                return DayChanges(frozenset(changed), str(head.snapshot_id))
            changed |= set(_parse_days((snapshot.summary or {}).get(_DAYS, "")))  # type: ignore[call-overload]  # Summary is a mapping
        return DayChanges(frozenset(changed | self._days(table)), str(head.snapshot_id))

    def note(self, table: Table, key: str) -> str:
        """Return the note last committed under `key`."""
        iceberg = self._load(table)
        return iceberg.properties.get(_NOTE + key, "") if iceberg else ""

    def location(self, table: Table) -> Path:
        """Return the folder of the table."""
        return self._root / table.layer / table.name

    def _commit(self, table: Table, rows: ir.Table, days: Sequence[date], notes: Mapping[str, str]) -> int:
        iceberg = self._load_or_create(table)
        folder = self.location(table) / "data" / uuid.uuid4().hex
        files = self._engine.write_files(rows, folder, table.partition, table.types())
        self._sync(files)
        added = [_describe(iceberg, file) for file in files]
        touched = {day_of(file) for file in added} | set(days)
        try:
            self._snapshots.commit(
                iceberg,
                added,
                replaced=days,
                properties={_NOTE + key: value for key, value in notes.items()},
                summary={_DAYS: format_days(touched)},
            )
        except CommitFailedException as error:
            raise TransientError(
                f"another writer changed {table.id} first: {error}.",
                next_step="Run it again.",
                reason=Reason.COMMIT_CONFLICT,
            ) from error
        return sum(file.record_count for file in added)

    def _sync(self, files: Sequence[Path]) -> None:
        """Have files and their folders on the disk, before the catalog, which is synced, names them."""
        folders = {folder for file in files for folder in file.parents if folder.is_relative_to(self._root)}
        for path in (*files, *folders):
            sync(path)

    def _days(self, table: Table) -> set[date]:
        iceberg = self._load(table)
        return {day_of(file) for file in self._snapshots.files(iceberg)} if iceberg else set()

    def _load(self, table: Table) -> IcebergTable | None:
        try:
            iceberg = self._catalog.load_table(table.id)
        except NoSuchTableError:
            return None
        except FileNotFoundError as error:
            raise ConfigError(f"{table.id} is listed, but not there: {error}.", next_step=_MOVED) from error
        if iceberg.location() != str(self.location(table)):
            # Iceberg lists files by their whole path: through a copy, the original would be read and changed.
            raise ConfigError(f"{table.id} of {self._root} lies in {iceberg.location()}.", next_step=_MOVED)
        return iceberg

    def _load_or_create(self, table: Table) -> IcebergTable:
        iceberg = self._load(table)
        if iceberg is not None:
            return _grown(table, iceberg)
        self._catalog.create_namespace_if_not_exists(table.layer)
        schema = Schema(
            *(
                NestedField(number, column.name, _ICEBERG_TYPES[column.type], required=False, doc=column.description)
                for number, column in enumerate(table.columns, start=1)
            )
        )
        day = schema.find_field(table.partition)
        spec = PartitionSpec(PartitionField(day.field_id, 1000, IdentityTransform(), table.partition))
        return self._catalog.create_table(
            table.id,
            schema,
            location=str(self.location(table)),
            partition_spec=spec,
            properties={
                "schema.name-mapping.default": schema.name_mapping.model_dump_json(),
                # A commit tried again on top of another one would add its rows to those of a day that both wrote.
                TableProperties.COMMIT_NUM_RETRIES: "0",
            },
        )


def _missing(table: Table, iceberg: IcebergTable) -> list[Column]:
    """Return the columns of the contract that the stored table does not have yet."""
    there = set(iceberg.schema().column_names)
    return [column for column in table.columns if column.name not in there]


def _grown(table: Table, iceberg: IcebergTable) -> IcebergTable:
    """Return the table with the columns that an earlier version of the product did not know; null in rows of before."""
    if missing := _missing(table, iceberg):
        with iceberg.update_schema() as update:
            for column in missing:
                update.add_column(column.name, _ICEBERG_TYPES[column.type], column.description)
    return iceberg


def arrow_schema(table: Table) -> pa.Schema:
    """Return the table's columns as Arrow types, instants as naive UTC microseconds."""
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in table.types().items()])


def format_days(days: Iterable[date]) -> str:
    """Return days as runs: `2017-01-01..2017-01-31,2017-03-05..2017-03-05`."""
    return ",".join(f"{first}..{last}" for first, last in day_runs(days))


def _parse_days(text: str) -> Iterator[date]:
    for run in filter(None, text.split(",")):
        first, last = map(date.fromisoformat, run.split(".."))
        yield from days_between(first, last)


def _describe(iceberg: IcebergTable, file: Path) -> DataFile:
    """Return a new file as the table lists it; the writer has cast each column to the contract.

    Without statistics of columns: files are chosen by their day, and engines read those of the file itself.
    """
    day = date.fromisoformat(file.parent.name.partition("=")[2])
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=str(file),
        file_format=FileFormat.PARQUET,
        partition=Record(partition_of(day)),
        record_count=pq.read_metadata(file).num_rows,
        file_size_in_bytes=file.stat().st_size,
        spec_id=iceberg.metadata.default_spec_id,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )


def _lineage(iceberg: IcebergTable) -> Iterator[Any]:
    """Yield the snapshots from the newest back to the oldest kept."""
    snapshot = iceberg.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent is not None else None
