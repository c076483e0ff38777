"""`hops models list|show|promote|rollback|verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.failures import show_result, warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, State, Why, instant, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.report import print_backtests, print_wait_tests
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.forecasting.champions import Use

app = typer.Typer(help="The models that forecast.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_versions(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """List what was learnt, the newest first: what is in use, what waits, and why.

    Example: hops models list
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.cautions import overdue_training
    from healthcare_ops.operations.models import list_models

    found = list_models(objects_of(state))
    with open_platform(state, exclusive=False) as platform:
        cautions = [caution.document for caution in overdue_training(platform)]
    if as_json:
        emit_json({"models": [asdict(one) for one in found], "warnings": cautions})
        return
    warn(cautions)
    rows = [[m.version, m.role, m.trained_until[:16], m.since[:16], m.by, m.fault or m.reason] for m in found]
    console().print(table("Models", ["version", "is", "knows until", "since", "by", "why"], rows))


@app.command("show")
def show(
    version: Annotated[str, typer.Argument(help="Version; that in use if none is named.", show_default=False)] = "",
    at: Annotated[
        str, typer.Option("--at", metavar="INSTANT", help="The version in use at an instant (ISO 8601 with offset).")
    ] = "",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show a model: what it learnt from, how good it was, and whether it is as it was stored.

    Example: hops models show --at 2026-11-29T03:15:00-03:00
    """
    from healthcare_ops.core.clock import SystemClock
    from healthcare_ops.operations.models import describe, in_use_at

    objects = objects_of(state)
    moment = instant(at, "--at")
    if version and moment:
        raise typer.BadParameter("name a version or an instant, not both.", param_hint="--at")
    wanted = version or in_use_at(objects, moment or SystemClock().now()).version
    listed, manifest = describe(objects, wanted)
    if as_json:
        emit_json({**asdict(listed), "manifest": dict(manifest)})
        return
    out = console()
    out.print(table(listed.version, ["", ""], _facts(asdict(listed), dict(manifest))))
    print_backtests(manifest["backtests"])
    # Models of before there were forecasts of waits have no such tests.
    print_wait_tests(manifest.get("wait_tests"))


@app.command("promote")
def promote(
    version: Annotated[str, typer.Argument(help="Version to put to use.")],
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Put a version to use from the next forecast on, such as a challenger that training did not accept.

    Example: hops models promote flow-20261129T030000Z-0a1b2c3d --by Ana --reason odd-test-weeks
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.models import put_to_use

    with open_platform(state, patience=patience_of(wait)) as platform:
        _tell(put_to_use(platform, version, by=by, reason=reason), as_json=as_json)


@app.command("rollback")
def rollback(
    by: By, reason: Why, state: State = DEFAULT_STATE, wait: Wait = DEFAULT_WAIT, as_json: Json = False
) -> None:
    """Put the version to use that was in use before the present one, from the next forecast on.

    Example: hops models rollback --by Ana --reason night-forecasts-too-low
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.models import roll_back

    with open_platform(state, patience=patience_of(wait)) as platform:
        _tell(roll_back(platform, by=by, reason=reason), as_json=as_json)


@app.command("verify")
def verify(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Check that every stored model is as it was stored; exit 4 if one is not.

    Example: hops models verify
    """
    from healthcare_ops.core.errors import ConfigError
    from healthcare_ops.operations.models import list_models

    found = list_models(objects_of(state))
    faults = [one for one in found if one.fault]
    failure = (
        ConfigError(f"{faults[0].version}: {faults[0].fault}", next_step="Restore it from a backup, or train again.")
        if faults
        else None
    )

    def tell(_: object) -> None:
        for one in faults:
            console().print(f"{one.version}: {one.fault}", markup=False, soft_wrap=True)
        console().print(f"Models: {len(found)}, {len(faults)} of which not as stored.", markup=False)

    document = {"models": len(found), "faults": [{"version": one.version, "fault": one.fault} for one in faults]}
    show_result(document, failure, as_json=as_json, show=tell)


def _facts(listed: dict[str, Any], manifest: dict[str, Any]) -> list[list[str]]:
    windows = [
        f"{sector}: {first[:10]} to {last[:10]}" for sector, (first, last) in manifest["training_window"].items()
    ]
    libraries = ", ".join(f"{name} {number}" for name, number in manifest["libraries"].items())
    return [
        [
            "is",
            f"{listed['role']} since {listed['since'][:16]} by {listed['by']}" if listed["since"] else listed["role"],
        ],
        ["why", listed["reason"]],
        ["learnt from", "\n".join(windows)],
        *([["and from forecasts of", ", ".join(manifest["regressors"])]] if manifest.get("regressors") else []),
        *([["without a model", "\n".join(_reasons(manifest))]] if manifest.get("without_model") else []),
        *([["pinned as", manifest["pin"]]] if manifest.get("pin") else []),
        ["files", "\n".join(f"{name} {digest[:16]}…" for name, digest in manifest["files"].items())],
        ["made with", libraries],
    ]


def _reasons(manifest: dict[str, Any]) -> list[str]:
    return [f"{place}: {reason}" for place, reason in sorted(manifest["without_model"].items())]


def _tell(use: Use, *, as_json: bool) -> None:
    if as_json:
        emit_json(asdict(use))
        return
    console().print(f"{use.version} is in use from the next forecast on.", markup=False)
    console().print("undo: hops models rollback --by NAME --reason WHY", markup=False)
