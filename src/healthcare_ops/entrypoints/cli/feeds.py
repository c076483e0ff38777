"""`hops feed check|schema`, `hops site schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import Json
from healthcare_ops.entrypoints.cli.output import console, inert, table

if TYPE_CHECKING:
    from healthcare_ops.operations.feed_check import ColumnCheck, FeedCheck

feed_app = typer.Typer(
    help="Feed files: the mapping of one supplier's data.", no_args_is_help=True, rich_markup_mode=None
)
site_app = typer.Typer(help="The site file: the hospital and its sectors.", no_args_is_help=True, rich_markup_mode=None)


@feed_app.command("check")
def check(
    feed: Annotated[Path, typer.Argument(help="Feed file.")],
    file: Annotated[Path, typer.Argument(help="A delivered file.")],
    site: Annotated[Path | None, typer.Option("--site", help="Site file, to check sectors as well.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="Values shown of each column, and records.")] = 3,
    as_json: Json = False,
) -> None:
    """Show what the mapping makes of a file's first rows, and what would become of them; writes nothing.

    Encounters are judged as well as records. If any would be held whatever other files say, the exit code is 6.

    Example: hops feed check feeds/ed.toml today.csv --site site.toml
    """
    from dataclasses import asdict

    from healthcare_ops.core.feed import Feed
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.operations.feed_check import check_feed

    result = check_feed(file, read_toml(feed, Feed), read_toml(site, Site) if site else None, rows)
    document = asdict(result) | {"fates": dict(result.fates)}
    show_result(document, result.failure, as_json=as_json, show=lambda _: _print_check(file, result))


def _print_check(file: Path, result: FeedCheck) -> None:
    out = console()
    if not result.records:
        out.print(f"{file.name} has a header and no record.", markup=False)
        return
    columns = [[item.column, item.source, f"{item.filled:,}", _samples(item)] for item in result.columns]
    title = f"{file.name} as feed {result.feed_id} reads it (times in UTC)"
    out.print(table(title, ["column", "from", "filled", "first values"], columns))
    if result.unknown_codes:
        rows = [[item.column, item.code, item.records] for item in result.unknown_codes]
        out.print(table("Codes that the feed file does not map", ["column", "code", "records"], rows))
    records = [[item.record_no, item.fate, item.reason_code, item.column] for item in result.first_records]
    out.print(table("The first records would be", ["record", "fate", "reason", "column"], records))
    part = "All" if result.is_whole_file else "The first"
    out.print(table(f"{part} {result.records:,} records would be", ["fate", "records"], result.fates))
    if result.held:
        held = [[i.reason_code, i.column, i.records, i.first_record, i.explanation] for i in result.held]
        out.print(table("Held, because", ["reason", "column", "records", "first", "meaning"], held))
    if result.incomplete:
        out.print(
            f"{result.incomplete:,} applied records are of encounters of which this file lacks the arrival or the "
            "place: they would be held unless another file has it."
        )
    if result.unmapped_columns:
        out.print("Not mapped: " + ", ".join(result.unmapped_columns), markup=False)


def _samples(item: ColumnCheck) -> str:
    """Return one line per value: as delivered, then what it became."""
    lines = []
    for sample in item.samples:
        became = f"✗ {sample.problem}" if sample.problem else sample.reads_as
        lines.append(inert(became if sample.delivered in {"", became} else f"{sample.delivered} → {became}"))
    return "\n".join(lines) or "–"


@feed_app.command("schema")
def feed_schema() -> None:
    """Print the JSON Schema of feed files.

    Example: hops feed schema > feed.schema.json
    """
    from healthcare_ops.core.feed import Feed

    sys.stdout.write(json.dumps(Feed.model_json_schema(), indent=2) + "\n")


@site_app.command("schema")
def site_schema() -> None:
    """Print the JSON Schema of site files.

    Example: hops site schema > site.schema.json
    """
    from healthcare_ops.core.site import Site

    sys.stdout.write(json.dumps(Site.model_json_schema(), indent=2) + "\n")
