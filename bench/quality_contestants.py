"""One contestant of the benchmark of rules, alone in its process: `quality_contestants.py NAME TABLE ROWS OUT`.

Each judges the same Parquet files below ROWS in DuckDB with the same threads and memory, and writes to OUT, as JSON,
how many rows it checked and how many break each rule.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Nothing else is imported here: what a contestant needs belongs to its own time and memory, and where libraries are,
# the product is not.

SQL = Path(__file__).with_name("quality.sql")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATEST = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)  # the rules let arrivals be five minutes ahead
MEMORY_MB = 1500  # the product's own default
THREADS = os.cpu_count() or 1
OUTCOMES = ["home", "admitted", "transferred", "left_without_care", "left_against_advice", "died", "other"]
# By rule, the time that comes first and the one that comes later.
IN_ORDER = {
    "encounters.arrival_time_before_triage_start": ("arrival_time", "triage_start"),
    "encounters.triage_start_before_triage_end": ("triage_start", "triage_end"),
    "encounters.arrival_time_before_care_start": ("arrival_time", "care_start"),
    "encounters.care_start_before_discharge_time": ("care_start", "discharge_time"),
    "encounters.arrival_time_before_discharge_time": ("arrival_time", "discharge_time"),
}
# By column, the least share of rows that must have it; and the most minutes.
COMPLETE = {"arrival_time": 1.0, "triage_level": 0.8, "care_start": 0.7, "discharge_time": 0.8}
AT_MOST = {"total_wait_min": 1440, "los_min": 20160}
# Checked and violations by rule; null where the contestant does not tell how many.
Answers = dict[str, tuple[int | None, int | None]]


def handwritten(table: str, rows: Path) -> Answers:
    """Run the table's statement of `quality.sql`."""
    con = _connect(rows)
    con.execute("SET VARIABLE now = ?::TIMESTAMPTZ", [NOW.isoformat()])
    _, *parts = re.split(r"^-- table: (\S+)$", SQL.read_text(), flags=re.MULTILINE)
    answer = con.execute(dict(zip(parts[::2], parts[1::2], strict=True))[table])
    found = dict(zip((column[0] for column in answer.description), answer.fetchone() or (), strict=True))
    checked = found.pop("checked")
    return {
        rule: (found.get(f"{rule} checked", checked), int(count)) for rule, count in found.items() if " " not in rule
    }


def product(table: str, rows: Path, *, is_in_job: bool = False) -> Answers:
    """Judge the table by the product's shipped rules; as its job does, keys are compared with those of all days."""
    from healthcare_ops.adapters.engines import DuckDBEngine
    from healthcare_ops.core import tables as contract
    from healthcare_ops.pipeline.quality.evaluate import evaluate
    from healthcare_ops.pipeline.quality.rules.checks import read_rules, shipped_rules
    from healthcare_ops.pipeline.quality.rules.measures import Scope

    engine = DuckDBEngine(rows / "spill", memory_limit_mb=MEMORY_MB, threads=THREADS)

    def read(one: contract.Table) -> Any:
        instants = [column.name for column in one.columns if column.type == "timestamp"]
        return engine.read_files(_files(rows, one.id), instants)

    read_tables = {one.id: read(one) for one in (contract.ENCOUNTERS, contract.STAYS, contract.EVENTS)}
    found = evaluate(
        read_rules(shipped_rules()[table], table).checks,
        Scope(
            read_tables[table],
            read_tables,
            NOW.replace(tzinfo=None),
            standing=read(contract.ENCOUNTERS) if is_in_job else None,
        ),
        collect=engine.collect,
        ask=lambda sql: engine.query(sql, {}),
        history={},
    )
    return {one.check.rule_id: (one.checked, one.violations or 0) for one in found}


def product_in_job(table: str, rows: Path) -> Answers:
    return product(table, rows, is_in_job=True)


def cuallee(table: str, rows: Path) -> Answers:
    """Judge encounters by cuallee, which makes one aggregate of all rules."""
    from cuallee import Check, CheckLevel

    check = Check(CheckLevel.WARNING, "encounters", table_name="encounters")
    rules = ["encounters.encounter_id.unique"]
    check.is_unique("encounter_id")
    for column, share in COMPLETE.items():
        rules.append(f"encounters.{column}.complete")
        check.is_complete(column, share)
    conditions = {
        "encounters.arrival_time.plausible": (f"coalesce(arrival_time <= TIMESTAMPTZ '{LATEST}', false)", 1.0),
        "encounters.arrival_time.range": (f"(coalesce(arrival_time <= TIMESTAMPTZ '{LATEST}', false))", 0.99),
        "encounters.disposition.allowed": (f"disposition IS NULL OR disposition IN {tuple(OUTCOMES)}", 1.0),
        "encounters.triage_level.allowed": ("triage_level IS NULL OR triage_level IN (1, 2, 3, 4, 5)", 1.0),
    }
    for rule, (first, later) in IN_ORDER.items():
        conditions[rule] = (f"coalesce({later} >= {first}, true)", 1.0)
    for column, most in AT_MOST.items():
        conditions[f"encounters.{column}.range"] = (f"coalesce({column} <= {most}, true)", 0.98)
    for rule, (condition, share) in conditions.items():
        rules.append(rule)
        check.satisfies(rule, condition, share)
    found = check.validate(_connect(rows))
    return {
        rule: (int(checked), round(violations))
        for rule, checked, violations in zip(rules, found["rows"], found["violations"], strict=True)
    }


