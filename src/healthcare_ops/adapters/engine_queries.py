"""The database that SQL of a rule's author runs in, one for every engine: a DuckDB that holds the asked rows alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot
from duckdb.sqltypes import TIMESTAMP_TZ
from sqlglot.errors import SqlglotError

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.pipeline.quality.rules.custom_sql import columns_read

# Longer than any query of a rule over a day's rows; less than a job may take.
QUERY_WITHIN_S = 60.0


@dataclass(frozen=True)
class LockedDatabase:
    """A DuckDB for one query at a time, which has no network, no way back, and no file but what it spills.

    Whichever engine the rows come from, their query is read, answered and refused alike. Its `memory_limit_mb` stands
    beside the engine's own: together a process may take both. Beyond it, it spills into a folder of its own in
    `spill_dir`, which goes with the query. `threads` of 0 are as many as the machine has.

    It trusts that the SQL was checked (`require_query_of`); the lock is a second wall. That one keeps files and
    network from a query, but not what is random, the machine's time, its settings, or an answer larger than memory.
    """

    spill_dir: Path
    memory_limit_mb: int
    threads: int = 0
    within_s: float = QUERY_WITHIN_S

    def ask(self, sql: str, tables: Mapping[str, ir.Table], hand_over: Callable[[ir.Table, Path], None]) -> pa.Table:
        """Return what an SQL query (in Spark's dialect) says of tables.

        It is given those columns that it may read, and zone-aware instants as naive UTC.

        Parameters
        ----------
        hand_over
            Writes the rows of a table to a Parquet file; called once a table, after the query was read.

        Raises
        ------
        ConfigError
            If it is not one statement, the database refuses it, or it takes too long.
        """
        written = _in_duckdb(sql)
        self.spill_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.spill_dir) as folder, self._open(folder) as alone:
            for name, rows in tables.items():
                file = Path(folder) / "rows.parquet"
                hand_over(rows.select(columns_read(sql, rows.columns)), file)
                _load(alone, name, file)
                file.unlink()
            _lock(alone)
            return self._answer(alone, sql, written)

    def _open(self, folder: str) -> duckdb.DuckDBPyConnection:
        """Return a database that spills to a folder, which stays open to its queries: it must hold nothing else."""
        # Without a folder it would spill patients' rows to the one that the command was called in.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{self.memory_limit_mb}MB",
            "temp_directory": folder,
            # What depends on the order of rows is refused; keeping it would cost memory.
            "preserve_insertion_order": False,
        }
        if self.threads:
            settings["threads"] = self.threads
        return duckdb.connect(config=settings)

    def _answer(self, alone: duckdb.DuckDBPyConnection, sql: str, written: str) -> pa.Table:
        limit = Timer(self.within_s, alone.interrupt)
        limit.start()
        try:
            return alone.sql(written).to_arrow_table()
        except duckdb.Error as error:
            raise ConfigError(
                f"SQL of a rule fails: {self._what_failed(error)}: {sql}", next_step="Correct the rule's SQL."
            ) from error
        finally:
            limit.cancel()

    def _what_failed(self, error: duckdb.Error) -> str:
        """Return the kind of a failure; what the database says of it holds values of the data."""
        if isinstance(error, duckdb.InterruptException):
            return f"it takes longer than {self.within_s:g} s"
        return type(error).__name__.removesuffix("Exception").lower() or "error"


def _in_duckdb(sql: str) -> str:
    """Return one statement of Spark's dialect in DuckDB's; `ConfigError` for what is none."""
    try:
        written, *more = sqlglot.transpile(sql, read="spark", write="duckdb")
    except (SqlglotError, ValueError, RecursionError) as error:
        raise ConfigError(f"SQL of a rule cannot be read: {sql!r}.", next_step="Correct the rule's SQL.") from error
    if more or not written:
        raise ConfigError(f"SQL of a rule is not one statement: {sql!r}.", next_step="Correct the rule's SQL.")
    return written


def _load(database: duckdb.DuckDBPyConnection, name: str, file: Path) -> None:
    """Make a table of a file, its zone-aware instants as naive UTC."""
    rows = database.read_parquet(str(file), hive_partitioning=False)
    zoned = [column for column, kind in zip(rows.columns, rows.types, strict=True) if kind == TIMESTAMP_TZ]
    naive = ", ".join(f"make_timestamp(epoch_us({_quoted(column)})) AS {_quoted(column)}" for column in zoned)
    (rows.project(f"* REPLACE ({naive})") if naive else rows).create(f"{name}_rows")
    # A view has no `rowid`: the order in which an engine hands over its rows is nobody's business.
    database.execute(f'CREATE VIEW "{name}" AS FROM "{name}_rows"')  # an alias of ours


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _lock(database: duckdb.DuckDBPyConnection) -> None:
    """Take from a database, for good, what lies outside of it."""
    # Otherwise a time means another hour on another machine.
    database.execute("SET TimeZone = 'UTC'")
    # From here on no file but the spilled ones, no network, no extension, and no way back.
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
