"""The engines that stage tests run on: rows in, rows out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import Phase, settings

from healthcare_ops.adapters.engine_queries import LockedDatabase
from healthcare_ops.adapters.engines import DuckDBEngine

# Properties of stages: Spark plans each query for a second, and shrinking a failing case takes thousands of them.
PROPERTY = settings(
    max_examples=5 if find_spec("pyspark") else 25, deadline=None, derandomize=True, phases=[Phase.generate]
)


class StageEngine(Protocol):
    """What a stage test needs of an engine."""

    def table(self, rows: pa.Table) -> ir.Table:
        """Return a table over the rows, which stays until the end of the tests."""
        ...

    def collect(self, rows: ir.Table) -> pa.Table:
        """Return the result, in no particular order."""
        ...

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        """Return what an SQL query (Spark's dialect) says of the tables; it sees nothing else."""
        ...

    def stage(self, rows: ir.Table) -> ir.Table:
        """Compute the rows once and return a table that holds them."""
        ...


class DuckDB:
    """The product's own engine, with its own settings."""

    def __init__(self, engine: DuckDBEngine, tables: ExitStack) -> None:
        self._engine = engine
        self._tables = tables

    def table(self, rows: pa.Table) -> ir.Table:
        return self._tables.enter_context(self._engine.from_arrow(rows))

    def collect(self, rows: ir.Table) -> pa.Table:
        return self._engine.collect(rows)

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        return self._engine.query(sql, tables)

    def stage(self, rows: ir.Table) -> ir.Table:
        return self._tables.enter_context(self._engine.stage(rows))


class Spark:
    """Ibis on a local Spark session, set as Glue sets it."""

    def __init__(self, session: Any, folder: Path) -> None:
        self._con = ibis.pyspark.connect(session)
        self._folder = folder
        self._locked = LockedDatabase(folder, memory_limit_mb=500)
        self._names = (f"rows_{number}" for number in count())

    def table(self, rows: pa.Table) -> ir.Table:
        name = next(self._names)
        file = self._folder / f"{name}.parquet"
        pq.write_table(rows, file)
        return self._con.read_parquet(file, table_name=name)

    def collect(self, rows: ir.Table) -> pa.Table:
        return self._con.to_pyarrow(rows)

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        return self._locked.ask(sql, tables, self._hand_over)

    def _hand_over(self, rows: ir.Table, file: Path) -> None:
        """Bring the rows to the driver, as Arrow in its memory, and from there to a file on its disk."""
        pq.write_table(self._on_driver(rows), file)

    def _on_driver(self, rows: ir.Table) -> pa.Table:
        """Return the rows as they are: by way of pandas, NaN becomes null, and a large number beside a null another."""
        from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415  # only where Spark is installed

        found = self._con.raw_sql(self._con.compile(rows))
        # Public from Spark 4 on, as `toArrow`.
        return pa.Table.from_batches(found._collect_as_arrow(), to_arrow_schema(found.schema))

    def stage(self, rows: ir.Table) -> ir.Table:
        name = next(self._names)
        folder = self._folder / name
        self._con.to_parquet(rows, folder)
        return self._con.read_parquet(folder, table_name=name)


@contextmanager
def duckdb_engine() -> Iterator[DuckDB]:
    """Yield the engine that `hops` runs on."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as tables:
        yield DuckDB(DuckDBEngine(Path(folder), memory_limit_mb=500, threads=2), tables)


@contextmanager
def spark_engine() -> Iterator[Spark]:
    """Yield a Spark of one thread: the rows are few, and planning is what takes the time."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # only where Spark is installed

    with tempfile.TemporaryDirectory() as folder:
        conf = {
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
            # Spark refuses to write a typing mistake such as the year 1018 until it is told which calendar is meant.
            "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            # Otherwise the plans of a thousand past queries fill the heap.
            "spark.sql.ui.retainedExecutions": "1",
            "spark.ui.retainedJobs": "1",
            "spark.ui.retainedStages": "1",
            "spark.driver.memory": "2g",
        }
        builder = SparkSession.builder.master("local[1]")
        for key, value in conf.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        try:
            yield Spark(session, Path(folder))
        finally:
            session.stop()
