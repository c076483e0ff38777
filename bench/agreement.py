"""Whether the product and the hand-written SQL gave the same rows: `agreement.py STATE OUT`; exits 1 if not.

A ratio between different results would mean nothing. Every column of every table is compared: exact values as a sum
of row hashes, in whatever order rows and columns stand; fractions as sums, to a part in 1e9.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import duckdb

TABLES = {
    "encounters": "silver",
    "stays": "silver",
    "events": "silver",
    "quarantine": "silver",
    "batch_accounts": "ops",
    "ops_metrics_hourly": "gold",
    "features": "gold",
}
# Sums worth reading; the comparison is of every column.
SHOWN = ("arrivals_count", "occupied_beds", "total_wait_min", "delivered", "applied")
Print = dict[str, float | int]


def compare(state: Path, out: Path) -> dict[str, Any]:
    """Return rows and shown sums by table; `SystemExit` names the first columns that differ."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    found = {}
    for table, layer in TABLES.items():
        # The product wrote each table once, so that every file below it stands.
        product = f"{state}/lake/{layer}/{table}/data/*/*/*.parquet"
        types = _types(con, product)
        prints = [_fingerprint(con, files, types) for files in (product, f"{out}/{table}/*/*.parquet")]
        differing = [name for name in prints[0] if not _is_close(prints[0][name], prints[1][name])]
        if differing:
            facts = ", ".join(f"{name} {prints[0][name]} ≠ {prints[1][name]}" for name in differing)
            raise SystemExit(f"{layer}.{table}: product and hand-written SQL differ: {facts}")
        found[table] = {name: prints[0][name] for name in prints[0] if name == "rows" or name in SHOWN}
    return found


def _types(con: duckdb.DuckDBPyConnection, files: str) -> dict[str, str]:
    rows = con.execute(f"DESCRIBE FROM read_parquet('{files}', hive_partitioning = false)").fetchall()
    return {row[0]: row[1] for row in rows}


def _fingerprint(con: duckdb.DuckDBPyConnection, files: str, types: dict[str, str]) -> Print:
    exact = [f'CAST("{name}" AS {kind})' for name, kind in types.items() if kind != "DOUBLE"]
    numbers = [name for name, kind in types.items() if kind == "DOUBLE" or name in SHOWN]
    sums = [f'sum("{name}") AS "{name}", count("{name}") AS "{name} values"' for name in numbers]
    selected = ", ".join(["count(*) AS rows", f"sum(hash({', '.join(exact)})::HUGEINT) AS hashes", *sums])
    row = con.execute(f"SELECT {selected} FROM read_parquet('{files}', hive_partitioning = false)").fetchone()
    return dict(zip((column[0] for column in con.description or ()), row or (), strict=True))


def _is_close(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return left == right or (isinstance(left, float) and math.isclose(left, right, rel_tol=1e-9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    found = compare(arguments.state, arguments.out)
    for table, sums in found.items():
        print(f"  same {table}: " + ", ".join(f"{name} {value:,.10g}" for name, value in sums.items()), file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
