"""`hops evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State
from healthcare_ops.entrypoints.cli.output import console, emit_json, steps
from healthcare_ops.entrypoints.cli.report import print_backtests

if TYPE_CHECKING:
    from healthcare_ops.forecasting.evaluation import Walk
    from healthcare_ops.operations.evaluate import Block, History


def evaluate(
    series: Annotated[
        Path | None,
        typer.Option(
            help="Hourly counts: CSV (also .gz) or Parquet with `series`, `time`, `value`; else the lake's arrivals."
        ),
    ] = None,
    zone: Annotated[
        str, typer.Option(help="IANA zone of the series; the site's for the lake.", show_default=False)
    ] = "",
    clock: Annotated[
        Literal["utc", "wall"],
        typer.Option(help="utc: times have an offset or are UTC; wall: naive local hours, 24 a day."),
    ] = "utc",
    train_end: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="First local time that the first model does not know; default: 8 weeks before the end."
        ),
    ] = "",
    origins: Annotated[
        str, typer.Option(help="Local hours to forecast from, such as 00:00,12:00, or hourly.")
    ] = "hourly",
    leads: Annotated[
        str, typer.Option(metavar="FIRST:LAST", help="Hours ahead; 0 is the hour that begins at the origin.")
    ] = "0:48",
    refit: Annotated[str, typer.Option(help="How often a model is learnt anew: never, P28D, P1M.")] = "P28D",
    calendar: Annotated[Path | None, typer.Option(help="School holidays and events: `date`, `name`, `value`.")] = None,
    regressors: Annotated[
        Path | None, typer.Option(help="Forecasts of others: `name`, `issue_time`, `target_time`, `value`.")
    ] = None,
    holidays: Annotated[
        str, typer.Option(help="Public holidays: a country or its part, such as BR-SP or GB-ENG.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="File for every forecast (.csv or .parquet).", show_default=False)
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for a page with plots, and its figures as JSON.")
    ] = None,
    language: Annotated[Literal["en", "pt-BR"], typer.Option("--lang", help="Language of the page.")] = "en",
    threads: Annotated[int, typer.Option(min=0, help="Threads to learn with; 0 = every core.")] = 0,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Try the forecasts on a history: walk through it, learn anew as time goes on, and compare with what came.

    No forecast knows anything of the time after its origin. The comparison is with the same hour last week and
    yesterday; P(better) is the share of resampled days on which the model's pinball loss is lower than last week's.

    Example: hops evaluate --series ed.csv --zone Europe/London --out all.csv
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.entrypoints.page.evaluation import write_evaluation
    from healthcare_ops.operations import evaluate as work

    _require_folders(path for path in (out, report) if path)
    try:
        choices = work.Choices(clock, train_end, origins, leads, refit)
        if series:
            public = work.read_holidays(holidays)
            history = work.files_history(series, calendar, regressors, holidays=public, zone=zone, choices=choices)
        else:
            beside = {"--calendar": calendar, "--regressors": regressors, "--holidays": holidays, "--zone": zone}
            work.require_none([option for option, value in beside.items() if value], choices)
            with open_platform(state, exclusive=False) as platform:
                history = work.lake_history(platform, choices)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    walks = _walk(history, threads)
    document = work.judged(walks, history)
    if out:
        document["rows"] = work.write_forecasts(walks, history.protocol, out)
    if report:
        document["page"] = str(write_evaluation(report, document, walks, history, language))
    if as_json:
        emit_json(document)
        return
    print_backtests(document["backtests"])
    if report:
        console().print(f"page: {document['page']}", style="bold", markup=False)
    if out:
        console().print(f"{document['rows']:,} forecasts: {out}", style="bold", markup=False)


def _require_folders(paths: Iterable[Path]) -> None:
    from healthcare_ops.core.errors import NotFoundError

    for folder in (path.parent for path in paths):
        if not folder.is_dir():
            raise NotFoundError(f"folder {folder} does not exist.", next_step="Make it, or name another.")


def _walk(history: History, threads: int) -> list[Walk]:
    from healthcare_ops.forecasting.evaluation import walk_forward
    from healthcare_ops.operations.evaluate import LEVELS, blocks

    planned, leads = blocks(history), history.protocol.leads_h
    with steps("evaluate", len(planned)) as advance:
        told = _telling(planned, advance)
        return walk_forward(history.known, history.covariates, told, leads, levels=LEVELS, threads=threads)


def _telling(planned: Iterable[Block], advance: Any) -> Iterator[Block]:
    for block in planned:
        advance(f"learning until {block[0]:%Y-%m-%d}")
        yield block
