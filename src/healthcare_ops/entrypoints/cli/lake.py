"""`hops load`, `ingest`, `backfill`, `export`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.failures import show_result, warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, day
from healthcare_ops.entrypoints.cli.output import accounts, console, emit_json, steps, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from rich.console import Console

# Of so many files it is printed what became of them.
_SHOWN = 20

Paths = Annotated[list[Path], typer.Argument(help="Delivered files.", show_default=False)]


def load(
    paths: Paths,
    feed: Annotated[Path, typer.Option("--feed", help="Feed file: see `hops feed schema`.")],
    site: Annotated[
        Path | None,
        typer.Option("--site", help="Site file; else a new state gets one made from the feed."),
    ] = None,
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take files into the lake and build every day they hold, in one go, and say what became of each file.

    Files that cannot be used are listed, each with its reason, and the others taken; the exit code is then 5. A feed or
    site file that differs from the state's copy replaces it, and every day built with the old one is built again.

    Example: hops load --feed feeds/ed.toml --site site.toml 2025.csv.gz --state .hops
    """
    from healthcare_ops.jobs import REFINE_JOBS
    from healthcare_ops.operations.load import load as load_files

    with steps("load", len(paths) + len(REFINE_JOBS)) as progress:
        loaded = load_files(state, feed, site, paths, clock_at(as_of), progress, patience=patience_of(wait))
    if not as_json:
        warn(loaded.document["warnings"])
    show_result(loaded.document, loaded.failure, as_json=as_json, show=_print_accounts)


