"""`hops drill`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.options import Json
from healthcare_ops.entrypoints.cli.output import console, emit_json, inert, steps, table

_WORDS = {True: "ok", False: "FAILED"}
_STYLES = {"passed": "bold green", "failed": "bold red", "impossible": "bold yellow"}


def drill(
    drill_id: Annotated[
        str, typer.Argument(metavar="[ID|all]", help="Id of a drill, the beginning of some, or `all`.")
    ] = "",
    lists: Annotated[bool, typer.Option("--list", help="What drills there are.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Draws the fault, its place, size and time, and the hospital.")
    ] = 1,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep the hospitals there, and begin with them the next time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rehearse the runbook: inject a fault into a synthetic hospital, and check that the platform sees it through.

    Each drill injects, detects, hears the alarm, diagnoses, remediates and verifies, on a throw-away state directory
    and a clock of its own; what it checks is what `hops … --json` prints and what tables export. Your own state
    directory is never touched. All of them may take an hour on a busy machine. Ends with 0 only if all passed, else
    with 5.

    Example: hops drill 01a --seed 7
    """
    from tempfile import TemporaryDirectory

    from healthcare_ops.core.errors import StepError
    from healthcare_ops.entrypoints.cli.failures import show_result
    from healthcare_ops.operations.drills.catalogue import DRILLS, carry_out, chosen

    if lists:
        found = [{"drill": one.drill_id, "runbook": one.section, "title": one.title} for one in DRILLS]
        if as_json:
            emit_json({"drills": found})
        else:
            console().print(
                table("Drills", ["drill", "runbook", "what happens"], [list(one.values()) for one in found])
            )
        return
    if not drill_id:
        raise typer.BadParameter("give the id of a drill, or `all`; `--list` shows them.", param_hint="ID")
    drills = chosen(drill_id)
    with TemporaryDirectory(prefix="hops-drill-") as folder, steps("drill") as progress:
        records = [
            one.document for one in carry_out(drills, seed, keep / f"{seed}" if keep else Path(folder), progress)
        ]
    bad = [one for one in records if one["status"] != "passed"]
    failure = None
    if bad:
        names = ", ".join(f"{one['drill']} ({one['status']})" for one in bad)
        failure = StepError(
            f"{len(bad)} of {len(records)} drills did not pass: {names}.",
            next_step=f"Look at the steps that failed; `--seed {seed}` injects the same again.",
        )
    document = {"seed": seed, "is_passed": not bad, "drills": records}
    show_result(document, failure, as_json=as_json, show=_print_drills)


def _print_drills(document: Mapping[str, Any]) -> None:
    from rich.text import Text

    out = console()
    for one in document["drills"]:
        title = Text(f"{one['drill']} {one['title']}: ")
        out.print(title.append(one["status"], style=_STYLES[one["status"]]))
        injected = ", ".join(f"{name} {value}" for name, value in one["injected"].items())
        out.print(f"  injected: {inert(injected or one['reason'])}", markup=False)
        rows = [[step["name"], step["took_s"], _WORDS[step["is_passed"]], _said(step)] for step in one["steps"]]
        if rows:
            out.print(table("", ["step", "seconds", "", "what was checked"], rows))


def _said(step: Mapping[str, Any]) -> str:
    """Return what of a step was not met, else all that was checked."""
    unmet = [f"not met: {check['says']} ({check['seen']})" for check in step["checks"] if not check["is_met"]]
    return "; ".join(unmet or [check["says"] for check in step["checks"]])
