"""`hops report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.failures import warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at
from healthcare_ops.entrypoints.cli.output import console, emit_json, table

if TYPE_CHECKING:
    from healthcare_ops.bootstrap.platform import Platform
    from healthcare_ops.entrypoints.page.model import Report

Language = Annotated[Literal["en", "pt-BR"], typer.Option("--lang", help="Language of the page.")]
Out = Annotated[Path | None, typer.Option("--out", help="Page to write; default: report.html in the state.")]


def report(
    language: Language = "en",
    out: Out = None,
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Write a page of the hospital: its days, forecasts, how good these were, every record accounted for.

    The page is one HTML file that needs nothing else, as `hops demo` writes one.

    Example: hops report --out week.html
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import NotFoundError

    if out and not out.parent.is_dir():
        raise NotFoundError(f"folder {out.parent} does not exist.", next_step="Make it, or correct --out.")
    page = out or state / "report.html"
    with open_platform(state, clock_at(as_of), exclusive=False) as platform:
        shown = write_page(platform, page, language)
    cautions = [caution.document for caution in shown.cautions]
    if as_json:
        emit_json({"page": str(page), "backtests": shown.backtests, "warnings": cautions})
        return
    print_backtests(shown.backtests)
    console().print(f"page: {page.resolve()}", style="bold", markup=False)
    warn(cautions)


def write_page(platform: Platform, page: Path, language: Literal["en", "pt-BR"], *, note: str = "") -> Report:
    """Write the page, and return what it shows."""
    from healthcare_ops.adapters.local_files import write_bytes
    from healthcare_ops.entrypoints.page.gather import gather
    from healthcare_ops.entrypoints.page.render import render

    shown = gather(platform, note=note)
    write_bytes(page, render(shown, language).encode())
    return shown


def print_backtests(backtests: Any) -> None:
    """Print how good the forecasts of each sector were, beside the same hour last week."""
    for walk in backtests:
        console().print(table(_walk_title(walk), _WALK_HEADINGS, [_walk_line(item) for item in walk["comparisons"]]))


def print_wait_tests(tests: Any) -> None:
    """Print how good the forecasts of waits were, beside the sector's waits of the 13 weeks before."""
    if not tests:
        return
    # All sectors have the same test weeks.
    first, until = (datetime.fromtimestamp(60 * tests[0][name], UTC) for name in ("first_min", "until_min"))
    lines = [
        [test["sector_id"], test["patients"], test["pinball"], test["usual_pinball"], f"{test['coverage_90']:.1%}"]
        for test in tests
    ]
    title = f"Test of waits: patients from {first:%Y-%m-%d} to {until:%Y-%m-%d}, against the waits of 13 weeks before"
    console().print(table(title, ["sector", "patients", "pinball, min", "usual", "90 % cover"], lines))


def _walk_title(walk: dict[str, Any]) -> str:
    return (
        f"Backtest of {walk['sector_id']}: {walk['origins']} origins from {walk['first_origin'][:10]}, "
        f"{walk['refits']} refits, against the same hour last week"
    )


_WALK_HEADINGS = [
    "lead",
    "MAE",
    "naive",
    "WAPE",
    "naive",
    "MAPE",
    "its floor",
    "pinball",
    "naive",
    "90 % cover",
    "bias",
    "P(better)",
]


def _share(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _walk_line(item: dict[str, Any]) -> list[Any]:
    model, naive = item["model"], item["naive"]
    return [
        "all" if item["lead_h"] is None else f"+{item['lead_h']} h",
        model["mae"],
        naive["mae"],
        _share(model["wape"], 1),
        _share(naive["wape"], 1),
        _share(model["mape"], 0),
        f"{model['mape_floor']:.0%}",
        model["pinball"],
        naive["pinball"],
        f"{model['coverage_pit']:.1%}",
        f"{model['bias']:+.2f}",
        f"{item['better_probability']:.0%}",
    ]
