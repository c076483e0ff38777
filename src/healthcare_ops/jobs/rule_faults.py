"""Rules that are sound as they are written and fail on the rows: each is told by itself, and the others are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from healthcare_ops.core.errors import ConfigError, OpsError
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.evaluate import Ask, Finding
from healthcare_ops.pipeline.quality.rules.checks import Check

Judge = Callable[[Sequence[Check]], Sequence[Finding]]


def judge_each(checks: Sequence[Check], judge: Judge, probe: Callable[[], object]) -> tuple[Finding, ...]:
    """Return one finding per check, in their order: of one that cannot be judged, that it counts as broken, and why.

    Parameters
    ----------
    judge
        Judges some of the checks together, or raises for all of them because of one.
    probe
        Reads the table without any rule; raises if it is no rule that is at fault.

    Raises
    ------
    OpsError
        What no rule of the rows is to blame for: a file of rules that does not fit, a lake that cannot be read now.
    """
    try:
        return tuple(judge(checks))
    except DqdlError:
        raise
    except Exception as error:
        if isinstance(error, OpsError) and not isinstance(error, ConfigError):
            raise
        probe()
        if len(checks) == 1:
            return (_not_judged(checks[0], error),)
    half = len(checks) // 2
    return tuple(found for part in (checks[:half], checks[half:]) for found in judge_each(part, judge, probe))


def _not_judged(check: Check, error: Exception) -> Finding:
    # What an engine says holds values of the data.
    why = error.message if isinstance(error, OpsError) else type(error).__name__.removesuffix("Exception")
    fault = f"rules/{check.table}.dqdl, line {check.node.position.line}: it cannot be judged: {why.rstrip('.')}."
    return Finding(check, check.severity, 0, None, fault=fault)


def ask_once(ask: Ask) -> Ask:
    """Return what asks each query once, and gives the same answer, or error, again: one may take a minute."""
    answers: dict[str, pa.Table | ConfigError] = {}

    def asked(sql: str) -> pa.Table:
        if sql not in answers:
            try:
                answers[sql] = ask(sql)
            except ConfigError as error:
                answers[sql] = error
        answer = answers[sql]
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    return asked