def pointblank(table: str, rows: Path) -> Answers:
    """Judge encounters by Pointblank on Ibis, a query or more a rule; it keeps no rows that break one."""
    import pointblank as pb

    encounters = _ibis(rows)
    steps = pb.Validate(encounters).rows_distinct(columns_subset=["encounter_id"])
    rules = ["encounters.encounter_id.unique"]
    for column, share in COMPLETE.items():
        rules.append(f"encounters.{column}.complete")
        steps = steps.col_vals_not_null(column, thresholds=_threshold(pb, share))
    for rule, share in (("plausible", 1.0), ("range", 0.99)):
        rules.append(f"encounters.arrival_time.{rule}")
        steps = steps.col_vals_le("arrival_time", LATEST, thresholds=_threshold(pb, share))
    rules += ["encounters.disposition.allowed", "encounters.triage_level.allowed"]
    steps = steps.col_vals_in_set("disposition", [*OUTCOMES, None])
    steps = steps.col_vals_in_set("triage_level", [1, 2, 3, 4, 5, None])
    for rule, (first, later) in IN_ORDER.items():
        rules.append(rule)
        steps = steps.col_vals_ge(later, pb.col(first), na_pass=True)
    for column, most in AT_MOST.items():
        rules.append(f"encounters.{column}.range")
        steps = steps.col_vals_le(column, most, na_pass=True, thresholds=_threshold(pb, 0.98))
    done = steps.interrogate(collect_extracts=False)
    failed, checked = done.n_failed(), done.n()
    return {rule: (int(checked[number]), int(failed[number])) for number, rule in enumerate(rules, 1)}


def _threshold(pb: Any, share: float) -> Any:
    return pb.Thresholds(error=round(1 - share, 2)) if share < 1.0 else pb.Thresholds(error=1)


def pandera(table: str, rows: Path) -> Answers:
    """Judge encounters by Pandera on Ibis; of a broken rule it fetches five rows and tells no number."""
    import pandera.ibis as pa

    def share(column: str, least: float) -> Any:
        name = f"encounters.{column}.complete"
        return pa.Check(lambda data: data.table[column].notnull().mean() >= least, name=name)

    def ordered(rule: str, first: str, later: str) -> Any:
        def is_so(data: Any) -> Any:
            return data.table.select(is_so=(data.table[later] >= data.table[first]).fill_null(value=True))

        return pa.Check(is_so, name=rule, n_failure_cases=5)

    def most(column: str, limit: Any, rule: str) -> Any:
        return pa.Column(nullable=True, checks=pa.Check.le(limit, name=rule, n_failure_cases=5))

    allowed = {"disposition": OUTCOMES, "triage_level": [1, 2, 3, 4, 5]}
    columns = {
        column: pa.Column(
            nullable=True,
            checks=pa.Check.isin(values, name=f"encounters.{column}.allowed", n_failure_cases=5),
        )
        for column, values in allowed.items()
    }
    columns |= {column: most(column, limit, f"encounters.{column}.range") for column, limit in AT_MOST.items()}
    arrivals = [
        pa.Check.le(LATEST, name=f"encounters.arrival_time.{rule}", n_failure_cases=5)
        for rule in ("plausible", "range")
    ]
    columns["arrival_time"] = pa.Column(nullable=False, checks=arrivals)
    checks = [share(column, least) for column, least in COMPLETE.items() if least < 1.0]
    checks += [ordered(rule, *times) for rule, times in IN_ORDER.items()]
    schema = pa.DataFrameSchema(columns, unique=["encounter_id"], checks=checks)
    broken: set[str] = set()
    try:
        schema.validate(_ibis(rows), lazy=True)
    except pa.errors.SchemaErrors as errors:
        broken = {str(getattr(error.check, "name", error.check)) for error in errors.schema_errors}
    named = {"multiple_fields_uniqueness": "encounters.encounter_id.unique"}
    named["not_nullable"] = "encounters.arrival_time.complete"
    return {named.get(rule, rule): (None, None) for rule in broken}


CONTESTANTS: dict[str, Callable[[str, Path], Answers]] = {
    "handwritten": handwritten,
    "product": product,
    "product in job": product_in_job,
    "cuallee": cuallee,
    "pointblank": pointblank,
    "pandera": pandera,
}
# Contestants of a virtual environment of their own, and what is installed there.
LIBRARIES = ("cuallee", "pointblank", "pandera")
PINS = (
    "cuallee==0.15.4",
    "pointblank==1.1.1",
    "pandera==0.35.0",
    "duckdb==2.0.0",
    "ibis-framework[duckdb]==12.0.0",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
)


def _files(rows: Path, table: str) -> list[str]:
    return sorted(str(path) for path in (rows / table).glob("*.parquet"))


def _connect(rows: Path) -> Any:
    """Return DuckDB with the product's settings, and the tables as views."""
    import duckdb

    con = duckdb.connect()
    _prepare(con.execute, rows)
    return con


def _prepare(execute: Callable[[str], Any], rows: Path) -> None:
    execute(f"SET memory_limit = '{MEMORY_MB}MB'")
    execute(f"SET threads = {THREADS}")
    execute(f"SET temp_directory = '{rows / 'spill'}'")
    execute("SET preserve_insertion_order = false")
    execute("SET TimeZone = 'UTC'")
    for name in ("encounters", "stays", "events"):
        execute(f"CREATE VIEW {name} AS FROM read_parquet({_files(rows, f'silver.{name}')})")


def _ibis(rows: Path) -> Any:
    import ibis

    con = ibis.duckdb.connect()
    _prepare(con.raw_sql, rows)
    return con.table("encounters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("table")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    found = CONTESTANTS[arguments.name](arguments.table, arguments.rows.resolve())
    arguments.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
