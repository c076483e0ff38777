"""`hops feed check|schema`, `hops site schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from healthcare_ops.entrypoints.cli.options import Json
from healthcare_ops.entrypoints.cli.output import console, emit_json, table

feed_app = typer.Typer(
    help="Feed files: the mapping of one supplier's data.", no_args_is_help=True, rich_markup_mode=None
)
site_app = typer.Typer(help="The site file: the hospital and its sectors.", no_args_is_help=True, rich_markup_mode=None)


@feed_app.command("check")
def check(
    feed: Annotated[Path, typer.Argument(help="Feed file.")],
    file: Annotated[Path, typer.Argument(help="A delivered file.")],
    site: Annotated[Path | None, typer.Option("--site", help="Site file, to check sectors as well.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the mapping makes of a file's first rows; writes nothing.

    Example: hops feed check feeds/ed.toml today.csv --site site.toml
    """
    from healthcare_ops.operations.feed_check import check_feed

    result = check_feed(feed, file, site)
    if as_json:
        emit_json(result)
    else:
        out = console()
        columns = [[item["column"], item["source"], " · ".join(item["samples"]) or "–"] for item in result["columns"]]
        out.print(
            table(
                f"{file.name} as feed {result['feed_id']} reads it",
                ["column", "from", "first values"],
                columns,
            )
        )
        rows = [[fate, count] for fate, count in result["fates"].items()]
        out.print(table(f"The first {result['records']:,} records would be", ["fate", "records"], rows))
        if result["reasons"]:
            reasons = [[r["reason_code"], r["column"], r["records"], r["explanation"]] for r in result["reasons"]]
            out.print(table("Held, because", ["reason", "column", "records", "meaning"], reasons))
        if result["unmapped"]:
            out.print("Not mapped: " + ", ".join(result["unmapped"]), markup=False)


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
