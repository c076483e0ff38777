"""`hops regressors add|list|drop`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, State, Why
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.forecasting.regressors import Regressor

_HEADINGS = ["regressor", "values", "first hour", "last hour", "last issue"]
app = typer.Typer(help="Forecasts of others, such as the weather.", no_args_is_help=True, rich_markup_mode=None)


@app.command("add")
def add(
    files: Annotated[
        list[Path], typer.Argument(help="CSV (also .gz) or Parquet: `name`, `issue_time`, `target_time`, `value`.")
    ],
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take in forecasts of others, all of the files or nothing; the next training learns from them.

    Times carry an offset or are UTC. What is there already is passed over.

    Example: hops regressors add weather.csv
    """
    from healthcare_ops.operations.regressors import add as take_in

    added = take_in(state, files, patience=patience_of(wait))
    if as_json:
        emit_json({"regressors": [asdict(one) for one in added]})
        return
    for one in added:
        console().print(f"{one.name}: {one.new:,} new values, {one.values:,} in all.", markup=False)


@app.command("list")
def list_regressors(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """List the forecasts of others that are there, with the hours they are of and when the last was issued (UTC).

    Example: hops regressors list
    """
    from healthcare_ops.operations.regressors import regressors_in

    found = [_document(one) for one in regressors_in(state)]
    if as_json:
        emit_json({"regressors": found})
        return
    rows = [[one["name"], one["values"], *(one[key][:16] for key in list(one)[2:])] for one in found]
    console().print(table("Forecasts of others", _HEADINGS, rows))


@app.command("drop")
def drop(
    name: Annotated[str, typer.Argument(help="Name of the regressor.")],
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take out all values of a regressor that were added, such as those of a wrong unit; models go on without it.

    Example: hops regressors drop temperature --by Ana --reason fahrenheit
    """
    from healthcare_ops.operations.regressors import drop as take_out

    count = take_out(state, name, by=by, reason=reason, patience=patience_of(wait))
    if as_json:
        emit_json({"regressor": name, "dropped": count})
        return
    console().print(f"{name}: {count:,} values taken out.", markup=False)


def _document(regressor: Regressor) -> dict[str, Any]:
    from healthcare_ops.forecasting.regressors import instant

    return {
        "name": regressor.name,
        "values": len(regressor.value),
        "first_target": instant(regressor.target_min.min()).isoformat(),
        "last_target": instant(regressor.target_min.max()).isoformat(),
        "last_issue": instant(regressor.issue_min.max()).isoformat(),
    }
