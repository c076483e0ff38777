"""Rules, written as DQDL, against rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from engines import StageEngine
from healthcare_ops.core.tables import ENCOUNTERS, Table
from healthcare_ops.pipeline.quality.evaluate import Finding, evaluate
from healthcare_ops.pipeline.quality.rules.checks import Check, read_rules
from healthcare_ops.pipeline.quality.rules.measures import Scope
from unit.pipeline.builders import at

NOW = at("2026-03-20 12:00")


def checks_of(rules: str, table: str = ENCOUNTERS.id) -> tuple[Check, ...]:
    """Return the rules of a list, as a file of the table would hold them."""
    return read_rules(f"Rules = [ {rules} ]", table).checks


def judge(
    engine: StageEngine,
    rules: str | Sequence[Check],
    rows: pa.Table,
    *,
    table: Table = ENCOUNTERS,
    references: Mapping[str, pa.Table] | None = None,
    standing: pa.Table | None = None,
    history: Mapping[str, Sequence[Sequence[float | None]]] | None = None,
    delivered: Collection[str] | None = None,
    held: Mapping[str, int] | None = None,
    ask: Callable[[str], pa.Table] | None = None,
) -> tuple[Finding, ...]:
    """Return the findings, at noon of 20 March 2026 (UTC)."""
    scope = Scope(
        engine.table(rows),
        references={alias: engine.table(others) for alias, others in (references or {}).items()},
        now=NOW,
        standing=None if standing is None else engine.table(standing),
    )
    return evaluate(
        checks_of(rules, table.id) if isinstance(rules, str) else rules,
        scope,
        collect=engine.collect,
        ask=ask or _refuse,
        history=history or {},
        delivered=delivered,
        held=held,
    )


def judge_one(engine: StageEngine, rule: str | Check, rows: pa.Table, **keys: Any) -> Finding:
    """Return what one rule finds."""
    (finding,) = judge(engine, rule if isinstance(rule, str) else [rule], rows, **keys)
    return finding


def counted(finding: Finding) -> tuple[int, int | None]:
    """Return how many rows were judged, and how many of them broke the rule."""
    return finding.checked, finding.violations


def _refuse(sql: str) -> pa.Table:
    raise AssertionError(f"no rule of this test asks {sql!r}")
