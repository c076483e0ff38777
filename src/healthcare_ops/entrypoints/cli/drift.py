"""`hops drift`."""

from __future__ import annotations

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at
from healthcare_ops.entrypoints.cli.output import console, emit_json, table


def drift(state: State = DEFAULT_STATE, as_of: AsOf = "", as_json: Json = False) -> None:
    """Tell how the hospital has moved from what the model in use learnt from: a fault of data, a season, a real change.

    Exit 7 on a fault of data or a real change.

    Example: hops drift
    """
    import typer

    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import ExitCode, NotFoundError
    from healthcare_ops.jobs.drift import described, drift_of

    with open_platform(state, clock_at(as_of), exclusive=False) as platform:
        verdict = drift_of(platform.context)
    if verdict is None:
        raise NotFoundError(
            "there is no model in use, or no whole day since it learnt.",
            next_step="Run `hops run --type weekly_train`, or wait for a day.",
        )
    document = described(verdict)
    if as_json:
        emit_json(document)
    else:
        out = console()
        rows = [[one["sentence"], one["since"], one["cause"], one["because"]] for one in document["findings"]]
        title = f"Drift on {document['on']}: {document['verdict'].replace('_', ' ')}"
        out.print(table(title, ["what", "since", "because of", "as"], rows) if rows else title, markup=False)
        out.print(f"{document['reason'].capitalize()}.", markup=False)
    if verdict.kind in ("data_fault", "real_change"):
        raise typer.Exit(int(ExitCode.DRIFT))
