"""Rules that are sound as they are written and fail on the rows: each is told by itself, and the others are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.core.errors import ConfigError, OpsError
from healthcare_ops.core.faults import understood
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.evaluate import Ask, Fault, Finding, unjudged
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.ports import Engine

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
        What no rule is to blame for: a file of rules that does not fit, a full disk, a lake that cannot be read now;
        or whatever `probe` raises.
    """
    try:
        return tuple(judge(checks))
    except DqdlError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the rows make a rule raise is told of that rule
        known = understood(error)
        if known is not None and known.reason is not ConfigError.code:  # a full disk is no rule's fault
            raise known from None if known is error else error
        probe()
        if len(checks) == 1:
            return (unjudged(checks[0], _fault_of(error)),)
    half = len(checks) // 2
    return tuple(found for part in (checks[:half], checks[half:]) for found in judge_each(part, judge, probe))


def _fault_of(error: Exception) -> Fault:
    # What an engine says holds values of the data.
    why = error.message if isinstance(error, OpsError) else type(error).__name__.removesuffix("Exception")
    return Fault("stopped", why.rstrip("."))


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


def enter_held(
    stack: ExitStack, engine: Engine, checks: Sequence[Check], held: Callable[[Sequence[Check]], ir.Table]
) -> ir.Table:
    """Return the rows that checks hold back or let pass, staged; a check that fails on the rows holds none back.

    That it cannot be judged is told, with its severity, where the rows are judged afterwards.

    Parameters
    ----------
    held
        Gives the rows as some of the checks hold them.

    Raises
    ------
    Exception
        What no check is to blame for, as the engine says it.
    """
    try:
        return stack.enter_context(engine.stage(held(checks)))
    except DqdlError:
        raise
    except Exception as error:  # whatever the rows make a rule raise is that rule's
        known = understood(error)
        holding = [check for check in checks if check.is_quarantining]
        if not holding or (known is not None and known.reason is not ConfigError.code):
            raise
    able = [check for check in holding if _is_judged(engine, held([check]))]
    return stack.enter_context(engine.stage(held(able)))


def _is_judged(engine: Engine, rows: ir.Table) -> bool:
    try:
        with engine.stage(rows):
            return True
    except Exception:  # noqa: BLE001  # as above; what is no check's fault is raised when the others are judged
        return False
