"""The database that SQL of a rule's author runs in, one for every engine: a DuckDB that holds the asked rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot.errors import SqlglotError

from healthcare_ops.core.errors import ConfigError

# Longer than any query of a rule over a day's rows; less than a job may take.
QUERY_WITHIN_S = 60.0


@dataclass(frozen=True)
class LockedDatabase:
    """A DuckDB of `memory_limit_mb` for one query at a time, which has no file, no network, and no way back.

    Whichever engine the rows come from, their query is read, answered and refused alike.
    """

    memory_limit_mb: int
    within_s: float = QUERY_WITHIN_S

    def ask(self, sql: str, tables: Mapping[str, Path | pa.Table]) -> pa.Table:
        """Return what an SQL query (in Spark's dialect) says of tables: Parquet files, or rows in memory.

        Of rows in memory a second copy is made, in the database; zone-aware instants become naive UTC there.

        Raises
        ------
        ConfigError
            If it is not one statement, the database refuses it, or it takes too long.
        """
        written = in_duckdb(sql)
        with duckdb.connect(config={"memory_limit": f"{self.memory_limit_mb}MB"}) as alone:
            for name, rows in tables.items():
                is_file = isinstance(rows, Path)
                (alone.read_parquet(str(rows)) if is_file else alone.from_arrow(_in_utc(rows))).create(f"{name}_rows")
                # A view has no `rowid`: the order in which an engine hands over its rows is nobody's business.
                alone.execute(f'CREATE VIEW "{name}" AS FROM "{name}_rows"')  # an alias of ours
            _lock(alone)
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


def in_duckdb(sql: str) -> str:
    """Return one statement of Spark's dialect in DuckDB's; `ConfigError` for what is none."""
    try:
        written, *more = sqlglot.transpile(sql, read="spark", write="duckdb")
    except (SqlglotError, ValueError, RecursionError) as error:
        raise ConfigError(f"SQL of a rule cannot be read: {sql!r}.", next_step="Correct the rule's SQL.") from error
    if more or not written:
        raise ConfigError(f"SQL of a rule is not one statement: {sql!r}.", next_step="Correct the rule's SQL.")
    return written


def _lock(database: duckdb.DuckDBPyConnection) -> None:
    """Take from a database, for good, what lies outside of it."""
    # Otherwise a time means another hour on another machine.
    database.execute("SET TimeZone = 'UTC'")
    # From here on no file, no network, no extension, and no way back.
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _in_utc(rows: pa.Table) -> pa.Table:
    """Return the rows with every instant as naive UTC."""
    naive = [
        field.with_type(pa.timestamp(field.type.unit)) if pa.types.is_timestamp(field.type) else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(naive))
