"""`hops init`, `doctor`, `version`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.failures import warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of


def init(
    site: Annotated[Path, typer.Option("--site", help="The hospital: see `hops site schema`.")],
    feed: Annotated[list[Path] | None, typer.Option("--feed", help="Feed file; may be given again.")] = None,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Make a state directory for a hospital, with its pseudonymisation key; or give one other site and feed files.

    Where days were built with the old files, a warning gives the command that builds them again.

    Example: hops init --site site.toml --feed feeds/ed.toml --state .hops
    """
    from healthcare_ops.bootstrap.configuration import create_state, find_changes
    from healthcare_ops.core.feed import Feed
    from healthcare_ops.core.validated import read_toml

    feeds = [read_toml(path, Feed).feed_id for path in feed or ()]
    is_new = create_state(state, site, feed_files=feed or (), patience=patience_of(wait))
    changed = find_changes(state).files
    cautions = _not_built_again(state) if changed else []
    if as_json:
        emit_json({"state": str(state), "is_new": is_new, "feeds": feeds, "changed": changed, "warnings": cautions})
        return
    console().print(
        f"{'Created' if is_new else 'Updated'} {state}" + (f" with feeds {', '.join(feeds)}" if feeds else "")
    )
    warn(cautions)


def _not_built_again(state: Path) -> list[dict[str, str]]:
    """Return what there is to know of days that were built before the state's files changed."""
    from healthcare_ops.bootstrap.configuration import find_changes
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.cautions import not_built_again

    with open_platform(state, exclusive=False) as platform:
        return [caution.document for caution in not_built_again(platform, find_changes(state))]


def doctor(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Check that this machine and the state directory are fit for work.

    Example: hops doctor --state .hops
    """
    from healthcare_ops.entrypoints.cli.checks import run_checks

    checks = run_checks(state)
    if as_json:
        emit_json({"checks": [vars(check) for check in checks]})
    else:
        rows: list[list[Any]] = [[check.name, "ok" if check.is_ok else "FAILED", check.detail] for check in checks]
        console().print(table("Health of this installation", ["check", "result", "detail"], rows))
    if not all(check.is_ok for check in checks):
        raise typer.Exit(4)


def version(as_json: Json = False) -> None:
    """Print the version.

    Example: hops version
    """
    from healthcare_ops import __version__

    if as_json:
        emit_json({"version": __version__})
    else:
        console().print(f"hops {__version__}")