def ingest(
    paths: Paths,
    feed: Annotated[str, typer.Option("--feed", help="Id of a feed of the state directory.")],
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take files into raw and bronze only; the next run refines them.

    Files that cannot be used are listed, each with its reason, and the others taken; the exit code is then 5.

    Example: hops ingest --feed ed --state .hops today.csv
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.cautions import not_taken_again

    with (
        open_platform(state, clock_at(as_of), patience=patience_of(wait)) as platform,
        steps("ingest", len(paths) + 1) as progress,
    ):
        mapping = bulk.feed_of(platform, feed)
        verified = bulk.verify_each(paths, mapping, progress)
        bulk.keep_refused(platform, mapping, verified)
        verified.require_some()
        landed = bulk.land(platform, mapping, verified.sound)
        result = bulk.refine(platform, progress, jobs=("ingest_bronze",))
    cautions = [caution.document for caution in not_taken_again(mapping, landed)]
    document = {"files": [*verified.document, *landed], "warnings": cautions, **result}
    if not as_json:
        warn(cautions)
    show_result(document, verified.failure, as_json=as_json, show=_print_ingested)


def backfill(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First operational day.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last operational day.")],
    from_raw: Annotated[bool, typer.Option("--from-raw", help="Read every raw file again first.")] = False,
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Build days again from bronze, with today's feed and site files; a warning names those without any record.

    Example: hops backfill --from 2025-01-01 --to 2025-12-31
    """
    from healthcare_ops.bootstrap.configuration import find_changes, settle_changes
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.days import days_between
    from healthcare_ops.core.errors import QualityError
    from healthcare_ops.jobs import REFINE_JOBS
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.cautions import days_without_records

    start, end = day(first, "--from"), day(last, "--to")
    if end < start:
        raise typer.BadParameter(f"{last} is before {first}.", param_hint="--to")
    failure = None
    days = frozenset(days_between(start, end))
    with (
        open_platform(state, clock_at(as_of), patience=patience_of(wait)) as platform,
        steps("backfill", len(REFINE_JOBS)) as progress,
    ):
        changes = find_changes(state)
        is_settling = days >= bulk.days_to_rebuild(platform, changes) and (from_raw or not changes.reread)
        if from_raw:
            bulk.forget_bronze(platform)
        try:
            result = bulk.refine(platform, progress, days=days)
        except QualityError as error:
            failure, result = error, {}
        if is_settling:
            settle_changes(state)
        cautions = [caution.document for caution in days_without_records(platform, days)]
        document = {"warnings": cautions, **result, **bulk.summary(platform)}
    if not as_json:
        warn(cautions)
    show_result(document, failure, as_json=as_json, show=_print_accounts)


def export(
    name: Annotated[str, typer.Argument(help="Table, such as gold.ops_metrics_hourly.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .csv, .parquet or .ndjson.")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day.")] = "",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Write a table to a file.

    Example: hops export gold.ops_metrics_hourly --from 2025-03-01 --out march.csv
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.exports import export_table

    days = tuple(day(text, option) if text else None for text, option in ((first, "--from"), (last, "--to")))
    with open_platform(state, exclusive=False) as platform:
        rows = export_table(platform, name, out, days[0], days[1])
    if as_json:
        emit_json({"table": name, "rows": rows, "file": str(out)})
    else:
        console().print(f"{rows:,} rows of {name} in {out}")


def _print_ingested(document: Mapping[str, Any]) -> None:
    _print_files(console(), document["files"])


def _print_files(out: Console, files: Sequence[Mapping[str, Any]]) -> None:
    """Print what became of each file: of many the first ones, and how many more there are."""
    from healthcare_ops.core.tables import ACCOUNT

    taken = [item for item in files if item["fate"] != "refused"]
    counted = [name for name in ACCOUNT if all(name in item for item in taken)]
    rows = [[item["source_file"], _fate(item), item["batch_id"], *(item[name] for name in counted)] for item in taken]
    if rows:
        out.print(table("Files", ["file", "fate", "batch", *counted], rows[:_SHOWN]))
        _print_more(out, Counter(fate for _, fate, *_ in rows[_SHOWN:]))
    refused = [[item["file"], item["reason"], item["next_step"]] for item in files if item["fate"] == "refused"]
    if refused:
        out.print(table("Refused", ["file", "reason", "next step"], refused[:_SHOWN]))
        _print_more(out, Counter("refused" for _ in refused[_SHOWN:]))


def _fate(item: Mapping[str, Any]) -> str:
    return f"{item['fate']}, no record" if item.get("delivered") == 0 else item["fate"]


def _print_more(out: Console, fates: Counter[str]) -> None:
    if fates:
        told = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
        out.print(f"and {fates.total():,} more ({told}); --json lists all")


def _print_changes(out: Console, configuration: Mapping[str, Any]) -> None:
    """Print in one line which files changed and what follows, and one for each feed whose raw files no longer fit."""
    changed, count = configuration["changed"], configuration["days_built_again"]
    if not changed:
        return
    days = f"{count:,} day{' is' if count == 1 else 's are'} built again"
    if read_again := configuration["raw_read_again"]:
        days = f"raw of {', '.join(read_again)} is read again, {days}"
    out.print(f"{', '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed: {days}")
    for item in configuration["raw_unreadable"]:
        kept = f"bronze of {item['feed_id']} stays as it was read, as {item['batch_id']} cannot be read again"
        out.print(f"{kept}: {item['reason']}")


def _print_accounts(document: Mapping[str, Any]) -> None:
    out = console()
    if configuration := document.get("configuration"):
        _print_changes(out, configuration)
    _print_files(out, document.get("files", ()))
    out.print(accounts(document["feeds"]))
    reasons = [
        [item["feed_id"], item["reason_code"], item["records"], item["explanation"]] for item in document["quarantine"]
    ]
    if reasons:
        out.print(table("In quarantine", ["feed", "reason", "records", "meaning"], reasons))
    out.print(
        table(
            "Tables",
            ["table", "rows", "first day", "last day"],
            [[t["table"], t["rows"], t["first"], t["last"]] for t in document["tables"]],
        )
    )
    if document.get("jobs", {}).get("dq_check", {}).get("verdict") == "warn":
        out.print("data quality: warn; `hops dq show` names the rules, and with --json the encounters")
