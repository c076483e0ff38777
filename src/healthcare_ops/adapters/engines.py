"""Engines that run Ibis expressions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from healthcare_ops.adapters.engine_queries import QUERY_WITHIN_S, LockedDatabase
from healthcare_ops.core.tables import ColumnType

_SQL_TYPES: Mapping[ColumnType, str] = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
}
_STORED_TYPES: Mapping[ColumnType, str] = {**_SQL_TYPES, "timestamp": "TIMESTAMPTZ"}
# Half the time of the usual level 3, for files a quarter larger.
_ZSTD_LEVEL = 1
_REMEMBERED = 512
# DuckDB merges nested SELECTs faster than Ibis does, which doubles the time to compile.
ibis.options.sql.fuse_selects = False


class _Connection(Backend):  # type: ignore[misc]  # Ibis has no types
    """Ibis's DuckDB, which remembers the SQL of expressions: that of a tick is that of the tick before.

    An expression that is remembered holds its tables, and each table what it belongs to; so that is not this
    connection, but one that nobody opened.
    """

    def compile(self, expr: ir.Expr, /, **options: Any) -> str:
        """Return the SQL of an expression, which follows from nothing else."""
        return super().compile(expr, **options) if any(options.values()) else _sql(expr.op())

    def table(self, name: str, /, *, database: tuple[str, str] | str | None = None) -> ir.Table:
        """Return a table of this database by its name and columns."""
        return _table(name, self.get_schema(name))


class _Nowhere(Backend):  # type: ignore[misc]  # Ibis has no types
    """What the tables of every engine belong to."""

    db_identity = "hops"


_NOWHERE = _Nowhere()


def _table(name: str, columns: ibis.Schema) -> ir.Table:
    table: ir.Table = ops.DatabaseTable(name, schema=columns, source=_NOWHERE).to_expr()
    return table


@lru_cache(_REMEMBERED)
def _sql(operation: ops.Node) -> str:
    return str(Backend.compile(_NOWHERE, operation.to_expr()))


class DuckDBEngine:
    """Ibis on an in-process DuckDB that spills to `spill_dir` beyond `memory_limit_mb`."""

    def __init__(
        self, spill_dir: Path, *, memory_limit_mb: int, threads: int = 0, query_within_s: float = QUERY_WITHIN_S
    ) -> None:
        settings = {
            "memory_limit": f"{memory_limit_mb}MB",
            "temp_directory": str(spill_dir),
            # Row order is never part of a result here; keeping it would cost memory.
            "preserve_insertion_order": False,
            # Autoloading would try to download extensions.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if threads:
            settings["threads"] = threads
        self._spill_dir = spill_dir
        self._locked = LockedDatabase(spill_dir, memory_limit_mb, threads, query_within_s)
        self._con = _Connection()
        self._con.do_connect(**settings)
        # A session in another zone shifts every hour bucket.
        self._con.raw_sql("SET TimeZone = 'UTC'")
        self._names = (f"hops_{number}" for number in count())
        self._empty: dict[pa.Schema, ir.Table] = {}

    def collect(self, rows: ir.Table) -> pa.Table:
        """Return the result in memory."""
        return self._con.to_pyarrow(rows)

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        """Return what an SQL query (in Spark's dialect) says of the tables, in a database that has nothing else.

        Raises
        ------
        ConfigError
            If it is not one statement, the database refuses it, or it takes too long.
        """
        return self._locked.ask(sql, tables, self._hand_over)

    def _hand_over(self, rows: ir.Table, file: Path) -> None:
        self._con.raw_sql(f"COPY ({self._con.compile(rows)}) TO '{_quoted(file)}' (FORMAT parquet)")

    @contextmanager
    def stage(self, rows: ir.Table) -> Iterator[ir.Table]:
        """Compute `rows` once into a temporary table, dropped at the end."""
        name = next(self._names)
        self._con.raw_sql(f"CREATE TEMP TABLE {name} AS {self._con.compile(rows)}")
        try:
            yield self._con.table(name)
        finally:
            self._con.drop_table(name)

    @contextmanager
    def from_arrow(self, rows: pa.Table) -> Iterator[ir.Table]:
        """Yield a table over rows in memory."""
        name = next(self._names)
        table = self._con.create_table(name, rows, temp=True)
        try:
            yield table
        finally:
            self._con.drop_table(name)

    @contextmanager
    def from_batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[ir.Table | None]:
        """Yield a table over a stream of rows, kept in a temporary file until the end."""
        self._spill_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._spill_dir) as folder:
            file = Path(folder) / "rows.parquet"
            yield self.read_files([str(file)]) if _write_batches(batches, file) else None

    def read_files(
        self, paths: Sequence[str], types: Mapping[str, ColumnType] | None = None, *, may_lack_columns: bool = False
    ) -> ir.Table:
        """Return a table over Parquet files, of the columns `types` if given: zone-aware instants as naive UTC.

        All files have the same columns, unless they `may_lack_columns` of `types`: these are null then.
        """
        name = next(self._names)
        files = ", ".join(f"'{_quoted(path)}'" for path in paths)
        source = f"read_parquet([{files}], hive_partitioning = false, union_by_name = {may_lack_columns})"
        if may_lack_columns and types:
            nothing = ", ".join(f'CAST(NULL AS {_STORED_TYPES[kind]}) AS "{column}"' for column, kind in types.items())
            source = f"(SELECT {nothing} WHERE false UNION ALL BY NAME SELECT * FROM {source})"  # noqa: S608  # names of the contract
        columns = ", ".join(_as_read(column, kind) for column, kind in types.items()) if types else "*"
        self._con.raw_sql(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM {source}")  # noqa: S608  # names of the contract
        return _table(name, ibis.schema(_as_known(types))) if types else self._con.table(name)

    def over(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> ir.Table:
        """Return a table over rows in memory that are as files hold them: zone-aware instants as naive UTC."""
        name = next(self._names)
        self._con.con.register(f"{name}_stored", rows)
        columns = ", ".join(_as_read(column, kind) for column, kind in types.items())
        self._con.raw_sql(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM {name}_stored")  # noqa: S608  # names of the contract
        return _table(name, ibis.schema(_as_known(types)))

    def empty(self, schema: pa.Schema) -> ir.Table:
        """Return a table without rows; one of the same columns is the same table."""
        if schema not in self._empty:
            self._empty[schema] = self._con.create_table(next(self._names), schema.empty_table(), temp=True)
        return self._empty[schema]

    def write_files(self, rows: ir.Table, folder: Path, partition: str, types: Mapping[str, ColumnType]) -> list[Path]:
        """Write Parquet below `folder`, a subfolder a partition value; return the files.

        Every column is cast in SQL: Ibis drops a cast that it believes redundant, and a sum then reaches the
        file as DOUBLE.
        """
        columns = ", ".join(f'{_cast(name, kind)} AS "{name}"' for name, kind in types.items())
        folder.mkdir(parents=True, exist_ok=True)
        self._con.raw_sql(
            f"COPY (SELECT {columns} FROM ({self._con.compile(rows)})) TO '{_quoted(folder)}' "  # noqa: S608  # names of the contract
            f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {_ZSTD_LEVEL}, PARTITION_BY ({partition}), "
            "WRITE_PARTITION_COLUMNS true, OVERWRITE_OR_IGNORE true)"
        )
        return sorted(folder.rglob("*.parquet"))


def _as_known(types: Mapping[str, ColumnType]) -> dict[str, str]:
    """Return the types of columns as the engine tells them."""
    return {name: "timestamp(6)" if kind == "timestamp" else kind for name, kind in types.items()}


def _as_read(name: str, kind: ColumnType) -> str:
    return f'make_timestamp(epoch_us("{name}")) AS "{name}"' if kind == "timestamp" else f'"{name}"'


def _cast(name: str, kind: ColumnType) -> str:
    if kind == "timestamp":
        # By way of numbers, here and in `_as_read`: a cast would look up the offset of every value in the zone
        # database, to learn that UTC has none.
        return f'make_timestamptz(epoch_us(CAST("{name}" AS TIMESTAMP)))'
    return f'CAST("{name}" AS {_SQL_TYPES[kind]})'


def _quoted(path: Path | str) -> str:
    return str(path).replace("'", "''")


def _write_batches(batches: Iterable[pa.RecordBatch], file: Path) -> bool:
    """Write the stream to a Parquet file; tell whether there was anything."""
    writer = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    return writer is not None
