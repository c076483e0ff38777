"""`hops generate run|calibrate|schema`; `hops generate` with options is `hops generate run`."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, day
from healthcare_ops.entrypoints.cli.output import console, emit_json, steps, table

if TYPE_CHECKING:
    from healthcare_ops.core.clock import Clock
    from healthcare_ops.operations.generate import Order

_DAILY_MIN, _FOLLOW_MIN = 1440, 15
_STEPS_PER_FEED = 100
_LONGEST_SLEEP_S = 1.0


class RunByDefault(TyperGroup):
    """A group whose options, given without a command, are those of `run`; `follow` is `run --follow`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before options that are not the group's own."""
        if args[:1] == ["follow"]:
            args = ["run", "--follow", *args[1:]]
        is_own = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if is_own else ["run", *args])


app = typer.Typer(
    cls=RunByDefault,
    help="A synthetic hospital: what its feeds deliver, with faults on demand, and the truth beside it.\n\n"
    "Options without a command are those of `run`: hops generate --site site.toml --from 2026-01-01 "
    "--to 2026-01-31 --out synthetic\n\n"
    "`hops generate run -h` shows all of them, and `hops generate COMMAND -h` those of another command. "
    "`hops generate follow` is `hops generate run --follow`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("run")
def run(
    *,
    site: Annotated[Path, typer.Option("--site", help="The hospital: see `hops site schema`.")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First local day.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last local day.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; one that this command made is replaced.")],
    parameters: Annotated[
        Path | None, typer.Option("--parameters", help="Demand, staff, care, beds; default: a busy general hospital.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Reporting and faults: see `hops generate schema`.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 1,
    feed: Annotated[Literal["encounters", "events", "both"], typer.Option("--feed", help="What comes.")] = "both",
    every: Annotated[
        int | None,
        typer.Option("--every", min=1, metavar="MIN", help="Minutes between files; default: a day, with --follow 15."),
    ] = None,
    clock: Annotated[
        Literal["local", "utc", "offset"] | None,
        typer.Option("--clock", help="How times are written; default: local, with --clean offset."),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Everything comes once and in time.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Deliver as time goes by, until interrupted.")] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="With --follow: state directory whose raw/ gets every file.")
    ] = None,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Write what the feeds of a synthetic hospital deliver, and the truth; `hops generate` without `run` does the same.

    With --follow and --as-of, what is due by then is delivered, and the next call goes on from there.

    Example: hops generate run --site site.toml --from 2026-01-01 --to 2026-01-31 --seed 7 --out synthetic
    """
    from healthcare_ops.operations.generate import Order

    if not follow and (state or as_of):
        raise typer.BadParameter("it goes with --follow.", param_hint="--state" if state else "--as-of")
    order = Order(
        site,
        out,
        day(first, "--from"),
        day(last, "--to"),
        seed=seed,
        parameters_file=parameters,
        scenario_file=scenario,
        feeds=("encounters", "events") if feed == "both" else (feed,),
        every_min=every or (_FOLLOW_MIN if follow else _DAILY_MIN),
        clock=clock,
        is_clean=clean,
    )
    if follow:
        _follow(order, clock_at(as_of), state, has_time=not as_of, as_json=as_json)
    else:
        _generate(order, as_json=as_json)


@app.command("calibrate")
def calibrate(
    out: Annotated[Path, typer.Option("--out", help="Parameters file (TOML) to write.")],
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Fit the synthetic hospital to the lake of a state directory.

    Example: hops generate calibrate --state .hops --out parameters.toml
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.calibrate import calibrate as fit_to_lake

    with open_platform(state, exclusive=False) as platform, steps("calibrate", 2) as progress:
        document = fit_to_lake(platform, out, progress)
    if as_json:
        emit_json(document)
        return
    console().print(f"{document['encounters']:,} encounters, {document['first']} to {document['last']}: {out}")
    console().print(f"next: hops generate --parameters {shlex.quote(str(out))} …", markup=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of scenario files.

    Example: hops generate schema > scenario.schema.json
    """
    from healthcare_ops.generator.scenario import Scenario

    sys.stdout.write(json.dumps(Scenario.model_json_schema(), indent=2) + "\n")


def _generate(order: Order, *, as_json: bool) -> None:
    from healthcare_ops.operations.generate import generate

    with steps("generate", 2 + _STEPS_PER_FEED * len(order.feeds)) as progress:
        document = generate(order, progress)
    document["next"] = _load_commands(order, document)
    if as_json:
        emit_json(document)
    else:
        _print(document)


def _follow(order: Order, clock: Clock, state: Path | None, *, has_time: bool, as_json: bool) -> None:
    from healthcare_ops.core.errors import ExitCode
    from healthcare_ops.operations.follow import follow

    with steps("follow") as progress:
        followed = follow(order, clock, _sleep if has_time else None, progress, state)
    document = followed.document
    document["next"] = (
        [f"hops run --type inference --state {shlex.quote(str(state))}"] if state else _load_commands(order, document)
    )
    if as_json:
        emit_json(document)
    else:
        _print(document)
    if followed.is_interrupted:
        raise typer.Exit(int(ExitCode.INTERRUPTED))


def _sleep(seconds: float) -> None:
    """Sleep for a moment at most: who was asleep must not sleep on, and Ctrl-C just before a sleep does not end it."""
    time.sleep(min(seconds, _LONGEST_SLEEP_S))


def _load_commands(order: Order, document: Mapping[str, Any]) -> list[str]:
    """Return how each feed is loaded; deliveries of days to come need a clock of their own."""
    folder, commands = shlex.quote(str(order.out)), []
    for feed in document["feeds"]:
        is_to_come = datetime.fromisoformat(feed["last_due"]) > datetime.now(UTC)
        as_of = f" --as-of {feed['last_due']}" if is_to_come else ""
        name = feed["feed_id"]
        # Both tell of the same encounters: in one state directory everything would be told twice.
        state = f".hops-{name}" if len(document["feeds"]) > 1 else ".hops"
        commands.append(
            f"hops load --feed {folder}/feeds/{name}.toml --site {folder}/site.toml "
            f"{folder}/deliveries/{name}/* --state {state}{as_of}"
        )
    return commands


def _print(document: Mapping[str, Any]) -> None:
    out = console()
    out.print(
        f"{document['facility']}: {document['encounters']:,} encounters and {document['stays']:,} stays, "
        f"{document['first']} to {document['last']}, seed {document['seed']}"
    )
    rows = [[f["feed_id"], f["files"], f["withheld"], f["records"], f["bytes"]] for f in document["feeds"]]
    out.print(table("Delivered", ["feed", "files", "withheld", "records", "bytes"], rows))
    if document["faults"]:
        faults = [[f["fault"], f["kind"], f["files"], f["records"], f["removed"]] for f in document["faults"]]
        out.print(table("Faults", ["fault", "kind", "files", "records hit", "rows removed"], faults))
    if document.get("refused"):
        refused = [[item["feed_id"], item["source_file"], item["reason"]] for item in document["refused"]]
        out.print(table("Not taken into raw", ["feed", "file", "reason"], refused))
    out.print(f"folder: {document['folder']}", markup=False)
    out.print(f"truth:  {document['truth']}", markup=False)
    for command in document["next"]:
        out.print(f"next:   {command}", markup=False, soft_wrap=True)
