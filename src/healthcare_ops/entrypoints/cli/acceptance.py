"""`hops dq accept|withdraw`: what a person answers for that nobody can mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, State, Why, day
from healthcare_ops.entrypoints.cli.output import console
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.operations.acceptance import Answered

Finding = Annotated[str, typer.Argument(help="Finding, as the report names it.", show_default=False)]
OfDays = Annotated[
    list[str] | None,
    typer.Option("--day", metavar="DAY", help="Its day, or FIRST:LAST; may be repeated.", show_default=False),
]
OfFiles = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="NAME", help="The refused file; may be repeated.", show_default=False),
]
OfRun = Annotated[str, typer.Option("--run", help="Run that found it; default: the newest report.")]
_SHOWN = 10


def accept(
    finding: Finding,
    by: By,
    reason: Why,
    days: OfDays = None,
    files: OfFiles = None,
    run_id: OfRun = "",
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Answer for a finding of the site's past or of a clock, and let gold take its days; or take a refused file back.

    It counts for these days alone, and as long as the finding is as it is; other findings of the day stop gold still.

    Example: hops dq accept expected.volume.silver.encounters.ED --day 2026-03-12 --by Ana --reason closed
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations import acceptance

    of = _of(days or [], files or [])
    with open_platform(state, patience=patience_of(wait)) as platform:
        found = acceptance.accept(platform, finding, of, by=by, reason=reason, run_id=run_id)
    show_result(found.document, found.failure, as_json=as_json, show=lambda _: _print(found))


def withdraw(
    finding: Finding,
    by: By,
    reason: Why,
    days: OfDays = None,
    files: OfFiles = None,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take an acceptance back: the finding counts again, and its days are judged anew; gold keeps what it took.

    Example: hops dq withdraw expected.volume.silver.encounters.ED --day 2026-03-12 --by Ana --reason mistake
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations import acceptance

    of = _of(days or [], files or [])
    with open_platform(state, patience=patience_of(wait)) as platform:
        found = acceptance.withdraw(platform, finding, of, by=by, reason=reason)
    show_result(found.document, found.failure, as_json=as_json, show=lambda _: _print(found))


def _of(days: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return days (ISO) and names of files; days of a range are each named."""
    from healthcare_ops.core.days import days_between

    found = []
    for text in days:
        first, _, last = text.partition(":")
        named = days_between(day(first, "--day"), day(last or first, "--day"))
        if not named:
            raise typer.BadParameter(f"{last} is before {first}.", param_hint="--day")
        found += [one.isoformat() for one in named]
    return [*found, *files]


def _print(found: Answered) -> None:
    out = console()
    shown = ", ".join(found.of[:_SHOWN]) + (f" and {len(found.of) - _SHOWN} more" if len(found.of) > _SHOWN else "")
    done = "is accepted" if found.kind == "accept" else "counts again"
    if found.already:
        since = found.already.since.isoformat(timespec="minutes")
        out.print(
            f"{found.rule_id} of {shown} {done} already, by {found.already.by} since {since} ({found.already.reason}).",
            markup=False,
            soft_wrap=True,
        )
    else:
        out.print(f"{found.rule_id} of {shown} {done}.", markup=False, soft_wrap=True)
    if found.kind == "accept":
        _print_what_follows(found)


def _print_what_follows(found: Answered) -> None:
    from healthcare_ops.pipeline.quality.report.acceptance import command_of
    from healthcare_ops.pipeline.quality.report.refusals import is_of_refused

    out = console()
    if is_of_refused(found.rule_id):
        out.print(f"The next report counts {'it' if len(found.of) == 1 else 'them'} no more.", markup=False)
    elif found.jobs:
        out.print("Gold has taken the days that waited: hops dq show", markup=False)
    elif not found.failure:
        out.print("No day waited for it.", markup=False)
    out.print(f"undo: {command_of('withdraw', found.rule_id, found.of)}", markup=False, soft_wrap=True)
