"""`hops demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.forecasts import ahead, where
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State
from healthcare_ops.entrypoints.cli.output import accounts, console, emit_json, steps, table
from healthcare_ops.entrypoints.cli.quality_report import verdict_text
from healthcare_ops.entrypoints.cli.report import Language, Out, print_backtests, write_page

if TYPE_CHECKING:
    from healthcare_ops.operations.demo import Demo


def demo(
    language: Language = "en",
    out: Out = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="A synthetic hospital of six sectors instead.")
    ] = False,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Run the whole job on a year of emergency visits (synthesised from real ones) and show what came of it.

    Example: hops demo --state /tmp/hops-demo
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.demo import run_demo, run_synthetic_demo
    from healthcare_ops.operations.runner import states_of

    with steps("demo", len(states_of("weekly_train")) + 2) as progress:
        result = (run_synthetic_demo if synthetic else run_demo)(state, progress)
        progress("writing the page")
        page = out or state / "report.html"
        with open_platform(state, result.clock, exclusive=False) as platform:
            write_page(platform, page, language, note=result.attribution)
    if as_json:
        emit_json({**result.document, "page": str(page)})
    else:
        _print(result, page)


def _print(result: Demo, page: Path) -> None:
    out = console()
    document = result.document
    out.print()
    out.print(f"{document['facility']}: {result.period}, read as if it were {result.clock.now():%Y-%m-%d %H:%M} UTC")
    out.print(accounts(document["feeds"]))
    rows = [[item["reason_code"], item["records"], item["explanation"]] for item in document["quarantine"]]
    out.print(table("In quarantine", ["reason", "records", "meaning"], rows))
    dq = document["data_quality"]
    judged = f"{dq['days']['first']} to {dq['days']['last']}"
    out.print(f"Data quality of {judged}: {verdict_text(dq['verdict'])}, risk score {dq['dq_risk_score']:.2f} of 100")
    print_backtests(document["backtests"])
    out.print(
        table(
            "Forecast of arrivals per hour",
            _FORECAST_HEADINGS,
            [_forecast_line(item) for item in document["forecast"]],
        )
    )
    rows = [[item["table"], item["rows"], item["first"], item["last"], item["path"]] for item in document["tables"]]
    out.print(table("Where to look", ["table", "rows", "first day", "last day", "folder"], rows))
    out.print(f"report: {dq['path']}", markup=False)
    out.print(f"page:   {page.resolve()}", style="bold", markup=False)
    out.print(
        "next:   hops status · hops dq show · hops dq quarantine · hops export gold.ops_metrics_hourly --out hours.csv"
    )


_FORECAST_HEADINGS = ["sector", "in", "hour", "expected", "90 % interval"]


def _forecast_line(item: dict[str, Any]) -> list[Any]:
    interval = f"{item['q05']:.2f} – {item['q95']:.2f}"
    return [where(item["sector_id"]), ahead(item["horizon_h"]), item["target_local"], item["mean"], interval]
